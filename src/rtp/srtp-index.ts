// The index of a packet in its stream: the roll-over counter guessed from the sequence number (RFC 3711 section 3.3.1), and what was
// received already (section 3.3.2).

/** Packets behind the newest one that are still taken, each once. RFC 3711 asks for 64 at least. */
export const WINDOW_PACKETS = 128;
const BITS = 32;
const SEQUENCE_NUMBERS = 0x10000;
const MEDIAN = 0x8000;
/** Of a roll-over counter: 32 bits. */
const HIGHEST_INDEX = 2 ** 48 - 1;

/** What was received of one stream, by index. */
export class ReplayWindow {
  /** -1 before the first. */
  highest = -1;
  /** Of the last indices a bit each, at the index modulo their number. */
  readonly #seen = new Uint32Array(WINDOW_PACKETS / BITS);

  /** True for an index that was accepted already, or is too old to tell. */
  isReplayed(index: number): boolean {
    if (index > this.highest) return false;
    if (index <= this.highest - WINDOW_PACKETS) return true;
    const place = index % WINDOW_PACKETS;
    return (((this.#seen[place >>> 5] ?? 0) >>> (place & 31)) & 1) === 1;
  }

  accept(index: number): void {
    if (index > this.highest) this.#advance(index);
    const place = index % WINDOW_PACKETS;
    this.#seen[place >>> 5] = (this.#seen[place >>> 5] ?? 0) | (1 << (place & 31));
  }

  #advance(index: number): void {
    if (index - this.highest >= WINDOW_PACKETS) this.#seen.fill(0);
    else
      for (let skipped = this.highest + 1; skipped < index; skipped += 1) {
        const place = skipped % WINDOW_PACKETS;
        this.#seen[place >>> 5] = (this.#seen[place >>> 5] ?? 0) & ~(1 << (place & 31));
      }
    const place = index % WINDOW_PACKETS;
    this.#seen[place >>> 5] = (this.#seen[place >>> 5] ?? 0) & ~(1 << (place & 31));
    this.highest = index;
  }
}

/**
 * The index of the packet with this sequence number: of all that end so, the one nearest to the highest so far.
 * @param highest index, or -1 before the first packet, which has roll-over counter 0
 * @returns -1 when the counter has run out
 */
export function guessIndex(highest: number, sequenceNumber: number): number {
  if (highest < 0) return sequenceNumber;
  const last = highest % SEQUENCE_NUMBERS;
  const start = highest - last;
  const index = start + sequenceNumber;
  if (last < MEDIAN) {
    const isBefore = sequenceNumber - last > MEDIAN && start > 0;
    return isBefore ? index - SEQUENCE_NUMBERS : index;
  }
  const isAfter = last - MEDIAN > sequenceNumber;
  if (!isAfter) return index;
  return index + SEQUENCE_NUMBERS > HIGHEST_INDEX ? -1 : index + SEQUENCE_NUMBERS;
}
