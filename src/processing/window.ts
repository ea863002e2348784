// The part of a recording's timeline that is being written: a ring of samples for its channels, of bounded size.
//
// Each lane, one party's audio in one call, is heard on one of the channels. Packets are written where they stand, in any order, within the window; what has left it is final and goes to the
// sink in order. So memory is a few megabytes however long the call, and the file is written once, from front to back.
import { endianness } from 'node:os';
import type { AudioPacket } from './rtp-clock.ts';

/** Samples of each channel in the ring, a power of two: 65 s at 8 kHz. */
const SIZE = 1 << 19;
const MASK = SIZE - 1;
/** How far behind the newest sample a late one can still be placed, in samples: 30 s. */
export const BEHIND = 240_000;

/** A packet whose bytes are samples each. */
export type LinearPacket = AudioPacket & { table: Int16Array };

export function isLinear(packet: AudioPacket): packet is LinearPacket {
  return packet.table !== undefined;
}

/** Takes interleaved little-endian PCM16 in order. The bytes are only valid until the promise resolves. */
export type Sink = (bytes: Buffer) => Promise<void>;

/** Where a lane is heard. Of two on one channel the lower rank, below 255, is heard; what was written first, if they are equal. */
export interface WindowLane {
  channel: number;
  /** Of a sample at this position. */
  rankAt(position: number): number;
}

const PLAIN: readonly WindowLane[] = [0, 1].map((channel) => ({ channel, rankAt: () => 0 }));

/** The memory of a window. Idle it is all zero. */
interface Ring {
  samples: Int16Array<ArrayBuffer>;
  /** Of each sample the rank that wrote it, plus 1. */
  writers: Uint8Array;
}

/** Rings that wait for the next recording: three fresh megabytes for each short call would be a daemon's largest garbage. */
const idleRings: Ring[] = [];
const MOST_IDLE = 4;

function newRing(channels: number): Ring {
  return { samples: new Int16Array(SIZE * channels), writers: new Uint8Array(SIZE * channels) };
}

export class TimelineWindow {
  readonly #sink: Sink;
  readonly #channels: number;
  readonly #lanes: readonly WindowLane[];
  readonly #ring: Ring;
  /** What lies before is final; undefined before the first packet. */
  #frontier: number | undefined;
  #start: number | undefined;
  /** The first sample that was written, final or not. */
  #first = Number.POSITIVE_INFINITY;
  #end = Number.NEGATIVE_INFINITY;
  /** Samples written of each lane, without gaps. */
  readonly present: number[];

  /** @param lanes left and right by default */
  constructor(sink: Sink, channels = 2, lanes = PLAIN) {
    this.#sink = sink;
    this.#channels = channels;
    this.#lanes = lanes;
    this.present = lanes.map(() => 0);
    this.#ring = (channels === 2 ? idleRings.pop() : undefined) ?? newRing(channels);
  }

  /** The first sample of either channel, on the timeline; undefined while there is none that is final. */
  get start(): number | undefined {
    return this.#start;
  }

  /** After the last sample of either channel, on the timeline. */
  get end(): number {
    return this.#end;
  }

  /** Whether {@link write} has room; otherwise {@link advance} first. */
  fits({ position, payload }: LinearPacket): boolean {
    return this.hasRoom(position + payload.length);
  }

  /** The same for what ends before `end`. */
  hasRoom(end: number): boolean {
    return this.#frontier === undefined || end <= this.#frontier + SIZE;
  }

  /**
   * The window begins with the first packet that is told of, though its samples come later.
   * @returns false when samples at this position come too late
   */
  begin(position: number): boolean {
    this.#frontier ??= position - BEHIND;
    return position >= this.#frontier;
  }

  /**
   * Writes a packet's samples where they stand; where two overlap the first one written stays.
   * @returns false when all of it comes too late, and is dropped
   */
  write({ position, payload, table, channel }: LinearPacket): boolean {
    if (!this.begin(position)) return false;
    const lane = this.#lanes[channel] ?? PLAIN[0];
    const [on, writer] = [lane?.channel ?? 0, (lane?.rankAt(position) ?? 0) + 1];
    const { samples, writers } = this.#ring;
    let present = 0;
    for (let index = 0; index < payload.length; index += 1) {
      const slot = ((position + index) & MASK) * this.#channels + on;
      const known = writers[slot] ?? 0;
      if (known !== 0 && known <= writer) continue;
      writers[slot] = writer;
      samples[slot] = table[payload[index] ?? 0] ?? 0;
      present += 1;
    }
    this.#count(channel, present, { on, position, length: payload.length });
    return true;
  }

  /** The same for samples that were decoded; there is room when {@link hasRoom} has said so for their frame. */
  writeSamples(channel: number, position: number, samples: Int16Array): boolean {
    if (!this.begin(position) || !this.hasRoom(position + samples.length)) return false;
    const lane = this.#lanes[channel] ?? PLAIN[0];
    const [on, writer] = [lane?.channel ?? 0, (lane?.rankAt(position) ?? 0) + 1];
    const { samples: written, writers } = this.#ring;
    let present = 0;
    for (const [index, sample] of samples.entries()) {
      const slot = ((position + index) & MASK) * this.#channels + on;
      const known = writers[slot] ?? 0;
      if (known !== 0 && known <= writer) continue;
      writers[slot] = writer;
      written[slot] = sample;
      present += 1;
    }
    this.#count(channel, present, { on, position, length: samples.length });
    return true;
  }

  /** @param on the channel of the file */
  #count(
    lane: number,
    present: number,
    { on, position, length }: { on: number; position: number; length: number },
  ): void {
    this.present[lane] = (this.present[lane] ?? 0) + present;
    if (present === 0) return;
    this.#first = Math.min(this.#first, position);
    this.#end = Math.max(this.#end, position + length);
    this.#mend(on, position - 1);
    this.#mend(on, position + length);
  }

  /** A single sample that is missing between two is what a step of a slow clock leaves, and no silence: it would be a click. */
  #mend(on: number, position: number): void {
    const frontier = this.#frontier ?? position;
    if (position <= frontier || position + 1 >= frontier + SIZE) return;
    const { samples, writers } = this.#ring;
    const slotAt = (at: number) => (at & MASK) * this.#channels + on;
    const [before, slot, after] = [slotAt(position - 1), slotAt(position), slotAt(position + 1)];
    if (writers[slot] !== 0 || writers[before] === 0 || writers[after] === 0) return;
    samples[slot] = ((samples[before] ?? 0) + (samples[after] ?? 0)) >> 1;
  }

  /** Makes room for a packet: what stands more than 30 s before it becomes final. */
  async advance({ position }: { position: number }): Promise<void> {
    await this.#finalize(position - BEHIND);
  }

  /**
   * Makes all samples final, up to the last one. Nothing may be written after that.
   * @param until silence follows up to here, if it is later
   */
  async finish(until = Number.NEGATIVE_INFINITY): Promise<void> {
    await this.#finalize(this.#end);
    if (this.#start !== undefined) await this.#finalize(Math.max(until, this.#end));
    // Every sample has been emitted, so the ring is all zero again; one whose sink failed is left to the collector.
    if (this.#channels === 2 && idleRings.length < MOST_IDLE) idleRings.push(this.#ring);
  }

  async #finalize(to: number): Promise<void> {
    if (this.#frontier === undefined) return;
    if (this.#first < to) this.#start ??= this.#first;
    const from = Math.max(this.#frontier, this.#start ?? to);
    for (let at = from; at < to; ) {
      const slot = at & MASK;
      const length = Math.min(SIZE - slot, to - at);
      await this.#emit(slot * this.#channels, (slot + length) * this.#channels);
      at += length;
    }
    this.#frontier = Math.max(this.#frontier, to);
  }

  async #emit(from: number, to: number): Promise<void> {
    const samples = this.#ring.samples.subarray(from, to);
    const bytes = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
    if (endianness() === 'BE') bytes.swap16();
    await this.#sink(bytes);
    samples.fill(0);
    this.#ring.writers.fill(0, from, to);
  }
}
