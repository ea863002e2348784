// What has changed in the catalog, for an index over it that a process of its own keeps up. Reads alone.
import { existsSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { GrecError } from '../errors.ts';
import { guarded } from './reader.ts';
import type { RecordingRow } from './rows.ts';
import { requireSchema } from './schema.ts';

const READER_WAIT_MS = 2_000;

/** A recording that has audio, and when it was finished, milliseconds since 1970. */
export type MadeRow = Pick<
  RecordingRow,
  'id' | 'state' | 'direction' | 'startTime' | 'duration' | 'caller' | 'callee' | 'dn'
> & { path: string; finishedAt: number };

/** Every method throws GrecError CATALOG_UNUSABLE when the file is broken. */
export interface CatalogChanges {
  /** Another number when anything was written since. */
  version(): number;
  /** Whether the file at the path is still the one that was opened. */
  isCurrent(): boolean;
  /** Recordings that were finished then or later, of those that began then or later. */
  madeSince(finishedAt: number, startTime: number): MadeRow[];
  /** The next ones in the order of time and id. */
  after(startTime: number, id: string, most: number): MadeRow[];
  /** Which recordings have become part of this one. */
  joinedInto(id: string): string[];
  /** Which were deleted by an act after this one, and the number of the last act that was taken in. */
  deletedAfter(act: number): { ids: string[]; through: number };
  /** All that were deleted, or have become part of another one. */
  gone(): string[];
  close(): void;
}

const ROWS = `SELECT id, state, direction, start_time AS startTime, duration, caller, callee, dn, path,
  finished_at AS finishedAt FROM recordings
  WHERE path IS NOT NULL AND id NOT IN (SELECT id FROM deleted)`;

/** @throws GrecError CATALOG_UNUSABLE (absent, damaged, not permitted, or of another version) */
export function openCatalogChanges(path: string): CatalogChanges {
  if (!existsSync(path)) throw new GrecError('CATALOG_UNUSABLE', `there is no catalog at ${path}`);
  return guarded(path, () => {
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: READER_WAIT_MS });
    try {
      requireSchema(db, path);
      return changesOf(db, path);
    } catch (thrown) {
      db.close();
      throw thrown;
    }
  });
}

function changesOf(db: Database.Database, path: string): CatalogChanges {
  const guard = <T>(work: () => T): T => guarded(path, work);
  const opened = identityOf(path);
  const sql = {
    since: db.prepare<[number, number], MadeRow>(`${ROWS} AND finished_at >= ? AND start_time >= ?`),
    after: db.prepare<[number, string, number], MadeRow>(
      `${ROWS} AND (start_time, id) > (?, ?) ORDER BY start_time, id LIMIT ?`,
    ),
    joined: db.prepare<[string], { id: string }>('SELECT id FROM joined WHERE recording = ?'),
    deleted: db.prepare<[number], { id: string }>('SELECT id FROM deleted WHERE act > ?'),
    gone: db.prepare<[], { id: string }>('SELECT id FROM deleted UNION SELECT id FROM joined'),
    through: db.prepare<[], { through: number }>('SELECT through FROM acts'),
  };
  return {
    version: () => guard(() => Number(db.pragma('data_version', { simple: true }))),
    isCurrent: () => identityOf(path) === opened,
    madeSince: (finishedAt, startTime) => guard(() => sql.since.all(finishedAt, startTime)),
    after: (startTime, id, most) => guard(() => sql.after.all(startTime, id, most)),
    joinedInto: (id) => guard(() => sql.joined.all(id).map((row) => row.id)),
    deletedAfter: (act) =>
      guard(() => {
        const through = sql.through.get()?.through ?? 0;
        return { ids: through === act ? [] : sql.deleted.all(act).map((row) => row.id), through };
      }),
    gone: () => guard(() => sql.gone.all().map((row) => row.id)),
    close: () => db.close(),
  };
}

function identityOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && `${found.dev} ${found.ino}`;
}
