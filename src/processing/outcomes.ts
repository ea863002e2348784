// What becomes of recordings, entered in the catalog besides those that were made: failures, what it had lost, alarms.
import { recordingIdOfSegment } from '../archive/ids.ts';
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { rowOfMetadata, segmentsOfMetadata } from '../indexing/row-of-metadata.ts';
import type { Logger } from '../log.ts';
import { failedRow } from './describe.ts';
import { type FinishableSegment, findArchived } from './finish.ts';
import type { PendingCall } from './situation.ts';
import type { SegmentEntry } from './spool-scan.ts';

export interface OutcomesContext {
  archive: string;
  catalog: CatalogWriter;
  log: Logger;
}

export class Outcomes {
  readonly #context: OutcomesContext;

  constructor(context: OutcomesContext) {
    this.#context = context;
  }

  /**
   * A recording of which nothing is left to be made. It may have been made already: then the catalog has lost it (it was
   * moved away, or comes from a backup), and takes it over from the archive.
   */
  failUnlessArchived(recording: string, call: PendingCall, reason: string): void {
    const { archive, catalog, log } = this.#context;
    if (catalog.making(recording) !== undefined) return;
    const found = findArchived(archive, recording, call);
    if (found === undefined) return this.fail(recording, call, [], reason);
    const { metadata, path } = found;
    if (metadata.joinedInto !== undefined) return catalog.join(recording, metadata.joinedInto);
    const making = { madeOf: metadata.madeOf, joins: metadata.joined ?? [] };
    catalog.putRecording(rowOfMetadata(metadata, path), segmentsOfMetadata(metadata), Date.now(), making);
    log.warn({ recording, call: call.id, path }, 'the catalog had lost a recording of the archive');
  }

  /** There is no audio where there should be: a row and an alarm say why. The segments are kept. */
  fail(
    recording: string,
    call: PendingCall | undefined,
    segments: readonly FinishableSegment[],
    reason: string,
    madeOf?: string,
  ): void {
    const facts = segments.map((segment) => segment.facts);
    const ids = segments.map(({ id }) => id);
    this.#enterFailure(failedRow(recording, call, facts, reason), ids, madeOf);
  }

  /** The same for a segment whose facts nobody can read. */
  failUnreadable({ id, problem, changedAt }: SegmentEntry): void {
    const reason = `the facts of segment ${id} cannot be read: ${problem}`;
    const row = failedRow(recordingIdOfSegment(id), undefined, [], reason);
    this.#enterFailure({ ...row, startTime: Math.floor(changedAt) }, [id]);
  }

  #enterFailure(row: RecordingRow, segments: string[], madeOf?: string): void {
    const { catalog, log } = this.#context;
    const used = segments.map((id) => ({ id, isKept: true }));
    catalog.transaction(() => {
      catalog.putRecording(row, used, Date.now(), { madeOf });
      this.raise('major', row);
    });
    log.error(
      { recording: row.id, alarm: 'recording-failed', segments, reason: row.reason },
      'recording failed',
    );
  }

  /** That something is wrong with it. */
  raise(severity: 'warning' | 'major', { id, reason }: RecordingRow): void {
    const { catalog } = this.#context;
    catalog.raiseAlarm({ at: Date.now(), severity, subject: `recording ${id}`, message: reason ?? '' });
  }

  /** What alarms have told of it holds no longer, unless it is what is said of it now. */
  answer({ id, state, reason }: RecordingRow): void {
    const answered = { at: Date.now(), answer: `it was made: ${state}`, except: reason ?? undefined };
    this.#context.catalog.failures.answerAlarms(`recording ${id}`, answered);
  }
}
