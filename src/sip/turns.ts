// Shares each turn of the event loop among what peers send: what does not fit into one waits for the next, in order.

/** Milliseconds that messages may take of one turn: timers and control wait for no longer. */
const BUDGET_MS = 5;

/** What it takes to fall asleep and wake up, in milliseconds: less than this is not worth it. */
const LEAST_REST_MS = 0.2;

/** Nobody wakes who sleeps on it. */
const bed = new Int32Array(new SharedArrayBuffer(4));
let rested = 0;

/** Milliseconds that the event loop has slept between turns so far: it looks busy meanwhile, and is not. */
export function restedMs(): number {
  return rested;
}

export interface Rest {
  /** A turn lasts so long at least while turns are dense. */
  milliseconds: number;
  /** Sends what would wait for the end of the turn. */
  before(): void;
}

/**
 * One for all sockets of a transport. With `rest`, dense turns are made fewer: each costs the same for one message as for many, in
 * system calls and wake-ups, of peers too. So what comes within a few milliseconds is left in the kernel and read together. A
 * turn that comes alone is not delayed.
 */
export class Turns {
  readonly #budget: number;
  readonly #rest: Rest | undefined;
  #began = Number.NEGATIVE_INFINITY;
  #before = Number.NEGATIVE_INFINITY;
  #waiting: (() => void)[] = [];
  #isCounting = false;
  #until = 0;

  constructor(budgetMs = BUDGET_MS, rest?: Rest) {
    this.#budget = budgetMs;
    this.#rest = rest;
  }

  /** True when this turn's time is used up: whoever still has work hands it to {@link later} and returns. */
  get isOver(): boolean {
    this.#count();
    return performance.now() > this.#until;
  }

  /** Runs `work` in a turn to come, behind everybody who waits already. It must not throw. */
  later(work: () => void): void {
    this.#count();
    this.#waiting.push(work);
  }

  #count(): void {
    if (this.#isCounting) return;
    this.#isCounting = true;
    this.#before = this.#began;
    this.#began = performance.now();
    this.#until = this.#began + this.#budget;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#isCounting = false;
    const due = this.#waiting;
    this.#waiting = [];
    for (const [index, work] of due.entries()) {
      // Those that were not reached go before those that were and are not done.
      if (index > 0 && this.isOver) {
        this.#waiting = [...due.slice(index), ...this.#waiting];
        return;
      }
      work();
    }
    if (this.#rest !== undefined && this.#waiting.length === 0) this.#sleep(this.#rest);
  }

  #sleep({ milliseconds, before }: Rest): void {
    if (this.#began - this.#before > 2 * milliseconds) return;
    before();
    const now = performance.now();
    const left = this.#began + milliseconds - now;
    if (left < LEAST_REST_MS) return;
    Atomics.wait(bed, 0, 0, left);
    rested += performance.now() - now;
  }
}
