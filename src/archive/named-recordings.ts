// Recordings of an archive by a part of their id, or the last one; from its files alone.
import { join } from 'node:path';
import { GrecError } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import { isAct, type Link } from './links.ts';
import { LARGEST_MANIFEST_BYTES, MANIFEST_FILE, parseManifest } from './manifest.ts';
import type { NotedLinks } from './noted-links.ts';
import type { Found } from './walk.ts';

export type FoundRecording = Extract<Found, { kind: 'recording' }>;

const SHORTEST_PART = 4;

/** One that is there; or else the link of one that was. @throws GrecError RECORDING_UNKNOWN, RECORDING_AMBIGUOUS */
export function findById(
  asked: string,
  present: readonly FoundRecording[],
  noted: NotedLinks,
): FoundRecording | Link {
  const part = asked.toLowerCase().replaceAll('-', '');
  const isMatch = ({ id }: { id: string }) => id.replaceAll('-', '').includes(part);
  if (!/^[0-9a-f]+$/.test(part) || part.length < SHORTEST_PART) throw unknown(asked);
  const found = present.filter(isMatch);
  const [first] = found;
  if (found.length > 1) throw ambiguous(asked, found);
  const link = first ?? [...noted.all()].findLast((one) => !isAct(one) && isMatch(one));
  if (link === undefined) throw unknown(asked);
  return link;
}

/** The one that started last. @throws GrecError RECORDING_UNKNOWN */
export function findLast(archive: string, present: readonly FoundRecording[]): FoundRecording {
  const day = present.at(-1)?.path.slice(0, 'YYYY/MM/DD'.length) ?? '';
  const ofDay = present.filter(({ path }) => path.startsWith(day));
  const sorted = ofDay.toSorted((one, other) => startOf(archive, one) - startOf(archive, other));
  const last = sorted.at(-1);
  if (last === undefined) throw unknown('last');
  return last;
}

/** What cannot tell its time is looked at rather than one that can. */
function startOf(archive: string, { path }: FoundRecording): number {
  try {
    const bytes = readRegularFile(join(archive, path, MANIFEST_FILE), LARGEST_MANIFEST_BYTES);
    const parsed = parseManifest(bytes ?? Buffer.alloc(0));
    if (!('manifest' in parsed)) return Number.POSITIVE_INFINITY;
    const { manifest } = parsed;
    return Date.parse(manifest.version === 1 ? manifest.createdAt : manifest.startTime);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function unknown(asked: string): GrecError {
  return new GrecError('RECORDING_UNKNOWN', `there is no recording ${JSON.stringify(asked)} in the archive`, {
    hint: '`grec ls` shows the recordings; give an id or any part of it with at least 4 hex digits. One that failed has no files',
  });
}

function ambiguous(asked: string, found: readonly FoundRecording[]): GrecError {
  const shown = found.slice(0, 8).map(({ id, path }) => `  ${id}  ${path.slice(0, 10)}`);
  const message = [`${JSON.stringify(asked)} is part of several recordings' ids:`, ...shown].join('\n');
  return new GrecError('RECORDING_AMBIGUOUS', message, { hint: 'give more digits of the id' });
}
