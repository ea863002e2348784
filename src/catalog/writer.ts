// What the one writer of the catalog, grec-procd, puts into it.
import type { Database } from 'better-sqlite3';
import type { JournalEvent } from '../spool/events.ts';
import type { JournalCheckpoint } from '../spool/journal-reader.ts';
import { type ActsWriter, actsWriter } from './acts.ts';
import { type CatalogReader, guarded } from './reader.ts';
import type { AlarmSeverity, RecordingRow } from './rows.ts';

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

/** The catalog's only writer. Every method throws GrecError CATALOG_UNUSABLE when SQLite refuses. */
export interface CatalogWriter extends CatalogReader {
  /** All of `work` or nothing of it, durable when it returns. May be nested. */
  transaction<T>(work: () => T): T;
  /**
   * Adds or replaces a recording, with the segments it was made of.
   * @param finishedAt wall clock, milliseconds since 1970
   */
  putRecording(row: RecordingRow, segments: readonly UsedSegment[], finishedAt: number): void;
  /** What became of a spool segment, if it is done. */
  usedSegment(segment: string): UsedSegment | undefined;
  /** When the last recording was finished, milliseconds since 1970; 0 when there is none. */
  lastFinishedAt(): number;
  /** @returns false when this cause has an alarm already */
  raiseAlarm(alarm: NewAlarm): boolean;
  /** How far a journal has been taken in; undefined at first. */
  checkpoint(journal: string): JournalCheckpoint | undefined;
  setCheckpoint(journal: string, checkpoint: JournalCheckpoint): void;
  /** Keeps the event of a call until the call is settled; again is no harm. */
  keepEvent(call: string, event: JournalEvent): void;
  /** The events of all unsettled calls, in the order of time, then journal and sequence. */
  pendingEvents(): JournalEvent[];
  dropEvents(call: string): void;
  /** What the archive's acts say of recordings, and how far they have been taken in. */
  acts: ActsWriter;
}

export function catalogWriter(db: Database, file: string, reader: CatalogReader): CatalogWriter {
  const guard = <T>(work: () => T): T => guarded(file, work);
  const sql = prepareAll(db);
  return {
    ...reader,
    transaction: (work) => guard(() => db.transaction(work)()),
    putRecording: (row, segments, finishedAt) =>
      guard(() => {
        sql.putRecording.run({ retention: null, ...row, finishedAt });
        for (const { id, isKept } of segments) sql.putSegment.run(id, row.id, isKept ? 1 : 0);
      }),
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
    keepEvent: (call, event) =>
      guard(
        () =>
          void sql.keepEvent.run(event.daemon, event.seq, call, JSON.stringify(event), Math.floor(event.at)),
      ),
    pendingEvents: () =>
      guard(() => sql.pendingEvents.all().map(({ event }) => JSON.parse(event) as JournalEvent)),
    dropEvents: (call) => guard(() => void sql.dropEvents.run(call)),
    acts: actsWriter(db, guard),
  };
}

function prepareAll(db: Database) {
  return {
    putRecording: db.prepare<[object]>(
      `INSERT OR REPLACE INTO recordings
         (id, session_id, state, reason, direction, start_time, duration, caller, callee, dn, path, size, finished_at, retention)
       VALUES (@id, @sessionId, @state, @reason, @direction, @startTime, @duration, @caller, @callee, @dn, @path,
         @size, @finishedAt, @retention)`,
    ),
    putSegment: db.prepare<[string, string, number]>(
      'INSERT OR REPLACE INTO segments (id, recording, kept) VALUES (?, ?, ?)',
    ),
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
    pendingEvents: db.prepare<[], { event: string }>(
      'SELECT event FROM pending_events ORDER BY at, journal, seq',
    ),
    dropEvents: db.prepare<[string]>('DELETE FROM pending_events WHERE call = ?'),
  };
}
