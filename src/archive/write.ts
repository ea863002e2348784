// Writing a finished recording: all files under a temporary name, synced, and then there at once, by one rename.
//
//   archive/YYYY/MM/DD/ID/    UTC date of its start
//   archive/YYYY/MM/DD/.ID.tmp/    while it is being made
//   archive/YYYY/MM/DD/.ID.old/    what it replaces, for an instant
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../errors.ts';
import { readRegularFileOrNothing } from '../regular-file.ts';
import { syncPath } from '../sync.ts';
import { VERSION } from '../version.ts';
import { addToChain, type NextLink } from './chain.ts';
import { BLOCK_BYTES, digestFile, type FileDigest, sha256 } from './digest.ts';
import {
  type CaptureDigest,
  encodeManifest,
  isFileName,
  isSuperseded,
  LARGEST_MANIFEST_BYTES,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
  SIGNATURE_FILE,
  supersededManifest,
  supersededSignature,
} from './manifest.ts';
import { METADATA_FILE, type Metadata } from './metadata.ts';
import { openSigner, type Signer } from './signing-key.ts';
import { syncUpTo } from './sync.ts';
import { dayFolder } from './walk.ts';

/** Nobody makes a recording so often: who says so is not believed. */
const MOST_REVISIONS = 100_000;
const STAGING_NAME = /^\..+\.tmp$/;
const REPLACED_NAME = /^\.(.+)\.old$/;

/** Where recordings go, and what signs them. */
export interface ArchiveTarget {
  directory: string;
  /** The file of the key; made when it is missing. */
  signingKey: string;
}

/** A recording that is being made. */
export interface Staging {
  /** Where its files are to be written and synced. */
  directory: string;
  /**
   * Adds metadata and manifest and puts the recording in its place, durably, as the next one of the archive's chain.
   * @param captures what it was made of
   * @returns its directory, relative to the archive
   */
  publish(metadata: Metadata, captures?: readonly CaptureDigest[]): Promise<string>;
  discard(): Promise<void>;
}

/**
 * Begins a recording; what an earlier attempt left is removed. Throws Node's system errors, as its methods do, which also
 * throw GrecError SIGNING_KEY_UNUSABLE.
 * @param at when the recording starts, as far as is known, milliseconds since 1970
 */
export async function stageRecording(target: ArchiveTarget, id: string, at: number): Promise<Staging> {
  const staging = join(target.directory, dayFolder(at), `.${id}.tmp`);
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true, mode: 0o750 });
  return {
    directory: staging,
    publish: (metadata, captures = []) => publish(target, staging, metadata, captures),
    discard: () => rm(staging, { recursive: true, force: true }),
  };
}

async function publish(
  { directory: archive, signingKey }: ArchiveTarget,
  staging: string,
  metadata: Metadata,
  captures: readonly CaptureDigest[],
): Promise<string> {
  const signer = openSigner(signingKey, archive);
  await writeSynced(join(staging, METADATA_FILE), Buffer.from(`${JSON.stringify(metadata, undefined, 2)}\n`));
  const files = await digestFiles(staging);
  const { id, startTime } = metadata;
  const path = join(dayFolder(Date.parse(startTime)), id);
  const target = join(archive, path);
  await mkdir(dirname(target), { recursive: true, mode: 0o750 });
  const prepare = async (next: NextLink) => {
    await putBack(target);
    const older = await takeOverManifests(target, staging);
    const contents = { files: [...files, ...older.files], captures: [...captures] };
    const sha256 = await writeManifest(
      staging,
      signer,
      describe(metadata, next, older.revision + 1, contents),
    );
    return { id, path, sha256 };
  };
  await addToChain(archive, { prepare, place: () => place(archive, staging, target) });
  return path;
}

type Contents = Pick<Manifest, 'files' | 'captures'>;

function describe(
  { id, startTime, stopTime }: Metadata,
  { sequence, previous }: NextLink,
  revision: number,
  { files, captures }: Contents,
): (key: string) => Manifest {
  return (key) => ({
    version: 2,
    id,
    sequence,
    revision,
    createdAt: new Date().toISOString(),
    startTime,
    stopTime,
    software: `grec ${VERSION}`,
    key,
    previous,
    blockSize: BLOCK_BYTES,
    files,
    captures,
  });
}

/** @returns its SHA-256 */
async function writeManifest(
  staging: string,
  signer: Signer,
  manifestSignedBy: (key: string) => Manifest,
): Promise<string> {
  const bytes = encodeManifest(manifestSignedBy(signer.keyId));
  await writeSynced(join(staging, MANIFEST_FILE), bytes);
  await writeSynced(join(staging, SIGNATURE_FILE), signer.sign(bytes));
  await syncPath(staging);
  return sha256(bytes);
}

/** Every file that a recording is made of, so far. */
async function digestFiles(staging: string): Promise<(FileDigest & { path: string })[]> {
  const names = (await readdir(staging)).filter(isFileName).sort();
  const files: (FileDigest & { path: string })[] = [];
  for (const path of names) files.push({ path, ...(await digestFile(join(staging, path))) });
  return files;
}

/** The manifests of a recording that is made anew are links of the chain, and stay beside the new one. */
async function takeOverManifests(target: string, staging: string) {
  const last = readRegularFileOrNothing(join(target, MANIFEST_FILE), LARGEST_MANIFEST_BYTES);
  const parsed = parseManifest(last ?? Buffer.alloc(0));
  if (!('manifest' in parsed) || parsed.manifest.version === 1) return { revision: 0, files: [] };
  const { revision } = parsed.manifest;
  if (revision > MOST_REVISIONS) return { revision: 0, files: [] };
  const names = (await readdir(target)).filter(isSuperseded).map((name) => [name, name]);
  names.push([MANIFEST_FILE, supersededManifest(revision)], [SIGNATURE_FILE, supersededSignature(revision)]);
  const files: (FileDigest & { path: string })[] = [];
  for (const [from = '', path = ''] of names) {
    const bytes = readRegularFileOrNothing(join(target, from), LARGEST_MANIFEST_BYTES);
    // One that is gone shows as such: the chain misses it.
    if (bytes === undefined) continue;
    await writeSynced(join(staging, path), bytes);
    files.push({ path, ...(await digestFile(join(staging, path))) });
  }
  return { revision, files };
}

/** What stands there already makes room only when it can come back: a crash in between is seen by `removeLeftovers`. */
async function place(archive: string, staging: string, target: string): Promise<void> {
  const replaced = replacedName(target);
  const isReplacing = existsSync(target);
  if (isReplacing) {
    await rm(replaced, { recursive: true, force: true });
    await rename(target, replaced);
  }
  try {
    await rename(staging, target);
  } catch (thrown) {
    if (isReplacing) await rename(replaced, target);
    throw thrown;
  }
  await syncUpTo(archive, dirname(target));
  if (isReplacing) await rm(replaced, { recursive: true, force: true });
}

/** What a crash left hidden while it was replaced. */
async function putBack(target: string): Promise<void> {
  const replaced = replacedName(target);
  if (!existsSync(target) && existsSync(replaced)) await rename(replaced, target);
}

function replacedName(target: string): string {
  return join(dirname(target), `.${basename(target)}.old`);
}

export async function writeSynced(file: string, bytes: Uint8Array): Promise<void> {
  await writeFile(file, bytes, { mode: 0o640, flush: true });
}

/**
 * The directory of a recording that is finished already, relative to the archive, if it lies in one of these days.
 * @param days milliseconds since 1970
 */
export function findFinished(archive: string, id: string, days: readonly number[]): string | undefined {
  const candidates = days.map((at) => join(dayFolder(at), id));
  return candidates.find((path) => existsSync(join(archive, path, MANIFEST_FILE)));
}

/** Removes what crashes left of recordings in the making, in the folders of these days, and puts back what they were to replace. */
export async function removeLeftovers(archive: string, days: readonly number[]): Promise<string[]> {
  const removed: string[] = [];
  for (const folder of new Set(days.map((at) => join(archive, dayFolder(at))))) {
    for (const name of await listLeftovers(folder)) {
      const replaced = REPLACED_NAME.exec(name)?.[1];
      if (replaced !== undefined && !existsSync(join(folder, replaced))) {
        await rename(join(folder, name), join(folder, replaced));
      } else {
        await rm(join(folder, name), { recursive: true, force: true });
        removed.push(name);
      }
    }
  }
  return removed;
}

async function listLeftovers(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => STAGING_NAME.test(name) || REPLACED_NAME.test(name));
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

/** Bytes of a file. */
export async function sizeOf(file: string): Promise<number> {
  return (await stat(file)).size;
}
