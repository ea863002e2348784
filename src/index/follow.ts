// Following the catalog: which recordings are new, were made again, have become part of another one, or are gone.
import { type CatalogChanges, type MadeRow, openCatalogChanges } from '../catalog/changes.ts';
import type { IndexWriter } from './index.ts';

/** Rows that are compared at a time. */
const PIECE = 500;
/** Of rows that were finished in the same moment some may be written after others were seen. */
const SLACK_MS = 5_000;
/** What began earlier and is new is found by a look at the whole catalog, which is rarer. */
const RECENT_MS = 86_400_000;
/** Looks at the whole catalog take at most this part of the time. */
const SHARE_OF_WHOLE_LOOKS = 50;
const SHORTEST_PAUSE_MS = 2_000;

export interface Follower {
  /**
   * Takes in what has changed. @returns how many recordings are new, changed or gone
   * @throws GrecError CATALOG_UNUSABLE, INDEX_UNUSABLE
   */
  look(): number;
  close(): void;
}

export interface FollowOptions {
  /** Milliseconds since 1970. */
  now(): number;
  /** Between looks at the whole catalog, at least. */
  pauseMs?: number | undefined;
  /** Is told of recordings that were deleted, or are part of another one. */
  onGone?(id: string): void;
}

export function followCatalog(path: string, index: IndexWriter, options: FollowOptions): Follower {
  const { now, pauseMs = SHORTEST_PAUSE_MS, onGone = () => {} } = options;
  let catalog: CatalogChanges | undefined;
  let version = -1;
  let wholeAt = 0;
  let isCompared = false;
  /** Something was written since the last look at the whole. */
  let isWholeDue = false;
  const reopen = () => {
    if (catalog?.isCurrent()) return catalog;
    catalog?.close();
    catalog = undefined;
    [version, isCompared] = [-1, false];
    catalog = openCatalogChanges(path);
    return catalog;
  };
  return {
    look() {
      const open = reopen();
      const seen = open.version();
      if (!isCompared) {
        const changed = compare(open, index, now(), onGone);
        [isCompared, version] = [true, seen];
        return changed;
      }
      isWholeDue ||= seen !== version;
      const isWhole = isWholeDue && performance.now() >= wholeAt;
      if (seen === version && !isWhole) return 0;
      version = seen;
      const began = performance.now();
      const changed =
        takeNew(open, index, { now: now(), isWhole, onGone }) + takeDeletions(open, index, onGone);
      if (isWhole) {
        isWholeDue = false;
        const took = performance.now() - began;
        wholeAt = performance.now() + Math.max(pauseMs, took * SHARE_OF_WHOLE_LOOKS);
      }
      return changed;
    },
    close: () => catalog?.close(),
  };
}

type OnGone = (id: string) => void;

function takeNew(
  catalog: CatalogChanges,
  index: IndexWriter,
  { now, isWhole, onGone }: { now: number; isWhole: boolean; onGone: OnGone },
): number {
  const followed = index.followed();
  const rows = catalog.madeSince(followed.finishedAt - SLACK_MS, isWhole ? 0 : now - RECENT_MS);
  return index.transaction(() => {
    const changed = rows.filter((row) => putWithJoined(catalog, index, row, { now, onGone })).length;
    // Only a look at the whole tells that nothing before is missing.
    const finishedAt = rows.reduce((latest, row) => Math.max(latest, row.finishedAt), followed.finishedAt);
    if (isWhole && finishedAt > followed.finishedAt) index.setFollowed({ ...followed, finishedAt });
    return changed;
  });
}

function putWithJoined(
  catalog: CatalogChanges,
  index: IndexWriter,
  row: MadeRow,
  { now, onGone }: { now: number; onGone: OnGone },
): boolean {
  const isNew = index.put(row, now);
  if (isNew) for (const id of catalog.joinedInto(row.id)) forget(index, id, onGone);
  return isNew;
}

/** Its files first: a crash in between leaves it to be forgotten again. */
function forget(index: IndexWriter, id: string, onGone: OnGone): boolean {
  onGone(id);
  return index.drop(id);
}

function takeDeletions(catalog: CatalogChanges, index: IndexWriter, onGone: OnGone): number {
  const followed = index.followed();
  const { ids, through } = catalog.deletedAfter(followed.act);
  if (through === followed.act) return 0;
  return index.transaction(() => {
    index.setFollowed({ ...index.followed(), act: through });
    return ids.filter((id) => forget(index, id, onGone)).length;
  });
}

/** Both as a whole, one piece after the other: what happened while nobody followed. */
function compare(catalog: CatalogChanges, index: IndexWriter, now: number, onGone: OnGone): number {
  let [changed, finishedAt] = [0, 0];
  for (let from: readonly [number, string] = [-1, '']; ; ) {
    const rows = catalog.after(...from, PIECE);
    const last = rows.at(-1);
    const to = rows.length < PIECE || last === undefined ? undefined : ([last.startTime, last.id] as const);
    changed += comparePiece(index, rows, { from, to, now });
    finishedAt = rows.reduce((latest, row) => Math.max(latest, row.finishedAt), finishedAt);
    if (to === undefined) break;
    from = to;
  }
  // What the catalog lacks may come again; of what it says is gone nothing stays.
  for (const id of catalog.gone()) onGone(id);
  index.setFollowed({ finishedAt, act: catalog.deletedAfter(0).through });
  return changed;
}

interface Piece {
  from: readonly [number, string];
  to: readonly [number, string] | undefined;
  now: number;
}

function comparePiece(index: IndexWriter, rows: readonly MadeRow[], { from, to, now }: Piece): number {
  return index.transaction(() => {
    const known = new Set(rows.map(({ id }) => id));
    const gone = index.between(from, to).filter((id) => !known.has(id));
    for (const id of gone) index.drop(id);
    return gone.length + rows.filter((row) => index.put(row, now)).length;
  });
}
