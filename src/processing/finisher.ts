// The finisher: makes the recordings that were decided, a few at a time, and enters what came of it in the catalog.
//
// The order is always archive, catalog, spool: a crash in between leaves work to do, never a loss.
import { join } from 'node:path';
import type { Metadata } from '../archive/metadata.ts';
import type { CatalogWriter, UsedSegment } from '../catalog/catalog.ts';
import { GrecError, messageOf } from '../errors.ts';
import { noteFailure } from '../indexing/failure-notes.ts';
import { isPartial, rowOfMetadata, segmentsOfMetadata } from '../indexing/row-of-metadata.ts';
import type { Logger } from '../log.ts';
import type { SegmentFacts } from '../spool/segment.ts';
import type { AudioSetting } from './audio-file.ts';
import { archivedFault } from './captures.ts';
import type { FinishableSegment, Finished, finishRecording } from './finish.ts';
import { importedCall } from './imported-call.ts';
import { leavePointer } from './join-recordings.ts';
import { Outcomes } from './outcomes.ts';
import type { Decision } from './situation.ts';
import type { SegmentEntry } from './spool-scan.ts';
import type { Spools } from './spools.ts';

/** Recordings that are made at the same time: more would only wait for the same disk. */
const PARALLEL = 4;
const LONGEST_RETRY_MS = 60_000;

export type FinishDecision = Extract<Decision, { do: 'finish' }>;

export interface FinisherContext {
  archive: string;
  signingKey: string;
  catalog: CatalogWriter;
  spool: Spools;
  log: Logger;
  finish: typeof finishRecording;
  /** The names of the switches, by source. */
  switches: readonly string[];
  /** In which format recordings are archived, and what decodes other codecs than G.711. */
  audio: AudioSetting;
  /** To which recordings are encrypted. */
  certificates?: readonly string[];
  /** Captures of finished recordings stay for longer than recordings may be made again. */
  keepsCaptures?: boolean;
  /** Milliseconds before the first repetition of what failed; doubled each time. */
  firstRetryMs: number;
  /** Called when all that was decided is done. */
  onIdle: () => void;
}

interface Retry {
  attempts: number;
  /** Milliseconds of the monotonic clock: nothing waits longer because the wall clock was set. */
  notBefore: number;
}

export class Finisher {
  /** What is entered in the catalog besides what was made. */
  readonly outcomes: Outcomes;
  readonly #context: FinisherContext;
  #audio: AudioSetting;
  #queue: FinishDecision[] = [];
  readonly #active = new Map<string, { decision: FinishDecision; work: Promise<void> }>();
  readonly #retries = new Map<string, Retry>();
  /** Segments that cannot be taken out of the spool: told once. */
  readonly #stuck = new Set<string>();
  /** The path of the recording that was read again last: it may have several segments. */
  #proved: string | undefined;
  #isStopping = false;

  constructor(context: FinisherContext) {
    this.#context = context;
    this.#audio = context.audio;
    this.outcomes = new Outcomes(context);
  }

  /** Recordings being made. */
  get active(): number {
    return this.#active.size;
  }

  /** From the next recording on. */
  useFfmpeg(ffmpeg: string | undefined): void {
    this.#audio = { ...this.#audio, ffmpeg };
  }

  isMaking(recording: string): boolean {
    return this.#active.has(recording);
  }

  isUsing(segment: string): boolean {
    return [...this.#active.values()].some(({ decision }) => decision.segments.includes(segment));
  }

  /** Takes what is to be made, in place of what it was told before; starts what is due. */
  take(decisions: readonly FinishDecision[]): void {
    this.#queue = decisions.filter((decision) => {
      if (this.#isBusyWith(decision)) return false;
      return (this.#retries.get(decision.recording)?.notBefore ?? 0) <= performance.now();
    });
    this.#startNext();
  }

  /** Resolves when nothing is being made. */
  async idle(): Promise<void> {
    while (this.#active.size > 0) await Promise.all([...this.#active.values()].map(({ work }) => work));
  }

  /** Ends what is being made, begins nothing more. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.idle();
  }

  #startNext(): void {
    while (!this.#isStopping && this.#active.size < PARALLEL) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (this.#isBusyWith(next)) continue;
      this.#begin(next, this.#make(next));
    }
  }

  /** @param made never rejects */
  #begin(decision: FinishDecision, made: Promise<unknown>): void {
    const work = made.then(() => {
      this.#active.delete(decision.recording);
      if (this.#queue.length > 0) this.#startNext();
      else if (!this.#isStopping) this.#context.onIdle();
    });
    this.#active.set(decision.recording, { decision, work });
  }

  /**
   * Makes a recording again for whoever asked for it, whatever it was made of before. What is archived already stays when
   * nothing comes of it. Rejects when it cannot be made now.
   */
  async again(decision: FinishDecision): Promise<Finished> {
    while (this.#isBusyWith(decision)) await this.idle();
    if (this.#isStopping) throw new GrecError('DAEMON_ENDED', 'grec-procd is being stopped');
    const made = this.#makeNow(decision, true);
    this.#begin(
      decision,
      made.catch(() => undefined),
    );
    return await made;
  }

  /** Whether a recording is being made of the same conversation, as it was known before. */
  #isBusyWith(decision: FinishDecision): boolean {
    const names = new Set(namesOf(decision));
    return [...this.#active.values()].some((active) =>
      namesOf(active.decision).some((name) => names.has(name)),
    );
  }

  /** Never rejects. */
  async #make(decision: FinishDecision): Promise<void> {
    const { spool, log } = this.#context;
    const { recording, segments } = decision;
    if (segments.some((id) => finishable(spool.get(id)).length === 0)) return;
    try {
      await this.#makeNow(decision);
      if (this.#retries.delete(recording))
        log.info({ recording }, 'the recording that had to wait is finished');
    } catch (thrown) {
      this.#retryLater(recording, thrown);
    }
  }

  async #makeNow(decision: FinishDecision, isAgain = false): Promise<Finished> {
    const { archive, signingKey, spool, finish, switches, catalog, certificates = [] } = this.#context;
    const audio = this.#audio;
    const { recording, partial, remarks, madeOf } = decision;
    const segments = decision.segments.flatMap((id) => finishable(spool.get(id)));
    const imported = importedCall(segments.map(({ facts }) => facts));
    const calls = decision.calls.length > 0 || imported === undefined ? decision.calls : [imported];
    const made = { recording, calls, segments, partial, remarks, madeOf, isAgain };
    const task = { archive, signingKey, audio, certificates, switches, ...made };
    const finished = await finish(task).catch(asFailure);
    const isNothing = finished.result !== 'archived' && typeof catalog.get(recording)?.path === 'string';
    if (!isAgain || !isNothing) await this.#conclude({ ...decision, calls }, segments, finished);
    return finished;
  }

  async #conclude(
    decision: FinishDecision,
    segments: FinishableSegment[],
    finished: Finished,
  ): Promise<void> {
    const { recording, calls, madeOf } = decision;
    const [call] = calls;
    if (finished.result === 'empty') return this.#drop(decision);
    if (finished.result === 'failed') {
      this.outcomes.fail(recording, call, segments, finished.reason, madeOf);
      for (const id of decision.segments) await this.takeAway({ id, isKept: true, recording });
      return;
    }
    const used = segments.filter(({ facts }) => isPartOf(facts, finished.metadata));
    const into = this.#context.catalog.get(recording);
    // A catalog that was lost has just learnt from the archive that it is part of another one.
    if (into !== undefined && into.id !== recording) await this.#leavePointer(finished.path, into.id);
    else {
      await this.#pointToIt(decision);
      this.#commit(finished, used, decision);
    }
    for (const { id } of used) await this.takeAway({ id, isKept: finished.setAside.includes(id), recording });
  }

  async #drop({ recording, calls, segments }: FinishDecision): Promise<void> {
    const { log, spool } = this.#context;
    for (const id of segments) await spool.remove(id);
    log.info({ recording, call: calls[0]?.id }, 'nobody answered: there was nothing to record');
  }

  /** What was archived before it turned out to be part of this one. */
  async #pointToIt({ recording, joins }: FinishDecision): Promise<void> {
    for (const id of joins) {
      const row = this.#context.catalog.get(id);
      if (row?.id === id && row.path !== null) await this.#leavePointer(row.path, recording);
    }
  }

  async #leavePointer(path: string, joinedInto: string): Promise<void> {
    const { archive, signingKey, log } = this.#context;
    await leavePointer({ directory: archive, signingKey }, path, joinedInto);
    log.info({ path, joinedInto }, 'a recording is part of another one');
  }

  #commit(
    { metadata, path, setAside }: Extract<Finished, { result: 'archived' }>,
    segments: readonly FinishableSegment[],
    { joins }: FinishDecision,
  ): void {
    const { catalog, log } = this.#context;
    // It has been written anew.
    this.#proved = undefined;
    const row = rowOfMetadata(metadata, path);
    const made = segments.map(({ id }) => ({ id, isKept: setAside.includes(id) }));
    // One that was taken over was made of others, perhaps.
    const used = [...segmentsOfMetadata(metadata), ...made];
    const { madeOf, joined = [] } = metadata;
    catalog.transaction(() => {
      catalog.putRecording(row, used, Date.now(), { madeOf, joins: [...joins, ...joined] });
      this.outcomes.answer(row);
      if (isPartial(metadata)) this.outcomes.raise('warning', row);
    });
    const { id: recording, state, duration } = row;
    const [call] = metadata.callUuids;
    log.info({ recording, call, state, duration, path }, 'recording finished');
  }

  /** Takes a segment that is done out of the spool; the catalog knows it, so when it fails the next round does it. */
  async takeAway({ id: segment, isKept, recording }: UsedSegment): Promise<void> {
    const { spool, log, keepsCaptures } = this.#context;
    try {
      if (isKept || !(await this.#isOnDisk(recording))) await this.#setAside(segment, recording);
      else if (keepsCaptures === true) await spool.keepLonger(segment);
      else await spool.keep(segment);
    } catch (thrown) {
      if (this.#stuck.has(segment)) return;
      this.#stuck.add(segment);
      log.warn({ segment }, `a segment that is done stays in the spool: ${messageOf(thrown)}`);
    }
  }

  /** What it is kept for is noted beside it as well: a disk that has no room for that must not keep it in the spool. */
  async #setAside(segment: string, recording: string | undefined): Promise<void> {
    const { spool, log, catalog } = this.#context;
    const directory = spool.get(segment)?.directory;
    if (recording !== undefined && directory !== undefined)
      await noteFailure(directory, catalog, recording).catch((thrown: unknown) => {
        log.warn({ segment }, `why it is set aside is not noted beside it: ${messageOf(thrown)}`);
      });
    await spool.setAside(segment);
  }

  /** Whether what a capture became is on the disk as it was archived: only then the capture may go. */
  async #isOnDisk(recording: string | undefined): Promise<boolean> {
    const { archive, catalog, log } = this.#context;
    const path = recording && catalog.get(recording)?.path;
    if (!path || path === this.#proved) return true;
    const fault = await archivedFault(join(archive, path));
    if (fault === undefined) {
      this.#proved = path;
      return true;
    }
    const message = `it is not in the archive as it was written, its captures are kept: ${fault}`;
    log.error({ recording, alarm: 'archive-damaged' }, message);
    catalog.raiseAlarm({ at: Date.now(), severity: 'major', subject: `recording ${recording}`, message });
    return false;
  }

  /** Nothing is lost while the archive takes nothing: the spool keeps it all, and one alarm says so. */
  #retryLater(recording: string, thrown: unknown): void {
    const { catalog, log, firstRetryMs } = this.#context;
    const attempts = (this.#retries.get(recording)?.attempts ?? 0) + 1;
    const delay = Math.min(firstRetryMs * 2 ** (attempts - 1), LONGEST_RETRY_MS);
    this.#retries.set(recording, { attempts, notBefore: performance.now() + delay });
    const message = `recordings cannot be finished and wait in the spool: ${messageOf(thrown)}`;
    log.error({ recording, alarm: 'archive', attempts, retryInMs: delay }, message);
    try {
      // One episode, from the last recording that was finished on, is one alarm, restarts included.
      const cause = `archive since ${catalog.lastFinishedAt()}`;
      catalog.raiseAlarm({ at: Date.now(), severity: 'major', subject: 'archive', message, cause });
    } catch (refused) {
      log.error(`the alarm cannot be entered in the catalog either: ${messageOf(refused)}`);
    }
  }
}

/** What no repetition can mend makes a failed recording; anything else is thrown again. */
function asFailure(thrown: unknown): Finished {
  if (thrown instanceof GrecError && (thrown.code === 'AUDIO_UNDECODABLE' || thrown.code === 'SPOOL_INVALID'))
    return { result: 'failed', reason: thrown.message };
  throw thrown;
}

function namesOf({ recording, joins, segments }: FinishDecision): string[] {
  return [recording, ...joins, ...segments];
}

/** One that was taken over may have been made of less. */
function isPartOf({ opened }: SegmentFacts, { segments }: Metadata): boolean {
  return segments.some(({ id }) => id === opened.segment);
}

function finishable(entry: SegmentEntry | undefined): FinishableSegment[] {
  return entry?.facts === undefined ? [] : [{ ...entry, facts: entry.facts }];
}
