// The indexer: follows the catalog, looks into one recording after the other, and tries again what could not be indexed.
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { chooseTranscriber, type TranscriberSettings } from '../speech/choose-transcriber.ts';
import type { Engine } from '../speech/transcribe.ts';
import type { EngineDescription, Transcriber } from '../speech/transcriber.ts';
import { removeTranscripts } from '../speech/transcript.ts';
import { type Follower, followCatalog } from './follow.ts';
import { type IndexWriter, openIndexOrBegin } from './index.ts';
import { type LookOptions, lookInto } from './look-into.ts';
import type { Backlog, IndexedRow } from './rows.ts';
import { readTopics, type Topics, versionOfTopics } from './topics.ts';
import type { Redone } from './writer.ts';

export interface IndexerOptions extends LookOptions {
  catalog: string;
  index: string;
  transcription: TranscriberSettings;
  /** The file of topics; it need not exist. */
  topics: string;
  /** A recording that has just ended is about a topic of which alarms are told. */
  onTopic?(topic: string, recording: string): void;
  /** What went wrong, in words. */
  onProblem(problem: string, recording?: string): void;
  pollMs?: number;
  firstRetryMs?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export interface IndexerStatus extends Backlog {
  /** Seconds since the one that waits longest was finished. */
  behind: number;
  /** Why it stands still. */
  problem: string | null;
  /** What transcribes; null when nothing does, or has not had to yet. */
  engine: EngineDescription | null;
}

const POLL_MS = 1_000;
const FIRST_RETRY_MS = 30_000;
/** One that was begun and never ended: whatever ended the indexer may do so again, or not. */
const FIRST_RETRY_AFTER_END_MS = 2_000;
/** Recordings that are tagged anew before anything else has its turn. */
const TAGGED_AT_A_TIME = 50;
/** Of older ones nobody is told: they are indexed again. */
const TOLD_FOR_MS = 86_400_000;
const LONGEST_RETRY_MS = 86_400_000;

export class Indexer {
  readonly #options: IndexerOptions;
  readonly #index: IndexWriter;
  readonly #follower: Follower;
  readonly #now: () => number;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #wake = new AbortController();
  #problem: string | undefined;
  #counted: { backlog?: Backlog; until: number } = { until: 0 };
  readonly #transcriber: Transcriber | undefined;
  #engine: Engine | undefined;
  #topics: Topics = { topics: [], programs: new Map() };
  #topicsVersion: string | undefined;

  /** @throws GrecError INDEX_UNUSABLE */
  constructor(options: IndexerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    // What a crash left in clear.
    rmSync(options.folder, { recursive: true, force: true });
    this.#index = openIndexOrBegin(options.index, (problem) =>
      options.onProblem(`${problem}; it was set aside and is made anew`),
    );
    const onGone = (id: string) => removeTranscripts(options.transcripts, id);
    this.#follower = followCatalog(options.catalog, this.#index, {
      now: this.#now,
      pauseMs: options.pollMs,
      onGone,
    });
    this.#transcriber = chooseTranscriber(options.transcription, this.#stopping.signal);
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    await this.#running;
    await this.#transcriber?.close();
    this.#follower.close();
    this.#index.close();
  }

  /** Puts recordings into the queue again. @returns how many */
  redo(which: Redone | 'topics'): number {
    if (which === 'topics') this.#index.retagAll();
    const count = which === 'topics' ? this.status().recordings : this.#index.redo(which, this.#now());
    this.#wake.abort();
    return count;
  }

  status(): IndexerStatus {
    const backlog = this.#measured();
    const behind = backlog.oldest === null ? 0 : Math.max(0, (this.#now() - backlog.oldest) / 1000);
    return {
      ...backlog,
      behind: Math.round(behind),
      problem: this.#problem ?? null,
      engine: this.#engine?.description ?? null,
    };
  }

  /** Counting a million rows takes its time: a twentieth of it all at most. */
  #measured(): Backlog {
    const { backlog, until } = this.#counted;
    const began = performance.now();
    if (backlog !== undefined && began < until) return backlog;
    const counted = this.#index.backlog();
    const ended = performance.now();
    this.#counted = { backlog: counted, until: ended + (ended - began) * 20 };
    return counted;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      if (await this.#step()) continue;
      this.#wake = new AbortController();
      if (this.#stopping.signal.aborted) return;
      await sleep(this.#options.pollMs ?? POLL_MS, undefined, { signal: this.#wake.signal }).catch(() => {});
    }
  }

  /** @returns whether there was something to do */
  async #step(): Promise<boolean> {
    try {
      this.#follower.look();
      this.#followTopics();
      const row = this.#index.take(this.#now(), (attempts) =>
        this.#retryAt(attempts, FIRST_RETRY_AFTER_END_MS),
      );
      if (row !== undefined) await this.#lookInto(row);
      const hasTagged = row === undefined && this.#index.retagSome(this.#topics.topics, TAGGED_AT_A_TIME);
      this.#problem = undefined;
      return row !== undefined || hasTagged;
    } catch (thrown) {
      const problem = messageOf(thrown);
      if (problem !== this.#problem) this.#options.onProblem(`indexing stands still: ${problem}`);
      this.#problem = problem;
      return false;
    }
  }

  async #lookInto(row: IndexedRow): Promise<void> {
    try {
      const looked = await lookInto(row, this.#options, () => this.#engineOf());
      if (this.#stopping.signal.aborted) this.#index.putBack(row, this.#now());
      else if (looked === undefined) this.#index.doneAsBefore(row);
      else {
        this.#tell(row, this.#index.done(row, looked.found, this.#topics.topics));
        if (looked.problem !== undefined) this.#fail(row, looked.problem);
      }
    } catch (thrown) {
      const isSealed = thrown instanceof GrecError && thrown.code === 'RECORDING_SEALED';
      if (thrown instanceof GrecError && thrown.code === 'INDEX_UNUSABLE' && !isAboutRow(thrown))
        throw thrown;
      if (isSealed) this.#forgetClear(row);
      this.#fail(row, messageOf(thrown), isSealed);
    }
  }

  /** What was known before it was encrypted is to be known no more. */
  #forgetClear(row: IndexedRow): void {
    removeTranscripts(this.#options.transcripts, row.id);
    this.#index.empty(row);
  }

  /** A file with a mistake leaves the topics in force. */
  #followTopics(): void {
    const version = versionOfTopics(this.#options.topics);
    if (version === this.#topicsVersion) return;
    this.#topicsVersion = version;
    try {
      this.#topics = readTopics(this.#options.topics);
    } catch (thrown) {
      this.#options.onProblem(messageOf(thrown));
    }
  }

  /** Of what was said lately, and once. */
  #tell({ id, finishedAt }: IndexedRow, topics: readonly string[]): void {
    if (this.#now() - finishedAt > TOLD_FOR_MS) return;
    for (const topic of topics)
      if (this.#topics.topics.some((one) => one.name === topic && one.alert))
        this.#options.onTopic?.(topic, id);
  }

  /** @throws GrecError TRANSCRIBER_UNUSABLE: what waits for it is tried again, until it is there */
  async #engineOf(): Promise<Engine | undefined> {
    if (this.#transcriber === undefined || this.#engine !== undefined) return this.#engine;
    const { folder, transcription } = this.#options;
    const description = await this.#transcriber.open();
    this.#engine = { transcriber: this.#transcriber, description, phrases: transcription.phrases, folder };
    return this.#engine;
  }

  #fail(row: IndexedRow, problem: string, isForGood = false): void {
    if (!isForGood && row.attempts === 0) this.#options.onProblem(problem, row.id);
    this.#index.failed(row, problem, isForGood ? null : this.#retryAt(row.attempts + 1));
  }

  #retryAt(attempts: number, first = this.#options.firstRetryMs ?? FIRST_RETRY_MS): number {
    return this.#now() + Math.min(LONGEST_RETRY_MS, first * 2 ** Math.min(30, attempts - 1));
  }
}

/** The index refuses what was found in this recording, and nothing else. */
function isAboutRow({ cause }: GrecError): boolean {
  return systemCode(cause)?.startsWith('SQLITE_CONSTRAINT') === true;
}
