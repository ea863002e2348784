// Feature codes in a stream of digits: what may become a code is held back, what does not is let go in its order. Pure but for a timer.

/** How long a digit waits for the next one of its code, in milliseconds. */
const PATIENCE_MS = 2000;

export class FeatureCodes<Feature extends string> {
  readonly #codes: ReadonlyMap<string, Feature>;
  readonly #onFeature: (feature: Feature) => void;
  readonly #patienceMs: number;
  #held: { digit: string; pass: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param codes by the digits that are dialled, such as `*1` */
  constructor(
    codes: ReadonlyMap<string, Feature>,
    onFeature: (feature: Feature) => void,
    patienceMs = PATIENCE_MS,
  ) {
    this.#codes = codes;
    this.#onFeature = onFeature;
    this.#patienceMs = patienceMs;
  }

  /** A digit was dialled. `pass` is called unless it becomes part of a code: now, or when that is known. */
  dial(digit: string, pass: () => void): void {
    clearTimeout(this.#timer);
    this.#held.push({ digit, pass });
    this.#settle();
    if (this.#held.length > 0) this.#timer = setTimeout(() => this.flush(), this.#patienceMs).unref();
  }

  /** Lets go what is held: nothing more is to come. */
  flush(): void {
    clearTimeout(this.#timer);
    for (const { pass } of this.#held.splice(0)) pass();
  }

  /** Takes a code out, or lets digits go until what is held may begin one. */
  #settle(): void {
    while (this.#held.length > 0) {
      const dialled = this.#held.map(({ digit }) => digit).join('');
      const feature = this.#codes.get(dialled);
      if (feature !== undefined) {
        this.#held = [];
        return this.#onFeature(feature);
      }
      if ([...this.#codes.keys()].some((code) => code.startsWith(dialled))) return;
      this.#held.shift()?.pass();
    }
  }
}
