// One thing at a time: two exchanges of offer and answer in one call would cross in the media server (RFC 3261 section 14.1).

export class Exchange {
  readonly #onDone: () => void;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** @param onDone called after each */
  constructor(onDone: () => void = () => {}) {
    this.#onDone = onDone;
  }

  get isBusy(): boolean {
    return this.#waiting > 0;
  }

  /** Runs `work` once those before it are over; its failure is its own. */
  run<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const result = this.#last.then(work).finally(() => {
      this.#waiting -= 1;
      this.#onDone();
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}
