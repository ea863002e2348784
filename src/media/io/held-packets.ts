// Packets that are kept while it is not known whose they are: the party's, perhaps, which then lost nothing (see latch.ts).
import type { Endpoint } from '../../spool/pcap.ts';

/** Over a second of one source. */
const MOST_HELD = 64;
/** Larger ones, uncompressed stereo, are not kept, so that strangers cannot fill the memory. */
const LARGEST_HELD_BYTES = 2048;

export interface HeldPacket extends Endpoint {
  bytes: Buffer;
  seconds: number;
  micros: number;
}

export class HeldPackets {
  #held: HeldPacket[] = [];

  /** Keeps a copy of one. @returns how many are given up for it: one, when there are too many or it is too large */
  hold(
    bytes: Buffer,
    start: number,
    end: number,
    seconds: number,
    micros: number,
    address: string,
    port: number,
  ): number {
    if (end - start > LARGEST_HELD_BYTES) return 1;
    this.#held.push({ bytes: Buffer.from(bytes.subarray(start, end)), seconds, micros, address, port });
    if (this.#held.length <= MOST_HELD) return 0;
    this.#held.shift();
    return 1;
  }

  /** All of them, in the order in which they came; there are none any more. */
  takeAll(): HeldPacket[] {
    return this.#held.splice(0);
  }
}
