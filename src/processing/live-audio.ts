// Audio that is listened to while it is spoken: samples stand where RTP's clock puts them, without looking ahead. Pure.
//
// The recording places packets by all that comes within a second (rtp-clock.ts); a listener cannot wait for so long. The first
// packet of a source stands where it arrived, those behind it where their timestamps say, and where the two disagree by more
// than a fifth of a second the source is placed anew.
import { endianness } from 'node:os';
import type { PayloadKind } from './stream-map.ts';

export const LIVE_SAMPLE_RATE = 8000;
const CHANNELS = 2;
const FRAME_BYTES = CHANNELS * 2;
/** Samples of each channel that are held, a power of two: 8 s. */
const SIZE = 1 << 16;
const MASK = SIZE - 1;
/** Samples by which timestamps and arrival may disagree. */
const MOST_DISAGREEMENT = 1600;
const MOST_SOURCES = 16;

export interface LivePacket {
  channel: 0 | 1;
  /** Arrival, microseconds since 1970. */
  at: number;
  ssrc: number;
  timestamp: number;
  kind: PayloadKind;
  payload: Uint8Array;
}

export class LiveAudio {
  readonly #origin: number;
  readonly #samples = new Int16Array(SIZE * CHANNELS);
  readonly #sources = new Map<string, { position: number; timestamp: number }>();
  /** What lies before has been given out; in samples since the origin. */
  #frontier = 0;

  /** @param origin where it begins, microseconds since 1970 */
  constructor(origin: number) {
    this.#origin = origin;
  }

  /** Up to where it has been given out, microseconds since 1970. */
  get playedTo(): number {
    return this.#origin + (this.#frontier * 1e6) / LIVE_SAMPLE_RATE;
  }

  /** Places a packet; what comes too late, or too early to be held, is left out. */
  add({ channel, at, ssrc, timestamp, kind, payload }: LivePacket): void {
    if (kind.kind !== 'audio') return;
    const position = this.#place(`${channel} ${ssrc}`, this.#at(at), timestamp);
    for (let index = 0; index < payload.length; index += 1) {
      const sample = position + index;
      if (sample < this.#frontier || sample >= this.#frontier + SIZE) continue;
      this.#samples[(sample & MASK) * CHANNELS + channel] = kind.table[payload[index] ?? 0] ?? 0;
    }
  }

  #place(source: string, arrival: number, timestamp: number): number {
    const last = this.#sources.get(source);
    const stated = last === undefined ? arrival : last.position + ((timestamp - last.timestamp) | 0);
    const position = Math.abs(stated - arrival) > MOST_DISAGREEMENT ? arrival : stated;
    if (last === undefined && this.#sources.size >= MOST_SOURCES) this.#sources.clear();
    this.#sources.set(source, { position, timestamp });
    return position;
  }

  /** The samples up to `until` (microseconds since 1970) as interleaved little-endian PCM16, at most 4 s of them. */
  take(until: number): Buffer {
    const count = Math.min(SIZE / 2, Math.max(0, this.#at(until) - this.#frontier));
    const bytes = Buffer.alloc(count * FRAME_BYTES);
    const out = new Int16Array(bytes.buffer, bytes.byteOffset, count * CHANNELS);
    for (let index = 0; index < count; index += 1) {
      const slot = ((this.#frontier + index) & MASK) * CHANNELS;
      for (let channel = 0; channel < CHANNELS; channel += 1) {
        out[index * CHANNELS + channel] = this.#samples[slot + channel] ?? 0;
        this.#samples[slot + channel] = 0;
      }
    }
    this.#frontier += count;
    return endianness() === 'BE' ? bytes.swap16() : bytes;
  }

  /** Passes over what nobody has listened to. */
  skipTo(at: number): void {
    const frontier = this.#at(at);
    if (frontier <= this.#frontier) return;
    this.#samples.fill(0);
    this.#frontier = frontier;
  }

  #at(at: number): number {
    return Math.floor(((at - this.#origin) * LIVE_SAMPLE_RATE) / 1e6);
  }
}
