// Speech from one sampling rate to another, by a windowed sinc: an engine that takes 16 kHz hears no image of a telephone's band.

/** Samples of the source on each side of the one that is made. */
const REACH = 12;

export class Resampler {
  readonly #step: number;
  readonly #cutoff: number;
  /** Of the source: what the next output needs, from {@link REACH} samples before it. */
  #kept = new Float64Array(REACH);
  /** Where the next output stands in `kept`. */
  #at = REACH;
  /** Something was taken that has not been given in full. */
  #isOpen = false;

  /** @param from Hz. @param to Hz */
  constructor(from: number, to: number) {
    this.#step = from / to;
    this.#cutoff = Math.min(1, to / from);
  }

  /** @returns what can be told of it; the rest comes with the next */
  take(samples: Int16Array): Int16Array {
    if (samples.length === 0) return new Int16Array(0);
    if (this.#step === 1) return samples;
    this.#isOpen = true;
    const source = new Float64Array(this.#kept.length + samples.length);
    source.set(this.#kept);
    source.set(samples, this.#kept.length);
    return this.#give(source);
  }

  /** The rest; what is taken afterwards stands by itself. */
  flush(): Int16Array {
    if (!this.#isOpen) return new Int16Array(0);
    const source = new Float64Array(this.#kept.length + REACH);
    source.set(this.#kept);
    const rest = this.#give(source);
    this.#kept = new Float64Array(REACH);
    this.#at = REACH;
    this.#isOpen = false;
    return rest;
  }

  #give(source: Float64Array): Int16Array {
    const count = Math.max(0, Math.ceil((source.length - REACH - this.#at) / this.#step));
    const output = Int16Array.from({ length: count }, (_, index) =>
      this.#sampleAt(source, this.#at + index * this.#step),
    );
    const next = this.#at + count * this.#step;
    const gone = Math.max(0, Math.floor(next) - REACH);
    this.#kept = source.slice(gone);
    this.#at = next - gone;
    return output;
  }

  #sampleAt(source: Float64Array, at: number): number {
    const first = Math.floor(at) - REACH + 1;
    let sum = 0;
    for (let tap = first; tap < first + 2 * REACH; tap++) sum += (source[tap] ?? 0) * this.#weight(at - tap);
    return Math.max(-32_768, Math.min(32_767, Math.round(sum)));
  }

  /** Of a sinc under a Hann window. @param distance in samples of the source */
  #weight(distance: number): number {
    if (Math.abs(distance) >= REACH) return 0;
    const x = Math.PI * distance * this.#cutoff;
    const sinc = x === 0 ? 1 : Math.sin(x) / x;
    return this.#cutoff * sinc * (0.5 + 0.5 * Math.cos((Math.PI * distance) / REACH));
  }
}
