// The clock of the SIP stack and the intervals of RFC 3261 table 4: injectable, so that tests need no real time.
import { runAfter, type Timer } from './timer-queue.ts';
import type { Timers } from './user-agent-types.ts';

/** What sets and clears timers. The system's own is {@link systemClock}; tests give one that they wind by hand. */
export interface Clock {
  /** Calls `run` once, `milliseconds` from now, unless it is revoked. */
  after(milliseconds: number, run: () => void): Timer;
}

export const systemClock: Clock = {
  after: runAfter,
};

/** RFC 3261 table 4, in milliseconds. */
export const DEFAULT_TIMERS: Timers = { t1: 500, t2: 4000, t4: 5000 };

/** The time in which a transaction must have come to its end, 64*T1, in milliseconds. */
export function giveUpAfter(timers: Timers): number {
  return 64 * timers.t1;
}

interface Started {
  readonly name: string;
  timer: Timer;
  readonly next: Started | undefined;
}

/** The named timers of one state machine, two or three: at most one runs under each name, and all end together. */
export class TimerSet {
  readonly #clock: Clock;
  /** A list, for nothing is smaller. */
  #first: Started | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts a timer, in place of the one of that name. */
  start(name: string, milliseconds: number, run: () => void): void {
    const before = this.#find(name);
    before?.timer.revoke();
    const timer = this.#clock.after(milliseconds, run);
    if (before !== undefined) before.timer = timer;
    else this.#first = { name, timer, next: this.#first };
  }

  /** Runs at once and then after intervals that double from T1: up to `cap` milliseconds, until stopped. */
  repeat(name: string, first: number, cap: number, run: () => void): void {
    this.start(name, first, () => {
      this.repeat(name, Math.min(first * 2, cap), cap, run);
      run();
    });
  }

  stop(name: string): void {
    this.#find(name)?.timer.revoke();
  }

  #find(name: string): Started | undefined {
    let started = this.#first;
    while (started !== undefined && started.name !== name) started = started.next;
    return started;
  }

  clear(): void {
    for (let started = this.#first; started !== undefined; started = started.next) started.timer.revoke();
    this.#first = undefined;
  }
}
