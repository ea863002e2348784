// Shares each turn of the event loop among what peers send: what does not fit into one waits for the next, in order.

/** Milliseconds that messages may take of one turn: timers and control wait for no longer. */
const BUDGET_MS = 5;

/** One for all sockets of a transport. */
export class Turns {
  readonly #budget: number;
  #waiting: (() => void)[] = [];
  #isCounting = false;
  #until = 0;

  constructor(budgetMs = BUDGET_MS) {
    this.#budget = budgetMs;
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
    this.#until = performance.now() + this.#budget;
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
  }
}
