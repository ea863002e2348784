// Counting one SSRC's packets by sequence number: lost, duplicate, out of order (RFC 3550 appendix A.1 and A.3).

/** A jump forward larger than this is a restart of the numbering, not loss (RFC 3550 appendix A.1). */
const MAX_DROPOUT = 3000;
/** How far back a packet may come out of order; also how many packets are remembered to know duplicates. */
const MAX_MISORDER = 1024;

/** The packet counts of one SSRC. */
export interface SequenceCounter {
  /**
   * Counts one packet in the order of arrival.
   * @returns false for a duplicate: the same sequence number with the same timestamp
   */
  accept(sequenceNumber: number, timestamp: number): boolean;
  readonly duplicates: number;
  /** Expected and never received. */
  lost(): number;
}

export function createSequenceCounter(): SequenceCounter {
  return new Counter();
}

class Counter implements SequenceCounter {
  duplicates = 0;
  #lostBefore = 0;
  #first = 0;
  /** Highest number so far, with its cycles added; -1 before the first packet. */
  #highest = -1;
  #received = 0;
  readonly #seen = new Float64Array(MAX_MISORDER).fill(-1);
  readonly #timestamps = new Uint32Array(MAX_MISORDER);

  accept(sequenceNumber: number, timestamp: number): boolean {
    if (this.#highest < 0) this.#restart(sequenceNumber);
    const step = ((sequenceNumber - this.#highest) << 16) >> 16;
    const extended = this.#highest + step;
    const slot = ((extended % MAX_MISORDER) + MAX_MISORDER) % MAX_MISORDER;
    if (this.#seen[slot] === extended) {
      if (this.#timestamps[slot] !== timestamp) return this.#begin(sequenceNumber, timestamp);
      this.duplicates += 1;
      return false;
    }
    if (step > MAX_DROPOUT || step <= -MAX_MISORDER) return this.#begin(sequenceNumber, timestamp);
    this.#highest = Math.max(this.#highest, extended);
    this.#first = Math.min(this.#first, extended);
    return this.#remember(slot, extended, timestamp);
  }

  lost(): number {
    const expected = this.#highest < 0 ? 0 : this.#highest - this.#first + 1;
    return this.#lostBefore + expected - this.#received;
  }

  /** The sender started its numbering anew: what is missing so far is lost, nothing in between is. */
  #begin(sequenceNumber: number, timestamp: number): boolean {
    this.#lostBefore = this.lost();
    this.#received = 0;
    this.#restart(sequenceNumber);
    return this.#remember(this.#highest % MAX_MISORDER, this.#highest, timestamp);
  }

  /** One cycle up, so that packets before the first one do not reach below zero. */
  #restart(sequenceNumber: number): void {
    this.#seen.fill(-1);
    this.#first = sequenceNumber + 0x10000;
    this.#highest = this.#first;
  }

  #remember(slot: number, extended: number, timestamp: number): true {
    this.#seen[slot] = extended;
    this.#timestamps[slot] = timestamp;
    this.#received += 1;
    return true;
  }
}
