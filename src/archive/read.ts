// Reading a finished recording: its metadata, its manifest, and whether the files still are what the manifest says.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import {
  LARGEST_MANIFEST_BYTES,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
  SIGNATURE_FILE,
  type UnsignedManifest,
} from './manifest.ts';
import { METADATA_FILE, type Metadata, metadataSchema } from './metadata.ts';

const HASH_CHUNK_BYTES = 1 << 20;

/**
 * `metadata.json` of the recording in `directory`.
 * @throws GrecError RECORDING_UNREADABLE
 */
export function readMetadata(directory: string): Metadata {
  return readWhole(join(directory, METADATA_FILE), (bytes) =>
    v.parse(metadataSchema, JSON.parse(bytes.toString('utf8'))),
  );
}

/**
 * `manifest.json` of the recording in `directory`.
 * @throws GrecError RECORDING_UNREADABLE
 */
export function readManifest(directory: string): Manifest | UnsignedManifest {
  return readWhole(join(directory, MANIFEST_FILE), (bytes) => {
    const parsed = parseManifest(bytes);
    if ('problem' in parsed) throw new Error(parsed.problem);
    return parsed.manifest;
  });
}

function readWhole<T>(file: string, parse: (bytes: Buffer) => T): T {
  try {
    if (statSync(file).size > LARGEST_MANIFEST_BYTES) throw new Error('it is too large');
    return parse(readFileSync(file));
  } catch (thrown) {
    const absent = systemCode(thrown) === 'ENOENT';
    throw new GrecError('RECORDING_UNREADABLE', `cannot read ${file}: ${messageOf(thrown)}`, {
      hint: absent
        ? 'the file is gone: restore the recording from a backup of the archive'
        : 'the file is damaged or not readable by this user; a backup of the archive has it whole',
      cause: thrown,
    });
  }
}

export interface Verification {
  ok: boolean;
  /** One line for each file that is missing, changed, or not in the manifest. */
  problems: string[];
}

/**
 * Compares every file of a recording with its manifest. Reads all bytes; does not throw for what it finds. Who made the
 * manifest, and whether it is the archive's, is another question: see verify.ts.
 */
export function verifyFiles(directory: string): Verification {
  let manifest: Manifest | UnsignedManifest;
  try {
    manifest = readManifest(directory);
  } catch (thrown) {
    return { ok: false, problems: [messageOf(thrown)] };
  }
  const problems = manifest.files.flatMap((file) => checkFile(directory, file));
  const known = new Set([MANIFEST_FILE, SIGNATURE_FILE, ...manifest.files.map(({ path }) => path)]);
  for (const name of readdirSync(directory)) {
    if (!known.has(name)) problems.push(`${name}: not in the manifest`);
  }
  return { ok: problems.length === 0, problems };
}

function checkFile(directory: string, file: Manifest['files'][number]): string[] {
  if (basename(file.path) !== file.path) return [`${file.path}: not a file of this recording`];
  try {
    const { size, sha256 } = hashFile(join(directory, file.path));
    if (size !== file.size) return [`${file.path}: ${size} bytes, the manifest says ${file.size}`];
    return sha256 === file.sha256 ? [] : [`${file.path}: its SHA-256 is not that of the manifest`];
  } catch (thrown) {
    return [`${file.path}: ${messageOf(thrown)}`];
  }
}

/** Size in bytes and SHA-256 in lower-case hex, read in pieces. Throws Node's system errors. */
export function hashFile(file: string): { size: number; sha256: string } {
  const hash = createHash('sha256');
  const fd = openSync(file, 'r');
  try {
    const chunk = Buffer.allocUnsafe(Math.min(HASH_CHUNK_BYTES, fstatSync(fd).size + 1));
    let size = 0;
    for (;;) {
      const length = readSync(fd, chunk, 0, chunk.length, null);
      if (length === 0) return { size, sha256: hash.digest('hex') };
      hash.update(chunk.subarray(0, length));
      size += length;
    }
  } finally {
    closeSync(fd);
  }
}
