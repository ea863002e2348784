// When the processor looks: whenever something asks for it, never twice at a time, and never so often that nothing else gets done.
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';

/** After a look that took longer than this, the making of recordings gets its turn, so many times as long as the look took. */
const SHORT_LOOK_MS = 5;
const WORK_PER_LOOK = 4;

export interface RoundsOptions {
  log: Logger;
  /** One look at everything there is. What it throws is told, and does not end anything. */
  look(): Promise<void>;
  /** Whether recordings are being made. */
  isBusy(): boolean;
  /** The longest time from one look to the next. */
  pollMs: number;
}

export class Rounds {
  readonly #options: RoundsOptions;
  #round: Promise<void> | undefined;
  #isAskedAgain = false;
  #isStopping = false;
  /** Why the last look failed. */
  problem: string | undefined;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** One look, and another one when it is asked for meanwhile. Never rejects. */
  round(): Promise<void> {
    if (this.#round !== undefined) this.#isAskedAgain = true;
    // Behind the assignment: a look may ask for the next one at once.
    this.#round ??= Promise.resolve()
      .then(() => this.#lookUntilQuiet())
      .finally(() => {
        this.#round = undefined;
      });
    return this.#round;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#round;
  }

  async #lookUntilQuiet(): Promise<void> {
    do {
      this.#isAskedAgain = false;
      if (this.#isStopping) return;
      const start = performance.now();
      try {
        await this.#options.look();
        this.problem = undefined;
      } catch (thrown) {
        this.#report(messageOf(thrown));
      }
      await this.#letOthersWork(performance.now() - start);
    } while (this.#isAskedAgain);
  }

  /** The more there is to look at, the more there is to be made: with thousands of segments a look takes long. */
  async #letOthersWork(lookMs: number): Promise<void> {
    const { isBusy, pollMs } = this.#options;
    if (lookMs < SHORT_LOOK_MS || !isBusy()) await setImmediate();
    else await delay(Math.min(lookMs * WORK_PER_LOOK, pollMs));
  }

  /** The same problem is told once. */
  #report(problem: string): void {
    if (problem !== this.problem)
      this.#options.log.error(`processing stands still, and is tried again: ${problem}`);
    this.problem = problem;
  }
}
