// Questions to the catalog: list, find by part of an id, alarms, counts. All SQL that reads recordings stands here.
import type { Database } from 'better-sqlite3';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { findDeleted, findDeletedByPart, findHold, findLabels } from './acts.ts';
import { listFailed } from './failed.ts';
import { type PageFilter, type PageRow, pageOf } from './page.ts';
import { prepared } from './prepared.ts';
import {
  type AlarmRow,
  COLUMNS,
  type DeletedRow,
  type FailedRow,
  type RecordingFilter,
  type RecordingRow,
} from './rows.ts';
import { type UploadsReader, uploadsReader } from './uploads.ts';

/** Which alarms: those that nothing has answered yet, or all. */
export type Alarms = 'open' | 'all';

/** Read access to the catalog. Every method throws GrecError CATALOG_UNUSABLE when the file is broken. */
export interface CatalogReader {
  /** Newest first; 50 when the filter has no limit. */
  list(filter?: RecordingFilter): RecordingRow[];
  /** Of those that somebody may see, a page at a time. */
  page(filter: PageFilter): PageRow[];
  /** All that began at this time (milliseconds since 1970) or later, oldest first, one after the other. */
  since(time: number): Iterable<RecordingRow>;
  /**
   * One recording by its UUID, by any part of it with at least 4 hex characters (dashes do not count), or the newest
   * by `last`.
   * @throws GrecError RECORDING_UNKNOWN, RECORDING_AMBIGUOUS (the message lists the candidates)
   */
  find(idOrPart: string): RecordingRow;
  /** The recording with exactly this id, or the one that it has become part of. */
  get(id: string): RecordingRow | undefined;
  /** Why it is under hold; undefined when it is not. */
  holdOn(id: string): string | undefined;
  /** In alphabetical order. */
  labelsOf(id: string): string[];
  /** What became of a recording that is not there, if it was deleted. */
  deleted(id: string): DeletedRow | undefined;
  /** Recordings that could not be made, or not wholly because something could not be decoded; the last failure first. */
  failed(limit?: number): FailedRow[];
  /** Newest first: those that are open, or all. */
  alarms(limit?: number, which?: Alarms): AlarmRow[];
  alarmCount(which?: Alarms): number;
  /** Recordings in all states, or in one. */
  count(state?: RecordingRow['state']): number;
  /** Copies in storages. */
  uploads: UploadsReader;
  close(): void;
}

/** One that was deleted has a row until its files are gone, or when somebody has put them back. */
const IS_THERE = 'id NOT IN (SELECT id FROM deleted)';
const NEWEST_FIRST = 'ORDER BY start_time DESC, id DESC';
const CANDIDATES_SHOWN = 8;
/** Rows that are read at a time. */
const PIECE = 500;

/** The questions over an open database; `file` is its name in messages. */
export function catalogReader(db: Database, file: string): CatalogReader {
  const guard = <T>(work: () => T): T => guarded(file, work);
  return {
    list: (filter = {}) => guard(() => listRecordings(db, filter)),
    page: (filter) => guard(() => pageOf(db, filter)),
    since: (time) => recordingsSince(db, file, time),
    find: (idOrPart) => guard(() => findRecording(db, idOrPart)),
    get: (id) => guard(() => getRecording(db, id)),
    holdOn: (id) => guard(() => findHold(db, id)),
    labelsOf: (id) => guard(() => findLabels(db, id)),
    deleted: (id) => guard(() => findDeleted(db, id)),
    failed: (limit = 1000) => guard(() => listFailed(db, limit)),
    alarms: (limit = 50, which = 'open') => guard(() => listAlarms(db, limit, which)),
    alarmCount: (which = 'open') => guard(() => countRows(db, `alarms${which === 'open' ? OPEN : ''}`)),
    count: (state) => guard(() => countRows(db, 'recordings', state)),
    uploads: uploadsReader(db, guard),
    close: () => db.close(),
  };
}

/** Runs `work` and explains what SQLite throws. */
export function guarded<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (systemCode(thrown)?.startsWith('SQLITE_') !== true) throw thrown;
    throw unusable(file, thrown);
  }
}

export function unusable(file: string, thrown: unknown): GrecError {
  const code = systemCode(thrown) ?? '';
  const broken = code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT');
  return new GrecError('CATALOG_UNUSABLE', `cannot use the catalog ${file}: ${messageOf(thrown)}`, {
    hint: broken
      ? 'the file is damaged: stop grec-procd, and `grec reindex` makes it anew from the archive, where the recordings are safe'
      : 'look at the permissions of the file and its directory, and at the free space of the disk',
    cause: thrown,
  });
}

function listRecordings(db: Database, filter: RecordingFilter): RecordingRow[] {
  const conditions: string[] = [IS_THERE];
  if (filter.number !== undefined) conditions.push('(caller = @number OR callee = @number OR dn = @number)');
  if (filter.since !== undefined) conditions.push('start_time >= @since');
  if (filter.until !== undefined) conditions.push('start_time < @until');
  if (filter.state !== undefined) conditions.push('state = @state');
  if (filter.label !== undefined)
    conditions.push('id IN (SELECT recording FROM labels WHERE label = @label)');
  if (filter.isHeld === true) conditions.push('id IN (SELECT recording FROM holds)');
  const sql = `SELECT ${COLUMNS} FROM recordings WHERE ${conditions.join(' AND ')} ${NEWEST_FIRST} LIMIT @limit`;
  return db
    .prepare<[object], RecordingRow>(sql)
    .all({ ...filter, isHeld: undefined, limit: filter.limit ?? 50 });
}

/** In pieces, so that no transaction stays open while each is looked at: the writer's log could not be checked in. */
function* recordingsSince(db: Database, file: string, time: number): Generator<RecordingRow> {
  const sql = `SELECT ${COLUMNS} FROM recordings WHERE (start_time, id) > (?, ?) ORDER BY start_time, id LIMIT ?`;
  let [at, id] = [time - 1, '\uffff'];
  for (;;) {
    const rows = guarded(file, () =>
      db.prepare<[number, string, number], RecordingRow>(sql).all(at, id, PIECE),
    );
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    [at, id] = [last.startTime, last.id];
  }
}

function getRecording(db: Database, id: string): RecordingRow | undefined {
  const sql = `SELECT ${COLUMNS} FROM recordings WHERE id = coalesce((SELECT recording FROM joined WHERE id = @id), @id)`;
  return prepared<[{ id: string }], RecordingRow>(db, sql).get({ id });
}

function findRecording(db: Database, asked: string): RecordingRow {
  const [found, ...others] = asked === 'last' ? newest(db) : matching(db, asked);
  if (found === undefined) throw deletedRecording(db, asked) ?? unknownRecording(asked);
  if (others.length > 0) throw ambiguous(asked, [found, ...others]);
  return found;
}

function newest(db: Database): RecordingRow[] {
  const sql = `SELECT ${COLUMNS} FROM recordings WHERE ${IS_THERE} ${NEWEST_FIRST} LIMIT 1`;
  return db.prepare<[], RecordingRow>(sql).all();
}

function matching(db: Database, asked: string): RecordingRow[] {
  const exact = getRecording(db, asked.toLowerCase());
  if (exact !== undefined && findDeleted(db, exact.id) === undefined) return [exact];
  const part = asked.toLowerCase().replaceAll('-', '');
  if (!/^[0-9a-f]{4,32}$/.test(part)) throw unknownRecording(asked);
  const isPart = "instr(replace(id, '-', ''), @part) > 0";
  const sql = `SELECT ${COLUMNS} FROM recordings
    WHERE ${IS_THERE} AND (${isPart} OR id IN (SELECT recording FROM joined WHERE ${isPart})) ${NEWEST_FIRST} LIMIT @most`;
  return db.prepare<[object], RecordingRow>(sql).all({ part, most: CANDIDATES_SHOWN + 1 });
}

function deletedRecording(db: Database, asked: string): GrecError | undefined {
  const [gone] = asked === 'last' ? [] : findDeletedByPart(db, asked.toLowerCase().replaceAll('-', ''));
  if (gone === undefined) return undefined;
  return new GrecError('RECORDING_UNKNOWN', `recording ${gone.id} was deleted on ${gone.at} (${gone.rule})`, {
    hint: '`grec verify` with its id shows that this was signed',
  });
}

function unknownRecording(asked: string): GrecError {
  if (asked === 'last') {
    return new GrecError('RECORDING_UNKNOWN', 'there is no recording yet', {
      hint: 'a call from or to a number with record=true makes one; `grec dn list` shows the numbers',
    });
  }
  return new GrecError('RECORDING_UNKNOWN', `there is no recording ${JSON.stringify(asked)}`, {
    hint: '`grec ls` shows the recordings; give an id, any part of it with at least 4 hex digits, or `last`',
  });
}

function ambiguous(asked: string, rows: RecordingRow[]): GrecError {
  const shown = rows.slice(0, CANDIDATES_SHOWN).map(({ id, startTime, caller, callee }) => {
    return `  ${id}  ${new Date(startTime).toISOString()}  ${caller} to ${callee}`;
  });
  const more = rows.length > CANDIDATES_SHOWN ? ['  …'] : [];
  const message = [`${JSON.stringify(asked)} is part of several recordings' ids:`, ...shown, ...more].join(
    '\n',
  );
  return new GrecError('RECORDING_AMBIGUOUS', message, { hint: 'give more digits of the id' });
}

const OPEN = ' WHERE answered_at IS NULL';

function listAlarms(db: Database, limit: number, which: Alarms): AlarmRow[] {
  const where = which === 'open' ? OPEN : '';
  const sql = `SELECT id, at, severity, subject, message, answered_at AS answeredAt, answer
    FROM alarms${where} ORDER BY id DESC LIMIT ?`;
  type Row = AlarmRow & { answeredAt: number | null; answer: string | null };
  const rows = db.prepare<[number], Row>(sql).all(limit);
  return rows.map(({ answeredAt, answer, ...alarm }) => {
    return answeredAt === null ? alarm : { ...alarm, answeredAt, answer: answer ?? '' };
  });
}

function countRows(db: Database, from: string, state?: string): number {
  const where = state === undefined ? '' : 'WHERE state = ?';
  const statement = db.prepare<string[], { count: number }>(`SELECT count(*) AS count FROM ${from} ${where}`);
  return statement.get(...(state === undefined ? [] : [state]))?.count ?? 0;
}
