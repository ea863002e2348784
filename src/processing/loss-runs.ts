// Which packets of a stream never came, and how many of them in a row: known once reordering can no longer fill the gap. Pure.

/** How far back a packet may come out of order. */
const WINDOW = 1024;
/** A jump forward larger than this is a restart of the numbering, not loss (RFC 3550 appendix A.1). */
const MAX_DROPOUT = 3000;

export interface LossCounts {
  received: number;
  lost: number;
  duplicates: number;
  /** Came after one with a higher number. */
  reordered: number;
  /** Runs of packets that were lost. */
  runs: number;
  longestRun: number;
}

/** The packets of one source, by sequence number, within one segment. */
export class LossRuns {
  readonly counts: LossCounts = { received: 0, lost: 0, duplicates: 0, reordered: 0, runs: 0, longestRun: 0 };
  readonly #seen = new Float64Array(WINDOW).fill(-1);
  /** The highest number so far, and the next one to be judged; with cycles. */
  #highest = -1;
  #next = 0;
  #run = 0;

  /** @returns false for a duplicate */
  add(sequenceNumber: number): boolean {
    if (this.#highest < 0) this.#restart(sequenceNumber);
    const step = ((sequenceNumber - this.#highest) << 16) >> 16;
    if (step > MAX_DROPOUT || step <= -WINDOW) {
      this.end();
      this.#restart(sequenceNumber);
      return this.#take(this.#highest);
    }
    const extended = this.#highest + step;
    if (this.#seen[extended % WINDOW] === extended) {
      this.counts.duplicates += 1;
      return false;
    }
    if (step < 0) {
      this.counts.reordered += 1;
      // Before the first one: nothing was expected there.
      if (extended < this.#next) return this.#take(undefined);
    }
    this.#highest = Math.max(this.#highest, extended);
    this.#judge(this.#highest - WINDOW);
    return this.#take(extended);
  }

  /** Judges all that is left. */
  end(): void {
    if (this.#highest >= 0) this.#judge(this.#highest);
    this.#finishRun();
    this.#highest = -1;
  }

  #restart(sequenceNumber: number): void {
    this.#seen.fill(-1);
    // One cycle up, so that packets before the first one do not reach below zero.
    this.#highest = sequenceNumber + 0x10000;
    this.#next = this.#highest;
  }

  #take(extended: number | undefined): true {
    this.counts.received += 1;
    if (extended !== undefined) this.#seen[extended % WINDOW] = extended;
    return true;
  }

  #judge(to: number): void {
    for (; this.#next <= to; this.#next += 1) {
      if (this.#seen[this.#next % WINDOW] === this.#next) this.#finishRun();
      else {
        this.#run += 1;
        this.counts.lost += 1;
      }
    }
  }

  #finishRun(): void {
    if (this.#run === 0) return;
    this.counts.runs += 1;
    this.counts.longestRun = Math.max(this.counts.longestRun, this.#run);
    this.#run = 0;
  }
}
