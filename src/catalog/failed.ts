// What could not be made, and what becomes of it: the question for it, the alarms that are answered, what was tried.
import type { Database } from 'better-sqlite3';
import { COLUMNS, type FailedRow, NO_DECODER } from './rows.ts';

const SELECT = `SELECT ${COLUMNS}, finished_at AS finishedAt FROM recordings`;

/** A codec that nothing knows how to decode has no colon behind it. */
const MAY_BE_DECODED = `%${NO_DECODER}%: %`;

export interface FailedWriter {
  /**
   * What the alarms of a subject are about is done. The same cause may raise an alarm again.
   * @param except a message that still holds
   */
  answerAlarms(subject: string, answer: { at: number; answer: string; except?: string | undefined }): void;
  /** Notes with what a recording was tried again, before it is. */
  noteTried(recording: string, decoders: string): void;
  /** When a recording was finished, or failed: milliseconds since 1970; 0 when it is not there. */
  finishedAt(recording: string): number;
  /** One of those that {@link CatalogReader.failed} lists, however many there are. */
  find(recording: string): FailedRow | undefined;
  /** Those that something may decode some day and that were not tried with these decoders yet; the oldest first. */
  untried(decoders: string, limit: number): FailedRow[];
}

type Guard = <T>(work: () => T) => T;

export function failedWriter(db: Database, guard: Guard): FailedWriter {
  // The cause is unique among all alarms: one that is answered leaves it to the next.
  const answer = db.prepare<[object]>(
    `UPDATE alarms SET answered_at = @at, answer = @answer, cause = cause || ' (answered ' || id || ')'
     WHERE subject = @subject AND answered_at IS NULL AND message IS NOT @except`,
  );
  const tried = db.prepare<[string, string]>(
    'INSERT OR REPLACE INTO tried_again (recording, decoders) VALUES (?, ?)',
  );
  const untried = db.prepare<[string, string, number], FailedRow>(
    `${SELECT} WHERE state <> 'complete' AND reason LIKE ?
       AND id NOT IN (SELECT recording FROM tried_again WHERE decoders = ?)
     ORDER BY finished_at, id LIMIT ?`,
  );
  const one = db.prepare<[string, string], FailedRow>(
    `${SELECT} WHERE id = ? AND (state = 'failed' OR (state = 'partial' AND reason LIKE ?))`,
  );
  const finishedAt = db.prepare<[string], { at: number }>(
    'SELECT finished_at AS at FROM recordings WHERE id = ?',
  );
  return {
    finishedAt: (recording) => guard(() => finishedAt.get(recording)?.at ?? 0),
    answerAlarms: (
      subject,
      { except = null, ...answered }: { at: number; answer: string; except?: string | null },
    ) => guard(() => void answer.run({ subject, except, ...answered })),
    noteTried: (recording, decoders) => guard(() => void tried.run(recording, decoders)),
    find: (recording) => guard(() => one.get(recording, MAY_BE_DECODED)),
    untried: (decoders, limit) => guard(() => untried.all(MAY_BE_DECODED, decoders, limit)),
  };
}

export function listFailed(db: Database, limit: number): FailedRow[] {
  const sql = `${SELECT} WHERE state <> 'complete' AND (state = 'failed' OR reason LIKE ?)
    ORDER BY finished_at DESC, id DESC LIMIT ?`;
  return db.prepare<[string, number], FailedRow>(sql).all(MAY_BE_DECODED, limit);
}
