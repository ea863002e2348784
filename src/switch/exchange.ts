// One thing at a time: two exchanges of offer and answer in one call would cross in the media server (RFC 3261 section 14.1).

export class Exchange {
  readonly #onDone: () => void;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isSettling = false;

  /** @param onDone called after each */
  constructor(onDone: () => void = () => {}) {
    this.#onDone = onDone;
  }

  /** Something is under way or waits, and may still ask either party something. */
  get isBusy(): boolean {
    return this.#waiting > (this.#isSettling ? 1 : 0);
  }

  /** What is under way asks nobody anything any more, and is over in a moment: who comes now may wait for it. */
  settle(): void {
    this.#isSettling = true;
  }

  /** Runs `work` once those before it are over; its failure is its own. */
  run<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const result = this.#last.then(work).finally(() => {
      this.#waiting -= 1;
      this.#isSettling = false;
      this.#onDone();
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}
