// What one storage is to be given: a few copies at a time, again with growing pauses while it takes none.
//
// An error of the storage makes all of it wait, and one copy at a time tries whether it takes something again; an error
// of one recording makes that one wait.
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { UploadRow } from '../catalog/uploads.ts';
import type { StorageConfig } from '../config.ts';
import { endOf, readPeriod } from '../config-retention.ts';
import { type ErrorCode, GrecError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { openStore } from '../storage/open-store.ts';
import type { Store } from '../storage/store.ts';
import { copyRecording, removeCopy } from './copy-recording.ts';

/** Copies at the same time: one waits for the network while the other reads. */
const PARALLEL = 2;
const LONGEST_PAUSE_MS = 600_000;
/** What is of the recording is tried so often. */
const MOST_ATTEMPTS = 5;
/** Failures in a row before anybody is alarmed. */
const ALARMED_AFTER = 3;

const OF_THE_RECORDING = new Set<ErrorCode>(['STORAGE_REJECTED', 'STORAGE_DIFFERS', 'RECORDING_UNREADABLE']);

export interface StorageQueueOptions {
  config: StorageConfig;
  archive: string;
  catalog: CatalogWriter;
  log: Logger;
  /** A copy of a deleted recording is gone. */
  onRemoved(row: UploadRow): Promise<void>;
  /** Milliseconds since 1970. */
  now(): number;
  firstPauseMs: number;
  /** From 0 to 1. */
  random?: () => number;
}

export class StorageQueue {
  readonly #options: StorageQueueOptions;
  readonly #active = new Map<string, Promise<void>>();
  /** Public keys that are there, or on their way. */
  readonly #keys = new Map<string, Promise<void>>();
  #store: Store | undefined;
  /** In a row, of the storage itself. */
  #failures = 0;
  /** Of the monotonic clock: nothing waits longer because the wall clock was set. */
  #notBefore = 0;
  /** When it has taken something; milliseconds since 1970. */
  #tookAt = 0;
  #isStopping = false;

  constructor(options: StorageQueueOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.config.name;
  }

  get active(): number {
    return this.#active.size;
  }

  /** Starts what is due. Throws GrecError CATALOG_UNUSABLE. */
  start(): void {
    if (this.#isStopping || performance.now() < this.#notBefore) return;
    const most = this.#failures > 0 ? 1 : PARALLEL;
    const free = most - this.#active.size;
    if (free <= 0) return;
    const { catalog, now } = this.#options;
    const due = catalog.uploads.due(this.name, now(), most + this.#active.size);
    const next = due.filter(({ recording }) => !this.#active.has(recording)).slice(0, free);
    for (const row of next) this.#begin(row);
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#active.size > 0) await Promise.all(this.#active.values());
  }

  /** What is under way is broken off: it is tried again after the next start. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#store?.close();
    await this.idle();
  }

  #begin(row: UploadRow): void {
    const work = this.#try(row).finally(() => {
      this.#active.delete(row.recording);
      if (!this.#isStopping) this.#startQuietly();
    });
    this.#active.set(row.recording, work);
  }

  /** The next round says what is wrong with the catalog. */
  #startQuietly(): void {
    try {
      this.start();
    } catch {
      // As above.
    }
  }

  /** Never rejects. */
  async #try(row: UploadRow): Promise<void> {
    try {
      await this.#do(row);
      this.#took();
    } catch (thrown) {
      if (this.#isStopping) return;
      try {
        this.#failed({ ...row, attempts: row.attempts + 1 }, thrown);
      } catch (refused) {
        this.#options.log.error(`what became of a copy cannot be noted: ${messageOf(refused)}`);
      }
    }
  }

  async #do(row: UploadRow): Promise<void> {
    const { catalog, archive, log, now } = this.#options;
    this.#store ??= openStore(this.#options.config);
    const store = this.#store;
    const { recording, storage, path } = row;
    if (row.task === 'remove') {
      await removeCopy(store, path, row.files);
      await this.#options.onRemoved(row);
      if (catalog.uploads.forget(row))
        log.info({ recording, storage }, 'the copy of a deleted recording is gone');
      return;
    }
    const willPut = (files: readonly string[]) => catalog.uploads.willPut(row, files);
    const copied = await copyRecording({ archive, path, store, files: row.files, keys: this.#keys, willPut });
    const isDone = catalog.uploads.finish(row, { ...copied, now: now() });
    if (!isDone) return;
    log.info({ recording, storage, bytes: copied.size }, 'copied, and read back');
    if (row.round > 1) this.#answer(`copy ${storage}:${recording}`, 'it is copied');
  }

  #took(): void {
    const { catalog, log, now } = this.#options;
    this.#tookAt = now();
    if (this.#failures === 0) return;
    log.info({ storage: this.name, failures: this.#failures }, 'the storage takes copies again');
    this.#failures = 0;
    this.#notBefore = 0;
    catalog.uploads.setProblem(this.name, null, now());
    this.#answer(`storage ${this.name}`, 'it takes copies again');
  }

  #answer(subject: string, answer: string): void {
    const { catalog, now } = this.#options;
    catalog.failures.answerAlarms(subject, { at: now(), answer });
  }

  #failed(row: UploadRow, thrown: unknown): void {
    const { catalog, now } = this.#options;
    const reason = messageOf(thrown);
    const code = thrown instanceof GrecError ? thrown.code : undefined;
    const isOfRecording = code !== undefined && OF_THE_RECORDING.has(code);
    const pauseMs = isOfRecording ? 0 : this.#pause(thrown);
    if (this.#isHopeless(row, isOfRecording, code)) return this.#giveUp(row, reason);
    // Where the storage takes others, this one has a trouble of its own.
    const isOwn = isOfRecording || this.#tookAt > row.since;
    catalog.uploads.postpone(row, reason, now() + (isOwn ? this.#delay(row.attempts) : pauseMs));
    const { recording, storage, attempts } = row;
    if (isOfRecording) this.#options.log.warn({ recording, storage, attempts }, `not copied: ${reason}`);
  }

  /**
   * Whether it can never succeed: the recording's own error has come too often; the storage, which takes others, refuses
   * this one; or it has been tried for as long as is configured.
   */
  #isHopeless({ attempts, since }: UploadRow, isOfRecording: boolean, code: ErrorCode | undefined): boolean {
    if (attempts < MOST_ATTEMPTS) return false;
    if (isOfRecording || (code === 'STORAGE_REFUSED' && this.#tookAt > since)) return true;
    const period = readPeriod(this.#options.config['retry-for']);
    return period !== undefined && this.#options.now() > endOf(since, period);
  }

  #giveUp(row: UploadRow, reason: string): void {
    const { catalog, log, now } = this.#options;
    if (!catalog.uploads.fail(row, reason)) return;
    const { recording, storage, task, round } = row;
    const what = task === 'copy' ? 'is not copied to' : 'was deleted, and its copy stays in';
    const message = `it ${what} storage ${storage}: ${reason}`;
    const cause = `upload of ${recording} to ${storage}, ${round}`;
    catalog.raiseAlarm({
      at: now(),
      severity: 'major',
      subject: `copy ${storage}:${recording}`,
      message,
      cause,
    });
    const facts = { alarm: 'upload-failed', recording, storage, reason };
    log.error(
      { ...facts, hint: '`grec failed` lists these, `grec retry` tries again' },
      `a recording ${what} its storage`,
    );
  }

  /** @returns for how long, in milliseconds */
  #pause(thrown: unknown): number {
    const { catalog, log, now, config } = this.#options;
    this.#failures += 1;
    const pauseMs = this.#delay(this.#failures);
    this.#notBefore = performance.now() + pauseMs;
    const problem = messageOf(thrown);
    catalog.uploads.setProblem(config.name, problem, now());
    const facts = { storage: config.name, failures: this.#failures, retryInMs: pauseMs };
    const message = `the storage takes no copies, which wait: ${problem}`;
    if (this.#failures === 1) log.warn(facts, message);
    if (this.#failures === ALARMED_AFTER) this.#alarm(thrown, facts, message);
    return pauseMs;
  }

  #alarm(thrown: unknown, facts: object, message: string): void {
    const { catalog, log, now, config } = this.#options;
    const hint = thrown instanceof GrecError ? thrown.hint : undefined;
    log.error({ ...facts, alarm: 'storage', hint }, message);
    const since = catalog.uploads.problems().find(({ storage }) => storage === config.name)?.since ?? 0;
    const alarm = { at: now(), severity: 'major' as const, subject: `storage ${config.name}`, message };
    catalog.raiseAlarm({ ...alarm, cause: `storage ${config.name} since ${since}` });
  }

  /** Doubled each time up to ten minutes, less up to a half by chance: not everybody comes back at once. */
  #delay(attempts: number): number {
    const { firstPauseMs, random = Math.random } = this.#options;
    const whole = Math.min(firstPauseMs * 2 ** (attempts - 1), LONGEST_PAUSE_MS);
    return Math.round(whole * (0.5 + random() / 2));
  }
}
