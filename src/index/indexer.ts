// The indexer: follows the catalog, looks into one recording after the other, and tries again what could not be indexed.
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { GrecError, messageOf } from '../errors.ts';
import { type Follower, followCatalog } from './follow.ts';
import { type IndexWriter, openIndexOrBegin } from './index.ts';
import { type LookOptions, lookInto } from './look-into.ts';
import type { Backlog, IndexedRow } from './rows.ts';

export interface IndexerOptions extends LookOptions {
  catalog: string;
  index: string;
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
}

const POLL_MS = 1_000;
const FIRST_RETRY_MS = 30_000;
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

  /** @throws GrecError INDEX_UNUSABLE */
  constructor(options: IndexerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    // What a crash left in clear.
    rmSync(options.folder, { recursive: true, force: true });
    this.#index = openIndexOrBegin(options.index, (problem) =>
      options.onProblem(`${problem}; it was set aside and is made anew`),
    );
    this.#follower = followCatalog(options.catalog, this.#index, this.#now, options.pollMs);
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    await this.#running;
    this.#follower.close();
    this.#index.close();
  }

  /** Puts recordings into the queue again. @returns how many */
  redo(which: 'all' | 'problems'): number {
    const count = this.#index.redo(which, this.#now());
    this.#wake.abort();
    return count;
  }

  status(): IndexerStatus {
    const backlog = this.#index.backlog();
    const behind = backlog.oldest === null ? 0 : Math.max(0, (this.#now() - backlog.oldest) / 1000);
    return { ...backlog, behind: Math.round(behind), problem: this.#problem ?? null };
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
      const row = this.#index.take(this.#now(), (attempts) => this.#retryAt(attempts));
      if (row !== undefined) await this.#lookInto(row);
      this.#problem = undefined;
      return row !== undefined;
    } catch (thrown) {
      const problem = messageOf(thrown);
      if (problem !== this.#problem) this.#options.onProblem(`indexing stands still: ${problem}`);
      this.#problem = problem;
      return false;
    }
  }

  async #lookInto(row: IndexedRow): Promise<void> {
    try {
      const found = await lookInto(row, this.#options);
      if (found === undefined) this.#index.doneAsBefore(row);
      else this.#index.done(row, found);
    } catch (thrown) {
      if (thrown instanceof GrecError && thrown.code === 'INDEX_UNUSABLE') throw thrown;
      this.#fail(row, thrown);
    }
  }

  #fail(row: IndexedRow, thrown: unknown): void {
    const isSealed = thrown instanceof GrecError && thrown.code === 'RECORDING_SEALED';
    const problem = messageOf(thrown);
    if (!isSealed && row.attempts === 0) this.#options.onProblem(problem, row.id);
    this.#index.failed(row, problem, isSealed ? null : this.#retryAt(row.attempts + 1));
  }

  #retryAt(attempts: number): number {
    const first = this.#options.firstRetryMs ?? FIRST_RETRY_MS;
    return this.#now() + Math.min(LONGEST_RETRY_MS, first * 2 ** Math.min(30, attempts - 1));
  }
}
