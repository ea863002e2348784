// Recordings that could not be made, and how they are made again: of the segments that were set aside, by the same rules.
import { join } from 'node:path';
import { digestFile } from '../archive/digest.ts';
import { readManifest } from '../archive/read.ts';
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { FailedRow } from '../catalog/rows.ts';
import { GrecError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { decide } from './consolidate.ts';
import { findEarlierCalls } from './earlier-calls.ts';
import type { Failure, FailureSource, Retried } from './failures.ts';
import type { Finished } from './finish.ts';
import type { FinishDecision, Finisher } from './finisher.ts';
import type { Situation, SpoolSegment } from './situation.ts';
import type { Source } from './sources.ts';
import type { SegmentEntry } from './spool-scan.ts';
import { type Spools, spoolSegment } from './spools.ts';

export interface FailedRecordingsOptions {
  archive: string;
  catalog: CatalogWriter;
  spool: Spools;
  sources: readonly Pick<Source, 'number' | 'journal'>[];
  finisher: Pick<Finisher, 'again' | 'isMaking'>;
  log: Logger;
  /** How things stand now, but for calls and segments. */
  situation(): Omit<Situation, 'calls' | 'segments'>;
}

/** Reasons that no repetition changes: what was captured is whole, and there is nothing in it. */
const NOTHING_IN_IT = ['no media was captured', 'the captured media holds no audio'];

export class FailedRecordings implements FailureSource {
  readonly kind = 'recording';
  readonly #options: FailedRecordingsOptions;

  constructor(options: FailedRecordingsOptions) {
    this.#options = options;
  }

  list(): Failure[] {
    return this.#options.catalog.failed().map((row) => this.#describe(row));
  }

  /** Whether there is something of which it can be made again. */
  canRetry({ id }: Pick<FailedRow, 'id'>): boolean {
    return this.#capturesOf(id).problem === undefined;
  }

  #describe(row: FailedRow): Failure {
    const { id, state, reason, startTime, caller, callee, finishedAt } = row;
    const { entries, problem } = this.#capturesOf(id);
    const advice = problem ?? adviceOn(row);
    const calls = entries.flatMap(({ facts }) => facts?.opened.metadata?.call ?? []);
    const captures = entries.map(({ directory }) => directory);
    const begun = new Date(startTime).toISOString();
    return {
      kind: this.kind,
      id,
      at: new Date(finishedAt).toISOString(),
      reason: reason ?? '',
      isRetryable: advice === undefined,
      ...(advice !== undefined && { advice }),
      details: { state, startTime: begun, caller, callee, calls: [...new Set(calls)], captures },
    };
  }

  /** What was captured of it, and what keeps it from being made of that. */
  #capturesOf(id: string): { entries: SegmentEntry[]; problem?: string } {
    const { catalog, spool } = this.#options;
    const segments = catalog.segmentsOf(id);
    const entries = segments.flatMap((segment) => spool.get(segment) ?? []);
    const present = new Set(entries.map((entry) => entry.id));
    const [gone] = segments.filter((segment) => !present.has(segment));
    const unreadable = entries.find(({ facts }) => facts === undefined);
    if (segments.length === 0) return { entries, problem: 'nothing was captured of it' };
    if (gone !== undefined) return { entries, problem: `the capture ${gone} is not there any more` };
    if (unreadable !== undefined)
      return { entries, problem: `the facts of ${unreadable.id} cannot be read: ${unreadable.problem}` };
    return { entries };
  }

  /** @throws GrecError RECORDING_UNKNOWN, RECORDING_STATE, DAEMON_ENDED, ARCHIVE_UNREADABLE */
  async retry(id: string): Promise<Retried> {
    const { catalog, finisher, log } = this.#options;
    const row = catalog.failures.find(id);
    if (row === undefined)
      throw new GrecError('RECORDING_UNKNOWN', `no recording ${JSON.stringify(id)} has failed`, {
        hint: '`grec failed` lists those that have',
      });
    const decision = await this.#decide(row);
    log.info({ recording: id, segments: decision.segments }, 'a recording that failed is made again');
    const finished = await finisher.again(decision).catch(asRefusal);
    if (finished.result !== 'archived') return this.#failedAgain(row, finished);
    // A segment that nobody could read had a recording of its own.
    if (decision.recording !== id) catalog.join(id, decision.recording);
    return this.#outcome(id);
  }

  #failedAgain({ id, state }: FailedRow, finished: Exclude<Finished, { result: 'archived' }>): Retried {
    const reason = finished.result === 'failed' ? finished.reason : 'there is nothing in what was captured';
    return { kind: this.kind, id, isDone: false, state, reason };
  }

  #outcome(id: string): Retried {
    const { state = 'failed', reason = null } = this.#options.catalog.get(id) ?? {};
    const isFailed = this.#options.catalog.failures.find(id) !== undefined;
    return { kind: this.kind, id, isDone: !isFailed, state, reason };
  }

  async #decide(row: FailedRow): Promise<FinishDecision> {
    const { id } = row;
    const { entries, problem } = this.#capturesOf(id);
    if (problem !== undefined) throw refused(id, problem);
    if (row.path !== null) await this.#requireUnchanged(row.path, row, entries);
    const segments = entries.flatMap(aside);
    const named = new Set(segments.flatMap(({ call }) => call ?? []));
    const since = Math.min(row.startTime, ...entries.map(({ facts }) => (facts?.opened.at ?? 0) / 1000));
    const calls = await findEarlierCalls(this.#options.sources, named, since);
    const decisions = decide({ ...this.#situationWithout(id), calls, segments });
    const own = new Set(segments.map((segment) => segment.id));
    const made = decisions
      .filter((one) => one.do === 'finish')
      .filter((one) => one.segments.some((s) => own.has(s)));
    const decision = united(made, own);
    if (decision === undefined) throw refused(id, 'its call has not ended yet, as far as the journals tell');
    return decision;
  }

  /** As if nothing were known of it: then it is decided anew. */
  #situationWithout(id: string): Omit<Situation, 'calls' | 'segments'> {
    const { catalog, situation } = this.#options;
    const known = situation();
    const isIt = (recording: string) => recording === id || catalog.making(recording)?.id === id;
    return {
      ...known,
      waitUs: 0,
      rowOf: (recording) => (isIt(recording) ? undefined : known.rowOf(recording)),
      usedBy: (recording) => (isIt(recording) ? [] : known.usedBy(recording)),
    };
  }

  /** What is archived must not be replaced by less. */
  async #requireUnchanged(path: string, { id }: FailedRow, entries: readonly SegmentEntry[]): Promise<void> {
    const { archive, catalog } = this.#options;
    if (catalog.holdOn(id) !== undefined) throw refused(id, 'it is under hold, and stays as it is');
    const manifest = readManifest(join(archive, path));
    const digests = manifest.version === 2 ? manifest.captures : [];
    for (const { segment, sha256 } of digests) {
      const entry = entries.find((one) => one.id === segment);
      if (entry === undefined) throw refused(id, `the capture ${segment} is not there any more`);
      const found = await digestFile(entry.captureFile);
      if (found.sha256 !== sha256) throw refused(id, `the capture ${segment} is not what it was made of`);
    }
  }
}

function adviceOn({ reason }: FailedRow): string | undefined {
  return reason !== null && NOTHING_IN_IT.includes(reason) ? 'what was captured holds no audio' : undefined;
}

/** One that was set aside is over, whether its media server could say so or not. */
function aside({ id, facts, changedAt }: SegmentEntry): SpoolSegment[] {
  if (facts === undefined) return [];
  const segment = spoolSegment(id, facts);
  return [{ ...segment, closedAt: segment.closedAt ?? Math.floor(changedAt * 1000) }];
}

/** One recording of all that was set aside, also where something else of its conversation is gone. */
function united(decisions: readonly FinishDecision[], own: ReadonlySet<string>): FinishDecision | undefined {
  const [first] = decisions;
  if (first === undefined) return undefined;
  const merge = (texts: (one: FinishDecision) => readonly string[]) => [...new Set(decisions.flatMap(texts))];
  const segments = merge((one) => one.segments);
  if ([...own].some((id) => !segments.includes(id))) return undefined;
  return {
    ...first,
    segments,
    partial: merge(({ partial }) => partial),
    remarks: merge(({ remarks }) => remarks),
    joins: merge(({ joins }) => joins),
  };
}

/** The archive or the spool refuse for now: everything stays as it was. */
function asRefusal(thrown: unknown): never {
  if (thrown instanceof GrecError) throw thrown;
  throw new GrecError('ARCHIVE_UNREADABLE', `it cannot be made now: ${messageOf(thrown)}`, {
    hint: 'look at free space and permissions of archive and spool; nothing was changed',
    cause: thrown,
  });
}

function refused(id: string, problem: string): GrecError {
  return new GrecError('RECORDING_STATE', `recording ${id} cannot be made again: ${problem}`, {
    hint: '`grec failed` shows where its captures are',
  });
}
