// The clock of the SIP stack and the intervals of RFC 3261 table 4: injectable, so that tests need no real time.
import type { Timers } from './user-agent-types.ts';

/** What sets and clears timers. The system's own is {@link systemClock}; tests give one that they wind by hand. */
export interface Clock {
  /** Calls `run` once, `milliseconds` from now; returns what revokes it. */
  after(milliseconds: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** RFC 3261 table 4, in milliseconds. */
export const DEFAULT_TIMERS: Timers = { t1: 500, t2: 4000, t4: 5000 };

/** The time in which a transaction must have come to its end, 64*T1, in milliseconds. */
export function giveUpAfter(timers: Timers): number {
  return 64 * timers.t1;
}

interface Running {
  readonly name: string;
  /** Ends it before its time. */
  revoke: () => void;
}

/** The named timers of one state machine, two or three: at most one runs under each name, and all end together. */
export class TimerSet {
  readonly #clock: Clock;
  #running: Running[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts a timer, in place of the one of that name. */
  start(name: string, milliseconds: number, run: () => void): void {
    this.stop(name);
    const running: Running = { name, revoke: () => {} };
    running.revoke = this.#clock.after(milliseconds, () => {
      this.#forget(running);
      run();
    });
    // Not pushed: an array that grows takes room for sixteen more.
    this.#running = [...this.#running, running];
  }

  /** Runs at once and then after intervals that double from T1: up to `cap` milliseconds, until stopped. */
  repeat(name: string, first: number, cap: number, run: () => void): void {
    this.start(name, first, () => {
      this.repeat(name, Math.min(first * 2, cap), cap, run);
      run();
    });
  }

  stop(name: string): void {
    const running = this.#running.find((one) => one.name === name);
    if (running === undefined) return;
    this.#forget(running);
    running.revoke();
  }

  #forget(running: Running): void {
    this.#running = this.#running.filter((one) => one !== running);
  }

  clear(): void {
    for (const { revoke } of this.#running) revoke();
    this.#running = [];
  }
}
