// How many calls a second one source may make: a token bucket each, in bounded memory.

export interface RatesOptions {
  /** Milliseconds of a clock that does not go back. */
  now(): number;
  /** Sources that are remembered at once; beyond that the oldest are forgotten, and begin anew. */
  capacity?: number;
}

const CAPACITY = 10_000;

interface Bucket {
  /** Calls that may be made at once. */
  tokens: number;
  at: number;
}

export class Rates {
  readonly #now: () => number;
  readonly #capacity: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor({ now, capacity = CAPACITY }: RatesOptions) {
    this.#now = now;
    this.#capacity = capacity;
  }

  /** Takes one call of `source`; false when it has made `perSecond` in the last second. @param perSecond 0 for no limit */
  take(source: string, perSecond: number): boolean {
    if (perSecond === 0) return true;
    const now = this.#now();
    const before = this.#buckets.get(source) ?? { tokens: perSecond, at: now };
    const tokens = Math.min(perSecond, before.tokens + ((now - before.at) / 1000) * perSecond);
    const isGranted = tokens >= 1;
    this.#buckets.delete(source);
    this.#buckets.set(source, { tokens: isGranted ? tokens - 1 : tokens, at: now });
    if (this.#buckets.size > this.#capacity) this.#forgetOldest();
    return isGranted;
  }

  #forgetOldest(): void {
    for (const source of this.#buckets.keys()) {
      this.#buckets.delete(source);
      return;
    }
  }
}
