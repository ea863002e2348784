// Lets a few of many alike things be said: what strangers can cause at will must not fill a disk.

export class Sparingly {
  readonly #perSecond: number;
  readonly #now: () => number;
  #second = 0;
  #said = 0;
  #unsaid = 0;

  /** @param now milliseconds of any clock that does not go back */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Runs `say`, or counts that it was not run; the next run is told how many were not. */
  say(say: (unsaid: { unsaid?: number }) => void): void {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) this.#said = 0;
    this.#second = second;
    this.#said += 1;
    if (this.#said > this.#perSecond) {
      this.#unsaid += 1;
      return;
    }
    const unsaid = this.#unsaid;
    this.#unsaid = 0;
    say(unsaid === 0 ? {} : { unsaid });
  }
}
