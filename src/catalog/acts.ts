// What the archive's acts say of recordings: holds, labels, deletions. An index, taken in from the acts in their order.
import type { Database } from 'better-sqlite3';
import { prepared } from './prepared.ts';
import type { DeletedRow, RecordingRow } from './rows.ts';

export interface ActsWriter {
  /** The number of the last link that was looked at. */
  through(): number;
  setThrough(sequence: number): void;
  hold(recording: string, reason: string): void;
  unhold(recording: string): void;
  label(recording: string, change: { add: readonly string[]; remove: readonly string[] }): void;
  setRetention(recording: string, retention: string): void;
  /** Notes that it was deleted; its row stays until {@link forget}, for its files may be there. */
  delete(row: DeletedRow): void;
  /** Deleted recordings that still have a row. */
  unfinished(): RecordingRow['id'][];
  /** The spool segments that a recording was made of. */
  segmentsOf(recording: string): string[];
  /** Takes a deleted recording out of the catalog, with all that is known of it. */
  forget(recording: string): void;
}

type Guard = <T>(work: () => T) => T;

export function actsWriter(db: Database, guard: Guard): ActsWriter {
  const run = (sql: string) => {
    const statement = db.prepare<unknown[]>(sql);
    return (...values: unknown[]) => guard(() => void statement.run(...values));
  };
  const all = <Row>(sql: string) => {
    const statement = db.prepare<unknown[], Row>(sql);
    return (...values: unknown[]) => guard(() => statement.all(...values));
  };
  const setRetention = run('UPDATE recordings SET retention = ? WHERE id = ?');
  const addLabel = run('INSERT OR IGNORE INTO labels (recording, label) VALUES (?, ?)');
  const removeLabel = run('DELETE FROM labels WHERE recording = ? AND label = ?');
  const forgets = [
    'recordings WHERE id',
    'segments WHERE recording',
    'holds WHERE recording',
    'labels WHERE recording',
    'tried_again WHERE recording',
  ];
  const forget = forgets.map((where) => run(`DELETE FROM ${where} = ?`));
  const through = all<{ through: number }>('SELECT through FROM acts');
  const unfinished = all<{ id: string }>('SELECT r.id AS id FROM deleted d JOIN recordings r ON r.id = d.id');
  const segments = all<{ id: string }>('SELECT id FROM segments WHERE recording = ?');
  const deleteRow = run('INSERT OR REPLACE INTO deleted (id, at, rule, act) VALUES (?, ?, ?, ?)');
  return {
    through: () => through()[0]?.through ?? 0,
    setThrough: run('UPDATE acts SET through = ?'),
    hold: run('INSERT OR REPLACE INTO holds (recording, reason) VALUES (?, ?)'),
    unhold: run('DELETE FROM holds WHERE recording = ?'),
    label: (recording, { add, remove }) => {
      for (const label of remove) removeLabel(recording, label);
      for (const label of add) addLabel(recording, label);
    },
    setRetention: (recording, retention) => setRetention(retention, recording),
    delete: ({ id, at, rule, act }) => deleteRow(id, at, rule, act),
    unfinished: () => unfinished().map(({ id }) => id),
    segmentsOf: (recording) => segments(recording).map(({ id }) => id),
    forget: (recording) =>
      guard(() =>
        db.transaction(() => {
          for (const one of forget) one(recording);
        })(),
      ),
  };
}

export function findHold(db: Database, id: string): string | undefined {
  const sql = 'SELECT reason FROM holds WHERE recording = ?';
  return prepared<[string], { reason: string }>(db, sql).get(id)?.reason;
}

export function findLabels(db: Database, id: string): string[] {
  const sql = 'SELECT label FROM labels WHERE recording = ? ORDER BY label';
  return db
    .prepare<[string], { label: string }>(sql)
    .all(id)
    .map(({ label }) => label);
}

export function findDeleted(db: Database, id: string): DeletedRow | undefined {
  const sql = 'SELECT id, at, rule, act FROM deleted WHERE id = ?';
  return prepared<[string], DeletedRow>(db, sql).get(id);
}

/** @param part hexadecimal digits of its id */
export function findDeletedByPart(db: Database, part: string): DeletedRow[] {
  if (!/^[0-9a-f]{4,32}$/.test(part)) return [];
  const sql =
    "SELECT id, at, rule, act FROM deleted WHERE instr(replace(id, '-', ''), ?) > 0 ORDER BY at DESC LIMIT 1";
  return db.prepare<[string], DeletedRow>(sql).all(part);
}
