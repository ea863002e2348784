// Datagrams that came in one turn of the event loop with more work than a turn has room for: they wait here, in order.
import type { Turns } from './turns.ts';
import type { Flow } from './user-agent-types.ts';

interface Datagram {
  bytes: Buffer;
  flow: Flow;
}

/** Behind this much the peers' own retransmissions are of more use than what waits: bytes. */
const LONGEST_QUEUE = 4 * 1024 * 1024;
/** What a small datagram costs besides its bytes. */
const OVERHEAD = 500;

export class DatagramQueue {
  readonly #turns: Turns;
  readonly #handle: (bytes: Buffer, flow: Flow) => void;
  readonly #onLost: () => void;
  #waiting: Datagram[] = [];
  #next = 0;
  #size = 0;

  /** @param handle must not throw */
  constructor(turns: Turns, handle: (bytes: Buffer, flow: Flow) => void, onLost: () => void) {
    this.#turns = turns;
    this.#handle = handle;
    this.#onLost = onLost;
  }

  take(bytes: Buffer, flow: Flow): void {
    if (this.#next === this.#waiting.length && !this.#turns.isOver) return this.#handle(bytes, flow);
    if (this.#size > LONGEST_QUEUE) return this.#onLost();
    if (this.#next === this.#waiting.length) this.#turns.later(() => this.#work());
    this.#size += bytes.length + OVERHEAD;
    // What it was read into is the next one's.
    this.#waiting.push({ bytes: Buffer.from(bytes), flow });
  }

  #work(): void {
    do {
      const datagram = this.#waiting[this.#next++];
      if (datagram === undefined) break;
      this.#size -= datagram.bytes.length + OVERHEAD;
      this.#handle(datagram.bytes, datagram.flow);
    } while (!this.#turns.isOver);
    if (this.#next < this.#waiting.length) return this.#turns.later(() => this.#work());
    this.#waiting = [];
    this.#next = 0;
  }
}
