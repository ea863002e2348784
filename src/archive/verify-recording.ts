// One recording, against its own manifest and signature. Nothing that it says is believed before it is checked.
import { type KeyObject, verify } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import { sha256 } from './digest.ts';
import type { Finding } from './finding.ts';
import type { Link } from './links.ts';
import {
  LARGEST_MANIFEST_BYTES,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
  SIGNATURE_FILE,
  supersededManifest,
  supersededSignature,
  type UnsignedManifest,
} from './manifest.ts';
import { verifyFile } from './verify-file.ts';
import { dayFolder } from './walk.ts';

const SUPERSEDED = /^manifest\.([1-9]\d{0,5})\.json$/;

/** A link of the chain that a signed manifest proves. */
export interface SeenLink extends Link {
  previous: Manifest['previous'];
  /** When it was archived, ISO 8601. */
  createdAt: string;
}

export interface Checked {
  path: string;
  id: string;
  /** `unsigned`: from before manifests were signed, as far as it tells itself. */
  state: 'signed' | 'unsigned' | 'unknown';
  /** Of an unsigned one: when it was archived, as it says. */
  createdAt?: string;
  links: SeenLink[];
  findings: Finding[];
}

/** The archive that is verified, and whom it believes. */
export interface Grounds {
  archive: string;
  keys: ReadonlyMap<string, KeyObject>;
  /** Ids of the only keys that may have signed; all that the archive has, when absent. */
  trusted?: ReadonlySet<string>;
}

/** @param part of the recording's bytes that are read, 0 to 1 */
type OnPart = (part: number) => void;

export type Report = (code: Finding['code'], message: string, more?: Partial<Finding>) => void;

/** @param isLight the links alone: the recording's files are not read */
export async function checkRecording(
  grounds: Grounds,
  path: string,
  { isLight = false, onPart }: { isLight?: boolean; onPart?: OnPart } = {},
): Promise<Checked> {
  const checked: Checked = { path, id: basename(path), state: 'unknown', links: [], findings: [] };
  const report: Report = (code, message, more) => {
    checked.findings.push({ code, message, id: checked.id, path, ...more });
  };
  const directory = join(grounds.archive, path);
  try {
    const manifest = readOne(grounds, checked, report, [MANIFEST_FILE, SIGNATURE_FILE]);
    if (manifest === undefined) return checked;
    checked.state = manifest.version === 1 ? 'unsigned' : 'signed';
    checkPlace(checked, manifest, report);
    if (manifest.version === 2) readSuperseded(grounds, checked, report, manifest);
    if (!isLight) await checkFiles(directory, manifest, report, onPart);
  } catch (thrown) {
    report('file-unreadable', messageOf(thrown));
  }
  return checked;
}

/** A manifest and its signature; what they prove goes into `checked`. */
function readOne(
  grounds: Grounds,
  checked: Checked,
  report: Report,
  [file, signatureFile]: [string, string],
): Manifest | UnsignedManifest | undefined {
  const directory = join(grounds.archive, checked.path);
  const bytes = read(directory, file, LARGEST_MANIFEST_BYTES, report);
  if (bytes === 'unreadable') return undefined;
  if (bytes === undefined) {
    report('manifest-missing', 'it is missing: nothing proves this recording', { file });
    return undefined;
  }
  const parsed = parseManifest(bytes);
  if ('problem' in parsed) {
    report('manifest-invalid', `it is no manifest: ${parsed.problem}`, { file });
    return undefined;
  }
  const { manifest } = parsed;
  if (manifest.version === 1) {
    checked.createdAt = manifest.createdAt;
    return manifest;
  }
  const signature = read(directory, signatureFile, 4096, report);
  if (signature === undefined) report('signature-missing', 'it is missing', { file: signatureFile });
  if (signature instanceof Buffer && isSigned(grounds, manifest, bytes, signature, report, file))
    checked.links.push(linkOf(checked, manifest, bytes));
  return manifest;
}

function linkOf({ path, id }: Checked, { sequence, previous, createdAt }: Manifest, bytes: Buffer): SeenLink {
  return { sequence, id, path, sha256: sha256(bytes), previous, createdAt };
}

function read(
  directory: string,
  file: string,
  most: number,
  report: Report,
): Buffer | undefined | 'unreadable' {
  try {
    return readRegularFile(join(directory, file), most);
  } catch (thrown) {
    report('file-unreadable', messageOf(thrown), { file });
    return 'unreadable';
  }
}

/** Whether a key of the archive has signed these bytes; what is wrong is reported. */
export function isSigned(
  { keys, trusted }: Grounds,
  { key: id }: Pick<Manifest, 'key'>,
  bytes: Buffer,
  signature: Buffer,
  report: Report,
  file: string,
): boolean {
  const key = keys.get(id);
  if (key === undefined) {
    report('key-missing', `it is signed with key ${id}, which is not in the archive's keys/`, { file });
    return false;
  }
  if (!verify(null, bytes, key, signature)) {
    report('signature-wrong', 'the signature is wrong: it or the manifest has been changed', { file });
    return false;
  }
  if (trusted !== undefined && !trusted.has(id))
    report('key-untrusted', `it is signed with key ${id}, which was not named as trusted`, { file });
  return true;
}

/** Manifests lie where the recording is that they are of: a swap of two directories is seen. */
function checkPlace(
  { id, path }: Checked,
  manifest: Manifest | UnsignedManifest,
  report: Report,
  file = MANIFEST_FILE,
): void {
  if (manifest.id !== id) report('misplaced', `it is the manifest of recording ${manifest.id}`, { file });
  if (manifest.version === 1) return;
  const day = dayFolder(Date.parse(manifest.startTime));
  if (file === MANIFEST_FILE && !path.startsWith(`${day}/`))
    report('misplaced', `the recording is of ${manifest.startTime}, and belongs in ${day}`, { file });
}

function readSuperseded(grounds: Grounds, checked: Checked, report: Report, { files }: Manifest): void {
  const revisions = files.flatMap(({ path }) => SUPERSEDED.exec(path)?.[1] ?? []).map(Number);
  for (const revision of revisions) {
    const file = supersededManifest(revision);
    const manifest = readOne(grounds, checked, report, [file, supersededSignature(revision)]);
    if (manifest !== undefined) checkPlace(checked, manifest, report, file);
  }
}

async function checkFiles(
  directory: string,
  manifest: Manifest | UnsignedManifest,
  report: Report,
  onPart?: OnPart,
): Promise<void> {
  const all = manifest.files.reduce((sum, { size }) => sum + size, 1);
  let done = 0;
  const onBytes = (bytes: number) => {
    done += bytes;
    onPart?.(done / all);
  };
  const known = new Set([MANIFEST_FILE, ...(manifest.version === 2 ? [SIGNATURE_FILE] : [])]);
  for (const file of manifest.files) {
    known.add(file.path);
    if (basename(file.path) !== file.path || file.path.startsWith('.')) {
      report('manifest-invalid', 'it names a file outside of the recording, which is not looked at', {
        file: MANIFEST_FILE,
      });
      continue;
    }
    const found = await verifyFile(directory, expectedOf(manifest, file), onBytes);
    if (found !== undefined) report(found.code, found.message, { ...found, file: file.path });
  }
  for (const name of readdirSync(directory))
    if (!known.has(name)) report('file-unknown', 'it is not in the manifest', { file: name });
}

/** Manifests of the first version have no blocks: each file is one. */
function expectedOf(manifest: Manifest | UnsignedManifest, file: Manifest['files'][number]) {
  return manifest.version === 2 ? file : { ...file, blocks: undefined };
}
