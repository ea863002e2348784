// Copies of recordings in storages: what waits, what is done, what has failed. A queue that outlives the processor.
import type { Database } from 'better-sqlite3';
import { prepared } from './prepared.ts';
import { takeOverUploads } from './take-over-uploads.ts';

/** `copy`: put it there, in place of what is there; `remove`: it was deleted, and is to go there too. */
export type UploadTask = 'copy' | 'remove';
export type UploadState = 'waiting' | 'done' | 'failed';

export interface UploadRow {
  recording: string;
  storage: string;
  task: UploadTask;
  state: UploadState;
  /** The recording's directory, relative to the archive and to the storage. */
  path: string;
  /** What may be in it there. */
  files: string[];
  /** Counts how often something has become to be done: what was begun before is of no account. */
  round: number;
  /** When it became to be done; milliseconds since 1970, as all times here. */
  since: number;
  attempts: number;
  nextAt: number;
  /** Why the last attempt failed. */
  reason: string | null;
  /** When the copy was read back and was the same. */
  doneAt: number | null;
  /** Bytes of the copy. */
  size: number | null;
}

/** What one storage has to do, and what it met. */
export interface StorageFigures {
  storage: string;
  copies: number;
  /** Bytes of these. */
  size: number;
  waiting: number;
  failed: number;
  /** Since when the oldest waits; null when none does. */
  oldest: number | null;
  /** When the last copy was verified. */
  lastAt: number | null;
}

export interface UploadsReader {
  /** In the order of storages' names. */
  of(recording: string): UploadRow[];
  /** Oldest first; all storages when none is named. */
  failed(limit?: number): UploadRow[];
  /** Of every storage that anything is known of. */
  figures(): StorageFigures[];
  /** How many copies are so, without looking at those that are done. */
  count(storage: string, state: 'waiting' | 'failed'): number;
  /** What keeps a storage from taking anything, since when. */
  problems(): { storage: string; problem: string; since: number }[];
}

export type UploadKey = Pick<UploadRow, 'recording' | 'storage' | 'round'>;

export interface UploadsWriter extends UploadsReader {
  /** These are configured: one that was not before is asked to take all recordings, one that is not any more is forgotten. */
  use(storages: readonly string[]): void;
  /** Recordings that have changed since the last {@link settle}, each by its own id. */
  changed(limit: number): { id: string; path: string | null; retention: string | null; dn: string | null }[];
  settle(recording: string): void;
  /**
   * Takes over what the catalog in another file knows of copies: to be called when this one knows all recordings.
   * @returns false when there is none that this program can read
   */
  takeOver(file: string): boolean;
  /** A recording is to be copied, again too. */
  queue(recording: string, storage: string, path: string, now: number): void;
  /** What may be tried now, the longest due first. */
  due(storage: string, now: number, limit: number): UploadRow[];
  /** Files that may be there from now on. */
  willPut(key: UploadKey, files: readonly string[]): void;
  /** The copy is verified. @returns false when there is something else to be done meanwhile, as for the others */
  finish(key: UploadKey, copy: { files: readonly string[]; size: number; now: number }): boolean;
  /** It is gone there. */
  forget(key: UploadKey): boolean;
  postpone(key: UploadKey & Pick<UploadRow, 'attempts'>, reason: string, nextAt: number): boolean;
  fail(key: UploadKey & Pick<UploadRow, 'attempts'>, reason: string): boolean;
  /** What has failed waits again. @returns how many */
  retry(recording: string | undefined, storage: string | undefined, now: number): number;
  /** What keeps a storage from taking anything; null when nothing does. */
  setProblem(storage: string, problem: string | null, now: number): void;
}

type Guard = <T>(work: () => T) => T;
type Stored = Omit<UploadRow, 'files'> & { files: string };

const COLUMNS = `recording, storage, task, state, path, files, round, since, attempts, next_at AS nextAt, reason,
  done_at AS doneAt, size`;
/** What is due later than this was put off by a clock that was wrong. */
const LONGEST_WAIT_MS = 3_600_000;

function rowOf(stored: Stored): UploadRow {
  return { ...stored, files: JSON.parse(stored.files) as string[] };
}

export function uploadsReader(db: Database, guard: Guard): UploadsReader {
  const rows = (sql: string, ...values: unknown[]) =>
    guard(() =>
      prepared<unknown[], Stored>(db, sql)
        .all(...values)
        .map(rowOf),
    );
  const sum = (what: string) => `sum(${what})`;
  return {
    of: (recording) => rows(`SELECT ${COLUMNS} FROM uploads WHERE recording = ? ORDER BY storage`, recording),
    failed: (limit = -1) =>
      rows(
        `SELECT ${COLUMNS} FROM uploads WHERE state = 'failed' ORDER BY since, recording, storage LIMIT ?`,
        limit,
      ),
    figures: () =>
      guard(() =>
        db
          .prepare<[], StorageFigures>(
            `SELECT storage, ${sum("done_at IS NOT NULL AND task = 'copy'")} AS copies, total(size) AS size,
               ${sum("state = 'waiting'")} AS waiting, ${sum("state = 'failed'")} AS failed,
               min(CASE state WHEN 'waiting' THEN since END) AS oldest, max(done_at) AS lastAt
             FROM uploads GROUP BY storage ORDER BY storage`,
          )
          .all(),
      ),
    count: (storage, state) =>
      guard(
        () =>
          prepared<[string, string], { count: number }>(
            db,
            'SELECT count(*) AS count FROM uploads WHERE storage = ? AND state = ?',
          ).get(storage, state)?.count ?? 0,
      ),
    problems: () =>
      guard(() =>
        db
          .prepare<[], { storage: string; problem: string; since: number }>(
            'SELECT name AS storage, problem, problem_since AS since FROM storages WHERE problem IS NOT NULL',
          )
          .all(),
      ),
  };
}

export function uploadsWriter(db: Database, guard: Guard): UploadsWriter {
  const run = (sql: string) => {
    const statement = db.prepare<unknown[]>(sql);
    return (...values: unknown[]) => guard(() => statement.run(...values).changes);
  };
  const dueRows = db.prepare<unknown[], Stored>(
    `SELECT ${COLUMNS} FROM uploads WHERE storage = @storage AND state = 'waiting' AND next_at <= @now
     ORDER BY next_at LIMIT @limit`,
  );
  const tooLate = db.prepare<[string, number], { found: number }>(
    "SELECT 1 AS found FROM uploads WHERE storage = ? AND state = 'waiting' AND next_at > ? LIMIT 1",
  );
  const hasten = db.prepare<[number, string, number]>(
    "UPDATE uploads SET next_at = ? WHERE storage = ? AND state = 'waiting' AND next_at > ?",
  );
  const due = ({ storage, now, limit }: { storage: string; now: number; limit: number }) => {
    const latest = now + LONGEST_WAIT_MS;
    if (tooLate.get(storage, latest) !== undefined) hasten.run(now, storage, latest);
    return dueRows.all({ storage, now, limit }).map(rowOf);
  };
  const changed = db.prepare<[number], ReturnType<UploadsWriter['changed']>[number]>(
    `SELECT c.id AS id, r.path AS path, r.retention AS retention, r.dn AS dn
     FROM changed c LEFT JOIN recordings r ON r.id = c.id LIMIT ?`,
  );
  const settle = run('DELETE FROM changed WHERE id = ?');
  const queue = run(
    `INSERT INTO uploads (recording, storage, task, state, path, files, round, since, attempts, next_at)
     VALUES (?, ?, 'copy', 'waiting', ?, '[]', 1, ?, 0, ?)
     ON CONFLICT (recording, storage) DO UPDATE SET state = 'waiting', path = excluded.path, round = round + 1,
       since = excluded.since, attempts = 0, next_at = excluded.next_at, reason = NULL
     WHERE task = 'copy'`,
  );
  const AND_SAME = 'WHERE recording = ? AND storage = ? AND round = ?';
  const of = ({ recording, storage, round }: UploadKey) => [recording, storage, round];
  const willPut = run(`UPDATE uploads SET files = ? ${AND_SAME}`);
  const finish = run(
    `UPDATE uploads SET state = 'done', files = ?, size = ?, done_at = ?, reason = NULL ${AND_SAME}`,
  );
  const forget = run(`DELETE FROM uploads ${AND_SAME}`);
  const postpone = run(`UPDATE uploads SET attempts = ?, reason = ?, next_at = ? ${AND_SAME}`);
  const fail = run(`UPDATE uploads SET state = 'failed', attempts = ?, reason = ? ${AND_SAME}`);
  const retry = run(
    `UPDATE uploads SET state = 'waiting', attempts = 0, since = ?, next_at = 0, round = round + 1
     WHERE state = 'failed' AND recording = coalesce(?, recording) AND storage = coalesce(?, storage)`,
  );
  const setProblem = run(
    `UPDATE storages SET problem_since = CASE WHEN problem IS NULL THEN ? ELSE problem_since END, problem = ?
     WHERE name = ?`,
  );
  return {
    ...uploadsReader(db, guard),
    use: (storages) => guard(() => db.transaction(() => useStorages(db, storages))()),
    changed: (limit) => guard(() => changed.all(limit)),
    settle: (recording) => void settle(recording),
    takeOver: (file) => guard(() => takeOverUploads(db, file)),
    queue: (recording, storage, path, now) => void queue(recording, storage, path, now, now),
    due: (storage, now, limit) => guard(() => due({ storage, now, limit })),
    willPut: (key, files) => void willPut(JSON.stringify(files), ...of(key)),
    finish: (key, { files, size, now }) => finish(JSON.stringify(files), size, now, ...of(key)) > 0,
    forget: (key) => forget(...of(key)) > 0,
    postpone: (key, reason, nextAt) => postpone(key.attempts, reason, nextAt, ...of(key)) > 0,
    fail: (key, reason) => fail(key.attempts, reason, ...of(key)) > 0,
    retry: (recording, storage, now) => retry(now, recording ?? null, storage ?? null),
    setProblem: (storage, problem, now) => void setProblem(now, problem, storage),
  };
}

function useStorages(db: Database, names: readonly string[]): void {
  const known = db.prepare<[], { name: string }>('SELECT name FROM storages').all();
  for (const { name } of known)
    if (!names.includes(name)) db.prepare('DELETE FROM storages WHERE name = ?').run(name);
  const fresh = names.filter((name) => !known.some((one) => one.name === name));
  for (const name of fresh) db.prepare('INSERT INTO storages (name) VALUES (?)').run(name);
  if (names.length === 0) db.exec('DELETE FROM changed');
  else if (fresh.length > 0)
    db.exec('INSERT OR IGNORE INTO changed (id) SELECT id FROM recordings WHERE path IS NOT NULL');
}

/** Copies that have failed for good, with the reason, the oldest first. */
export function failedUploads({ uploads }: { uploads: UploadsReader }): UploadRow[] {
  return uploads.failed();
}

/**
 * Tries copies again that have failed for good: of one recording or all, in one storage or all.
 * @returns how many
 */
export function retryUpload(
  { uploads }: { uploads: UploadsWriter },
  recording?: string,
  storage?: string,
): number {
  return uploads.retry(recording, storage, Date.now());
}
