// Walking an archive: its days and the directories in them, in order, without following a link.
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';

const LEVELS = [/^\d{4}$/, /^\d\d$/, /^\d\d$/];
const RECORDING_NAME = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The folder of a day's recordings, relative to the archive. @param at milliseconds since 1970 */
export function dayFolder(at: number): string {
  return new Date(at).toISOString().slice(0, 10).replaceAll('-', '/');
}

/** What lies in an archive; `path` is relative to it. */
export type Found =
  | { kind: 'recording'; path: string; id: string }
  /** `problem`: why it is no recording. */
  | { kind: 'stranger'; path: string; problem: string };

/**
 * Everything in the folders of days, from the oldest day on. What is in the making has a hidden name and is passed over.
 * Throws Node's system errors.
 * @param sinceDay the first day that is looked at, `2026/01/31`
 */
export async function* walkArchive(archive: string, sinceDay = ''): AsyncGenerator<Found> {
  yield* walkLevel(archive, '', 0, sinceDay);
}

async function* walkLevel(
  archive: string,
  folder: string,
  level: number,
  sinceDay: string,
): AsyncGenerator<Found> {
  for (const entry of await list(join(archive, folder))) {
    const path = join(folder, entry.name);
    const pattern = LEVELS[level];
    if (path < sinceDay.slice(0, path.length)) continue;
    if (pattern === undefined) yield recordingOrStranger(path, entry);
    else if (!pattern.test(entry.name)) {
      // Beside the years others may have put what they like: keys, links, lost+found.
      if (level > 0) yield { kind: 'stranger', path, problem: 'it has no place in an archive' };
    } else if (entry.isDirectory()) yield* walkLevel(archive, path, level + 1, sinceDay);
    else yield { kind: 'stranger', path, problem: noDirectory(entry) };
  }
}

function recordingOrStranger(path: string, entry: Dirent): Found {
  if (!entry.isDirectory()) return { kind: 'stranger', path, problem: noDirectory(entry) };
  if (!RECORDING_NAME.test(entry.name))
    return { kind: 'stranger', path, problem: 'it is not named like a recording' };
  return { kind: 'recording', path, id: entry.name };
}

function noDirectory(entry: Dirent): string {
  return entry.isSymbolicLink() ? 'it is a symbolic link, which is not followed' : 'it is not a directory';
}

async function list(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter(({ name }) => !name.startsWith('.'))
      .sort((one, other) => (one.name < other.name ? -1 : 1));
  } catch (thrown) {
    // Somebody else may have taken it away just now.
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}
