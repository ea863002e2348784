// The segments that an earlier life of the media server left open: closed one by one while calls go on.
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Journal } from '../spool/journal.ts';
import { type Recovery, recoverSpool, segmentsOf } from '../spool/recover.ts';
import type { SpoolKeys } from '../spool/sealed-capture.ts';

const RETRY_MS = 5000;

export interface RepairOptions {
  spool: string;
  /** With which captures are encrypted in it. */
  spoolKeys?: SpoolKeys | undefined;
  journal: Journal;
  log: Logger;
  retryMs?: number;
}

export interface Repair {
  /** Segments that are still to be looked at, or to be tried again: a disk may be full. */
  readonly waiting: number;
  /** Resolves when each has been looked at once. */
  readonly firstRound: Promise<void>;
  stop(): Promise<void>;
}

/** Begins at once, with the segments that are in the spool when it is called. @throws system errors of reading the spool */
export function startRepair(options: RepairOptions): Repair {
  return new SpoolRepair(options);
}

class SpoolRepair implements Repair {
  readonly #options: RepairOptions;
  readonly #stopping = new AbortController();
  readonly #told = new Set<string>();
  #waiting: string[];
  readonly firstRound: Promise<void>;
  readonly #done: Promise<void>;

  constructor(options: RepairOptions) {
    this.#options = options;
    this.#waiting = segmentsOf(options.spool);
    this.firstRound = this.#round();
    this.#done = this.firstRound.then(() => this.#again());
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #again(): Promise<void> {
    const { signal } = this.#stopping;
    const { retryMs = RETRY_MS } = this.#options;
    while (this.#waiting.length > 0 && !signal.aborted) {
      await delay(retryMs, undefined, { signal, ref: false }).catch(() => undefined);
      await this.#round();
    }
  }

  async #round(): Promise<void> {
    const again: string[] = [];
    for (const segment of [...this.#waiting]) {
      if (this.#stopping.signal.aborted) return;
      const recovery = await recoverSpool(this.#options.spool, [segment], this.#options.spoolKeys);
      if (recovery.failed.length > 0) again.push(segment);
      this.#waiting = this.#waiting.filter((one) => one !== segment || recovery.failed.length > 0);
      this.#report(recovery);
    }
    this.#waiting = again;
  }

  #report({ recovered, unbegun, broken, failed }: Recovery): void {
    const { journal, log } = this.#options;
    for (const one of recovered) {
      const { segment, recording, call } = one;
      journal.append({ type: 'segment.closed', segment, recording, call, reason: 'recovered' });
      log.warn(one, 'an unfinished segment was closed');
    }
    for (const segment of unbegun) log.info({ segment }, 'a segment that was never begun was taken away');
    for (const one of broken) {
      log.error({ alarm: 'segment-broken', ...one }, `a segment cannot be read: ${one.reason}`);
    }
    for (const one of failed) {
      if (this.#told.has(one.segment)) continue;
      this.#told.add(one.segment);
      const told = { alarm: 'segment-open', hint: 'free space on the disk of the spool', ...one };
      log.error(told, `a segment cannot be repaired, and is tried again: ${messageOf(one.reason)}`);
    }
  }
}
