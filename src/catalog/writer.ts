// What the one writer of the catalog, grec-procd, puts into it.
import type { Database } from 'better-sqlite3';
import type { JournalEvent } from '../spool/events.ts';
import type { JournalCheckpoint } from '../spool/journal-reader.ts';
import { type ActsWriter, actsWriter } from './acts.ts';
import { type FailedWriter, failedWriter } from './failed.ts';
import { type CatalogReader, guarded } from './reader.ts';
import type { AlarmSeverity, RecordingRow } from './rows.ts';
import { type UploadsWriter, uploadsWriter } from './uploads.ts';

export interface NewAlarm {
  /** Wall clock, milliseconds since 1970. */
  at: number;
  severity: AlarmSeverity;
  subject: string;
  message: string;
  /** Alarms of the same cause are raised once; by default subject and message. */
  cause?: string;
}

/** A spool segment that has become part of a recording, or was found to be useless. */
export interface UsedSegment {
  id: string;
  /** Not all of it became audio: it must be kept. */
  isKept: boolean;
  /** Which it is part of, when the catalog tells. */
  recording?: string;
}

/** What is known of the making of a recording. */
export interface MadeRecording {
  /** Its own, or that of the one that it is part of. */
  id: string;
  state: RecordingRow['state'];
  /** Names all that it was made of; null when an older grec made it. */
  madeOf: string | null;
  /** It has become part of another one, of which this is told. */
  isJoined: boolean;
}

/** How a recording was made, besides its segments. */
export interface Making {
  madeOf?: string | undefined;
  /** Recordings that are part of it from now on, and not listed any more. */
  joins?: readonly string[];
}

/** The catalog's only writer. Every method throws GrecError CATALOG_UNUSABLE when SQLite refuses. */
export interface CatalogWriter extends CatalogReader {
  /** All of `work` or nothing of it, durable when it returns. May be nested. */
  transaction<T>(work: () => T): T;
  /**
   * Adds or replaces a recording, with the segments it was made of.
   * @param finishedAt wall clock, milliseconds since 1970
   */
  putRecording(
    row: RecordingRow,
    segments: readonly UsedSegment[],
    finishedAt: number,
    making?: Making,
  ): void;
  /** How a recording was made, or the one that it has become part of. */
  making(recording: string): MadeRecording | undefined;
  /** The segments that a recording was made of. */
  segmentsOf(recording: string): string[];
  /** Notes that a recording, which is not listed, is part of another one. */
  join(recording: string, into: string): void;
  /** What became of a spool segment, if it is done. */
  usedSegment(segment: string): UsedSegment | undefined;
  /** When the last recording was finished, milliseconds since 1970; 0 when there is none. */
  lastFinishedAt(): number;
  /** @returns false when this cause has an alarm already */
  raiseAlarm(alarm: NewAlarm): boolean;
  /** How far a journal has been taken in; undefined at first. */
  checkpoint(journal: string): JournalCheckpoint | undefined;
  setCheckpoint(journal: string, checkpoint: JournalCheckpoint): void;
  /** Keeps the event of a call until it is dropped; again is no harm. `journal`: the daemon's, unless another switch's. */
  keepEvent(call: string, event: JournalEvent, journal?: string): void;
  /** The events that are kept, each with its journal, in the order of time, then journal and sequence. */
  pendingEvents(): { journal: string; event: JournalEvent }[];
  /** Those of one call, in no order. */
  eventsOf(call: string): JournalEvent[];
  dropEvents(call: string): void;
  /** What the archive's acts say of recordings, and how far they have been taken in. */
  acts: ActsWriter;
  /** What becomes of recordings that could not be made. */
  failures: FailedWriter;
  uploads: UploadsWriter;
}

export function catalogWriter(db: Database, file: string, reader: CatalogReader): CatalogWriter {
  const guard = <T>(work: () => T): T => guarded(file, work);
  const sql = prepareAll(db);
  const join = (id: string, into: string) => {
    sql.dropRecording.run(id);
    sql.moveJoined.run(into, id);
    sql.join.run(id, into);
  };
  return {
    ...reader,
    transaction: (work) => guard(() => db.transaction(work)()),
    putRecording: (row, segments, finishedAt, { madeOf = null, joins = [] } = {}) =>
      guard(() => {
        sql.putRecording.run({ retention: null, ...row, madeOf, finishedAt });
        for (const { id, isKept } of segments) sql.putSegment.run(id, row.id, isKept ? 1 : 0);
        for (const id of joins) join(id, row.id);
      }),
    making: (recording) =>
      guard(() => {
        const found = sql.making.get({ recording });
        return found && { ...found, isJoined: found.id !== recording };
      }),
    segmentsOf: (recording) => guard(() => sql.segmentsOf.all(recording).map(({ id }) => id)),
    join: (recording, into) => guard(() => join(recording, into)),
    usedSegment: (segment) =>
      guard(() => {
        const found = sql.segment.get(segment);
        return found && { id: segment, isKept: found.kept === 1, recording: found.recording };
      }),
    lastFinishedAt: () => guard(() => sql.lastFinished.get()?.at ?? 0),
    raiseAlarm: ({ cause, ...alarm }) =>
      guard(() => {
        const unique = cause ?? `${alarm.subject}: ${alarm.message}`;
        return sql.raiseAlarm.run({ ...alarm, cause: unique }).changes > 0;
      }),
    checkpoint: (journal) => guard(() => sql.checkpoint.get(journal)),
    setCheckpoint: (journal, checkpoint) =>
      guard(() => void sql.setCheckpoint.run({ journal, ...checkpoint })),
    keepEvent: (call, event, journal = event.daemon) =>
      guard(
        () => void sql.keepEvent.run(journal, event.seq, call, JSON.stringify(event), Math.floor(event.at)),
      ),
    pendingEvents: () =>
      guard(() =>
        sql.pendingEvents.all().map(({ journal, event }) => {
          return { journal, event: JSON.parse(event) as JournalEvent };
        }),
      ),
    eventsOf: (call) =>
      guard(() => sql.eventsOf.all(call).map(({ event }) => JSON.parse(event) as JournalEvent)),
    dropEvents: (call) => guard(() => void sql.dropEvents.run(call)),
    acts: actsWriter(db, guard),
    failures: failedWriter(db, guard),
    uploads: uploadsWriter(db, guard),
  };
}

function prepareAll(db: Database) {
  return {
    putRecording: db.prepare<[object]>(
      `INSERT OR REPLACE INTO recordings
         (id, session_id, state, reason, direction, start_time, duration, caller, callee, dn, path, size, made_of,
          finished_at, retention)
       VALUES (@id, @sessionId, @state, @reason, @direction, @startTime, @duration, @caller, @callee, @dn, @path,
         @size, @madeOf, @finishedAt, @retention)`,
    ),
    putSegment: db.prepare<[string, string, number]>(
      'INSERT OR REPLACE INTO segments (id, recording, kept) VALUES (?, ?, ?)',
    ),
    making: db.prepare<[object], Omit<MadeRecording, 'isJoined'>>(
      `SELECT id, state, made_of AS madeOf FROM recordings
       WHERE id = coalesce((SELECT recording FROM joined WHERE id = @recording), @recording)`,
    ),
    segmentsOf: db.prepare<[string], { id: string }>('SELECT id FROM segments WHERE recording = ?'),
    dropRecording: db.prepare<[string]>('DELETE FROM recordings WHERE id = ?'),
    moveJoined: db.prepare<[string, string]>('UPDATE joined SET recording = ? WHERE recording = ?'),
    join: db.prepare<[string, string]>('INSERT OR REPLACE INTO joined (id, recording) VALUES (?, ?)'),
    segment: db.prepare<[string], { kept: number; recording: string }>(
      'SELECT kept, recording FROM segments WHERE id = ?',
    ),
    lastFinished: db.prepare<[], { at: number | null }>('SELECT max(finished_at) AS at FROM recordings'),
    raiseAlarm: db.prepare<[object]>(
      `INSERT OR IGNORE INTO alarms (at, severity, subject, message, cause)
       VALUES (@at, @severity, @subject, @message, @cause)`,
    ),
    checkpoint: db.prepare<[string], JournalCheckpoint>(
      'SELECT file, offset, seq FROM checkpoints WHERE journal = ?',
    ),
    setCheckpoint: db.prepare<[object]>(
      `INSERT OR REPLACE INTO checkpoints (journal, file, offset, seq)
       VALUES (@journal, @file, @offset, @seq)`,
    ),
    keepEvent: db.prepare<[string, number, string, string, number]>(
      'INSERT OR IGNORE INTO pending_events (journal, seq, call, event, at) VALUES (?, ?, ?, ?, ?)',
    ),
    pendingEvents: db.prepare<[], { journal: string; event: string }>(
      'SELECT journal, event FROM pending_events ORDER BY at, journal, seq',
    ),
    eventsOf: db.prepare<[string], { event: string }>('SELECT event FROM pending_events WHERE call = ?'),
    dropEvents: db.prepare<[string]>('DELETE FROM pending_events WHERE call = ?'),
  };
}
