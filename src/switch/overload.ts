// Whether there is more to do than time to do it: the share of its time in which the event loop has been busy.
import { performance } from 'node:perf_hooks';
import { restedMs } from '../sip/turns.ts';

export interface OverloadOptions {
  /** The share, in percent, from which on it is too much; 100: never. */
  percent: number;
  /** The share since the last look, 0 to 1. The event loop's own unless a test gives one. */
  busy?: () => number;
}

const WINDOW_MS = 250;
/** Windows that are looked at together: one that is busy by itself is nothing. */
const WINDOWS = 4;
/** What has been too much ends when the share has sunk by so many points of a hundred. */
const RELIEF = 8;

/**
 * Of UDP a late event loop says little: it takes a few datagrams, looks at its timers, and is never late, while thousands
 * wait in the kernel. But a loop that never waits itself has more to do than it can.
 */
export class Overload {
  readonly #busy: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #shares: number[] = [];
  #percent: number;
  #isOver = false;

  constructor({ percent, busy = sinceLastLook() }: OverloadOptions) {
    this.#percent = percent;
    this.#busy = busy;
    this.#timer = setInterval(() => this.look(), WINDOW_MS).unref();
  }

  reload(percent: number): void {
    this.#percent = percent;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Takes the share of one window. */
  look(): void {
    this.#shares.push(this.#busy());
    if (this.#shares.length > WINDOWS) this.#shares.shift();
    const limit = this.#isOver ? this.#percent - RELIEF : this.#percent;
    this.#isOver = this.#percent < 100 && this.#shares.length === WINDOWS && this.percent >= limit;
  }

  /** Over the last second. */
  get percent(): number {
    if (this.#shares.length === 0) return 0;
    return (this.#shares.reduce((sum, share) => sum + share, 0) / this.#shares.length) * 100;
  }

  get isOver(): boolean {
    return this.#isOver;
  }
}

function sinceLastLook(): () => number {
  let last = performance.eventLoopUtilization();
  let rested = restedMs();
  return () => {
    const now = performance.eventLoopUtilization();
    const { active, idle } = performance.eventLoopUtilization(now, last);
    const slept = restedMs() - rested;
    last = now;
    rested += slept;
    return active + idle === 0 ? 0 : Math.max(0, active - slept) / (active + idle);
  };
}
