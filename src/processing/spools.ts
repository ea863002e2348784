// The spools of all sources, and what is kept of them for a while: what a recording was made of, so that it can be made anew.
//
//   STATE/spool/SEGMENT/           waits for its recording
//   STATE/spool/failed/SEGMENT/    could not be made into audio, or not all of it: stays until the operator removes it
//   STATE/finished/SEGMENT/        has become part of a recording
//   STATE/spool/kept/SEGMENT/      the same, when captures are kept for longer
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { recordingIdOf } from '../archive/ids.ts';
import { messageOf, systemCode } from '../errors.ts';
import type { SpoolKeys } from '../spool/sealed-capture.ts';
import { FACTS_FILE, FAILED_FOLDER, KEPT_FOLDER, type SegmentFacts } from '../spool/segment.ts';
import type { SpoolSegment } from './situation.ts';
import type { Source } from './sources.ts';
import { readEntry, type SegmentEntry, SpoolScan } from './spool-scan.ts';

/** With less of its disk free, nothing is kept that need not be. */
const LEAST_FREE = 0.05;

type Place = Pick<Source, 'number' | 'spool' | 'finished'>;

/** Where a segment was. */
interface Left {
  place: Place;
  directory: string;
}

export class Spools {
  readonly #places: { place: Place; scan: SpoolScan }[];
  /** Of the spools of other switches, by source. */
  readonly problems = new Map<number, string>();

  /** With which captures are encrypted. */
  readonly keys: SpoolKeys | undefined;

  constructor(places: readonly Place[], keys?: SpoolKeys) {
    this.keys = keys;
    this.#places = places.map((place) => ({ place, scan: new SpoolScan(place.spool, place.number) }));
  }

  /** Looks again at what waits. Throws Node's system errors of our own spool; those of others are noted. */
  refresh(): SegmentEntry[] {
    return this.#places.flatMap(({ place, scan }) => {
      try {
        const found = scan.refresh();
        this.problems.delete(place.number);
        return found;
      } catch (thrown) {
        if (place.number === 0) throw thrown;
        this.problems.set(place.number, `the spool ${place.spool} cannot be read: ${messageOf(thrown)}`);
        return [];
      }
    });
  }

  /** As the last {@link refresh} saw them. */
  entries(): SegmentEntry[] {
    return this.#places.flatMap(({ scan }) => scan.entries());
  }

  /** One that is kept, whatever else came by its name; or one that waits. */
  get(id: string): SegmentEntry | undefined {
    return this.#findKept(id) ?? this.#places.flatMap(({ scan }) => scan.get(id) ?? [])[0];
  }

  /** Whether one that is done is still there. */
  isKept(id: string): boolean {
    return this.#findKept(id) !== undefined;
  }

  #findKept(id: string): SegmentEntry | undefined {
    for (const { place } of this.#places)
      for (const folder of foldersOf(place))
        if (existsSync(join(folder, id, FACTS_FILE))) return readEntry(folder, id, place.number);
    return undefined;
  }

  /** Where it waits, for the last time: it leaves the spool. */
  #leave(id: string): Left | undefined {
    const found = this.#places.find(({ scan }) => scan.get(id) !== undefined);
    found?.scan.forget(id);
    return found && { place: found.place, directory: join(found.place.spool, id) };
  }

  /** The same, or where it was set aside, of which something has become now. */
  #leaveAny(id: string): Left | undefined {
    const waiting = this.#leave(id);
    if (waiting !== undefined) return waiting;
    const aside = this.#places.map(({ place }) => ({
      place,
      directory: join(place.spool, FAILED_FOLDER, id),
    }));
    return aside.find(({ directory }) => existsSync(directory));
  }

  /** Takes a segment away that is of no use. */
  async remove(id: string): Promise<void> {
    const left = this.#leave(id);
    if (left !== undefined) await removeFolder(left.directory);
  }

  /** Takes a segment that has become part of a recording out of the spool, and keeps it for a while. */
  async keep(id: string): Promise<void> {
    const left = this.#leaveAny(id);
    if (left === undefined) return;
    const { finished } = left.place;
    try {
      await mkdir(finished, { recursive: true, mode: 0o750 });
      await rename(left.directory, join(finished, id));
    } catch {
      // Another file system, a full disk, a second copy of it: it need not be kept.
      await removeFolder(left.directory);
    }
  }

  /** The same, for as long as captures are kept. */
  keepLonger(id: string): Promise<void> {
    return moveAside(this.#leaveAny(id), KEPT_FOLDER, id);
  }

  /** Keeps a segment that could not be made into audio; also one that was thought to be done. */
  async setAside(id: string): Promise<void> {
    const done = this.#places.find(({ place }) => existsSync(join(place.finished, id)));
    await moveAside(this.#leave(id), FAILED_FOLDER, id);
    if (done === undefined) return;
    const { spool, finished } = done.place;
    await moveTo(join(spool, FAILED_FOLDER), join(finished, id), id);
  }

  /**
   * Ends the time in which a recording can be made again of what it was made of; at once when the disk is nearly full.
   * @returns how many segments were removed
   */
  async purge({ isNeeded, before }: Purge): Promise<number> {
    let done = 0;
    for (const { place } of this.#places) {
      const isFull = await isNearlyFull(place.finished);
      for (const id of keptIn(place.finished)) {
        const folder = join(place.finished, id);
        if (!isFull && (statSync(folder, { throwIfNoEntry: false })?.ctimeMs ?? 0) > before) continue;
        if (!isFull && isNeeded(callOf(place, id))) continue;
        await removeFolder(folder);
        done += 1;
      }
    }
    return done;
  }
}

/** What is to be done about segments that are done. */
interface Purge {
  /** Whether the call is still known. */
  isNeeded(call: string | undefined): boolean;
  /** Milliseconds since 1970: what was finished later stays. */
  before: number;
}

/** Where those are that are done. */
function foldersOf({ finished, spool }: Place): string[] {
  return [finished, join(spool, KEPT_FOLDER), join(spool, FAILED_FOLDER)];
}

async function moveAside(left: Left | undefined, name: string, id: string): Promise<void> {
  if (left !== undefined) await moveTo(join(left.place.spool, name), left.directory, id);
}

async function moveTo(folder: string, directory: string, id: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o750 });
  await rename(directory, join(folder, id)).catch((thrown: unknown) => {
    if (systemCode(thrown) !== 'ENOENT') throw thrown;
  });
}

function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}

function keptIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function callOf({ finished, number }: Place, id: string): string | undefined {
  try {
    return readEntry(finished, id, number)?.facts?.opened.metadata?.call;
  } catch {
    return undefined;
  }
}

async function isNearlyFull(folder: string): Promise<boolean> {
  try {
    const { bavail, blocks } = await statfs(folder);
    return bavail < blocks * LEAST_FREE;
  } catch {
    return false;
  }
}

/** What consolidation is to know of a segment. */
export function spoolSegment(id: string, { opened, closed }: SegmentFacts): SpoolSegment {
  const { metadata, imported, isUnjournaled } = opened;
  const recording = metadata && recordingIdOf(metadata.recording);
  return { id, recording, call: metadata?.call, closedAt: closed?.at, imported, isUnjournaled };
}
