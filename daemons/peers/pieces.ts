// Which packets of what was said stand in a recorded channel, and where: for audio that holds, pauses and outages have cut.
import { toLinear } from '../../src/testing/dialogue.ts';

/** Samples of 20 ms at 8 kHz. */
const PACKET = 160;
/** So many samples tell one packet of noise from every other one. */
const MARK = 8;
/** Packets that are missing make a new piece. */
const GAP = 5;

interface Found {
  /** Of the packet in what was said. */
  index: number;
  /** Sample of the channel. */
  at: number;
}

function* find(channel: Int16Array, said: Uint8Array): Generator<Found> {
  const linear = toLinear(said);
  const places = new Map<string, number>();
  for (let at = 0; at + PACKET <= linear.length; at += PACKET)
    places.set(String(linear.subarray(at, at + MARK)), at / PACKET);
  for (let at = 0; at + MARK <= channel.length; at += 1) {
    const index = places.get(String(channel.subarray(at, at + MARK)));
    if (index !== undefined) yield { index, at };
  }
}

/** Which packets of `said` stand in the channel, by their index, and whether each is where the others say that it must be. */
export function packetsIn(channel: Int16Array, said: Uint8Array): { found: number[]; isTrueToTime: boolean } {
  const all = [...find(channel, said)];
  const offsets = new Set(all.map(({ index, at }) => at - index * PACKET));
  return { found: all.map(({ index }) => index), isTrueToTime: offsets.size === 1 };
}

/** How many stretches of what was said stand in the channel, with something missing between them. */
export function piecesIn(channel: Int16Array, said: Uint8Array): number {
  let pieces = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (const { index } of find(channel, said)) {
    if (index - last > GAP) pieces += 1;
    last = index;
  }
  return pieces;
}
