// Datagrams that came in one turn of the event loop with more work than a turn has room for: they wait here, in order.
import type { Turns } from './turns.ts';
import type { Peer } from './user-agent-types.ts';

export interface Datagram {
  bytes: Buffer;
  peer: Peer;
  local: Peer;
}

/** Behind this much the peers' own retransmissions are of more use than what waits: bytes. */
const LONGEST_QUEUE = 4 * 1024 * 1024;
/** What a small datagram costs besides its bytes. */
const OVERHEAD = 500;

export class DatagramQueue {
  readonly #turns: Turns;
  readonly #handle: (datagram: Datagram) => void;
  readonly #onLost: () => void;
  #waiting: Datagram[] = [];
  #next = 0;
  #size = 0;

  /** @param handle must not throw */
  constructor(turns: Turns, handle: (datagram: Datagram) => void, onLost: () => void) {
    this.#turns = turns;
    this.#handle = handle;
    this.#onLost = onLost;
  }

  take(datagram: Datagram): void {
    if (this.#next === this.#waiting.length && !this.#turns.isOver) return this.#handle(datagram);
    if (this.#size > LONGEST_QUEUE) return this.#onLost();
    if (this.#next === this.#waiting.length) this.#turns.later(() => this.#work());
    this.#size += sizeOf(datagram);
    this.#waiting.push(datagram);
  }

  #work(): void {
    do {
      const datagram = this.#waiting[this.#next++];
      if (datagram === undefined) break;
      this.#size -= sizeOf(datagram);
      this.#handle(datagram);
    } while (!this.#turns.isOver);
    if (this.#next < this.#waiting.length) return this.#turns.later(() => this.#work());
    this.#waiting = [];
    this.#next = 0;
  }
}

function sizeOf({ bytes }: Datagram): number {
  return bytes.length + OVERHEAD;
}
