// Writing a finished recording: all files under a temporary name, synced, and then there at once, by one rename.
//
//   archive/YYYY/MM/DD/ID/    UTC date of its start
//   archive/YYYY/MM/DD/.ID.tmp/    while it is being made
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { systemCode } from '../errors.ts';
import { AUDIO_FILE, MANIFEST_FILE, type Manifest, METADATA_FILE, type Metadata } from './metadata.ts';

/** Each piece is fresh memory: an hour of audio is read quickly enough, and a short call leaves little garbage. */
const HASH_CHUNK_BYTES = 128 << 10;
const STAGING_NAME = /^\..+\.tmp$/;

/** The folder of a day's recordings, relative to the archive. @param at milliseconds since 1970 */
export function dayFolder(at: number): string {
  return new Date(at).toISOString().slice(0, 10).replaceAll('-', '/');
}

/** A recording that is being made. */
export interface Staging {
  /** Where the audio is to be written and synced. */
  audioFile: string;
  /**
   * Adds metadata and manifest and puts the recording in its place, durably.
   * @returns its directory, relative to the archive
   */
  publish(metadata: Metadata): Promise<string>;
  discard(): Promise<void>;
}

/**
 * Begins a recording; what an earlier attempt left is removed. Throws Node's system errors, as its methods do.
 * @param archive the archive directory
 * @param at when the recording starts, as far as is known, milliseconds since 1970
 */
export async function stageRecording(archive: string, id: string, at: number): Promise<Staging> {
  const staging = join(archive, dayFolder(at), `.${id}.tmp`);
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true, mode: 0o750 });
  return {
    audioFile: join(staging, AUDIO_FILE),
    publish: (metadata) => publish(archive, staging, metadata),
    discard: () => rm(staging, { recursive: true, force: true }),
  };
}

async function publish(archive: string, staging: string, metadata: Metadata): Promise<string> {
  await writeSynced(join(staging, METADATA_FILE), metadata);
  await writeSynced(join(staging, MANIFEST_FILE), await createManifest(staging, metadata.id));
  await syncFolder(staging);
  const path = join(dayFolder(Date.parse(metadata.startTime)), metadata.id);
  const target = join(archive, path);
  await mkdir(dirname(target), { recursive: true, mode: 0o750 });
  // What stands here without being whole was not made by us, or its disk lost a part of it; the spool has it all.
  await rm(target, { recursive: true, force: true });
  await rename(staging, target);
  await syncUpTo(archive, dirname(target));
  return path;
}

async function createManifest(staging: string, id: string): Promise<Manifest> {
  const files: Manifest['files'] = [];
  for (const path of [AUDIO_FILE, METADATA_FILE]) {
    files.push({ path, ...(await hashInPieces(join(staging, path))) });
  }
  return { version: 1, id, createdAt: new Date().toISOString(), files };
}

/** As `hashFile` does, with other work in between: an hour of audio has 115 MB. */
async function hashInPieces(file: string): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(file, {
    highWaterMark: HASH_CHUNK_BYTES,
  }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, sha256: hash.digest('hex') };
}

async function writeSynced(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o640, flush: true });
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The day's folder may be new, and so may those above it: each name must be on the disk. */
async function syncUpTo(archive: string, folder: string): Promise<void> {
  for (let at = folder; !relative(archive, at).startsWith('..'); at = dirname(at)) {
    await syncFolder(at);
    if (at === archive) return;
  }
}

/**
 * The directory of a recording that is finished already, relative to the archive, if it lies in one of these days.
 * @param days milliseconds since 1970
 */
export function findFinished(archive: string, id: string, days: readonly number[]): string | undefined {
  const candidates = days.map((at) => join(dayFolder(at), id));
  return candidates.find((path) => existsSync(join(archive, path, MANIFEST_FILE)));
}

/** Removes what crashes left of recordings in the making, in the folders of these days. */
export async function removeLeftovers(archive: string, days: readonly number[]): Promise<string[]> {
  const removed: string[] = [];
  for (const folder of new Set(days.map((at) => join(archive, dayFolder(at))))) {
    for (const name of await listStagings(folder)) {
      await rm(join(folder, name), { recursive: true, force: true });
      removed.push(name);
    }
  }
  return removed;
}

async function listStagings(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => STAGING_NAME.test(name));
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

/** Bytes of a file. */
export async function sizeOf(file: string): Promise<number> {
  return (await stat(file)).size;
}
