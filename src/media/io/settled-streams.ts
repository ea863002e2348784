// Streams that have settled: what becomes of the next packet is known, and stands in one place.
//
// What a packet costs besides the kernel's work is finding out what is to become of it: from some twenty objects of its call, none of which is in
// the processor's cache any more when a thousand calls take turns. So once a packet of a plain RTP stream has gone the long way (port.ts), all
// that the way led to is noted in two lines of the cache: the source, the first two bytes, the capture's header, and whose socket it leaves
// by. The next one that has the same source, first bytes and length is copied and sent on by these alone. Whatever may change the
// way of a packet unsettles its stream first, and every packet that is not like the one before goes the long way.
import type { Endpoint, FlowHeader } from '../../spool/pcap.ts';
import type { EngineCounters, TapChannel } from './engine.ts';
import type { Region } from './region.ts';
import { AF_INET, SOCKADDR_BYTES, writeSocketAddress } from './socket-address.ts';

/** Of a stream, in 32-bit words: what is known of it, and from `HEADER` on the beginning of a record. */
const STREAM_WORDS = 32;
const IS_SETTLED = 0;
/** As struct sockaddr_in has family and port, and the address. */
const SOURCE_PORT = 1;
const SOURCE_ADDRESS = 2;
/** The first two bytes of its packets, without the marker. */
const FIRST_BYTES = 3;
const LENGTH = 4;
const TO_SLOT = 5;
const TO_FD = 6;
/** Where the words of its tap begin; 0 for none. */
const TAP = 7;
const TAP_LIFE = 8;
const CHANNEL = 9;
/** What has come since it was counted last, and when. */
const PACKETS = 10;
const BYTES = 11;
const SECONDS = 12;
const MICROS = 13;
const HEADER = 16;
/** Of an IPv4 record: its own 16 bytes, IPv4 and UDP. */
const HEADER_WORDS = 11;

/** Of a tap: where its next record goes in the region, where its memory ends, the packets in it by channel, and which of the taps that had this place. */
const TAP_WORDS = 16;
export const TAP_POSITION = 0;
export const TAP_END = 1;
export const TAP_PACKETS = 2;
const TAP_LIVES = 4;
const MOST_TAPS = 1 << 15;

/** Version 2 without padding, extension or sources (RFC 3550 section 5.1), and any payload type. */
const PLAIN = 0x80;
const FIRST_MASK = 0x7fff;
/** Counts are taken off before they overflow. */
const MOST_PACKETS = 1 << 20;

/** What becomes of the packets of a stream. */
export interface Settlement {
  source: Endpoint;
  payloadType: number;
  /** Of a packet, in bytes. */
  length: number;
  counters: EngineCounters;
  /** How they are copied; the header is prepared for that length. */
  copy: { flow: FlowHeader; tap: TapPlace; channel: TapChannel } | undefined;
  /** The socket that they leave by, which is connected. */
  to: Way;
}

/** A socket as its engine knows it. */
export interface Way {
  slot: number;
  fd: number;
}

/** Where a tap keeps what it is filling. */
export interface TapPlace {
  readonly words: Int32Array;
  /** Where its own words begin. */
  readonly at: number;
  /** Streams that were settled with it are not any more. */
  release(): void;
}

/** For a tap whose engine has no settled streams. */
export function lonelyTapPlace(): TapPlace {
  return { words: new Int32Array(TAP_WORDS), at: 0, release: () => undefined };
}

/** The stream that arrives at one socket. */
export class SettledStream {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #streams: SettledStreams;

  constructor(streams: SettledStreams, at: number) {
    this.#streams = streams;
    this.#words = streams.words;
    this.#at = at;
    this.#words.fill(0, at, at + STREAM_WORDS);
  }

  get isSettled(): boolean {
    return this.#words[this.#at + IS_SETTLED] === 1;
  }

  /** It goes on in the same way with packets of another kind. @param flow prepared for that length, if the stream is copied */
  adjust(payloadType: number, length: number, flow: FlowHeader): void {
    const words = this.#words;
    const at = this.#at;
    words[at + FIRST_BYTES] = PLAIN | (payloadType << 8);
    if (words[at + LENGTH] === length) return;
    words[at + LENGTH] = length;
    const header = flow.words;
    if (words[at + TAP] === 0) return;
    for (let index = 0; index < HEADER_WORDS; index += 1) words[at + HEADER + index] = header[index] ?? 0;
  }

  settle(settlement: Settlement): void {
    this.#streams.settle(this.#at, settlement);
  }

  unsettle(): void {
    this.#words[this.#at + IS_SETTLED] = 0;
  }

  /** Adds what has come to these counts. */
  countInto(counted: { packets: number; bytes: number; lastAt: number }): void {
    const words = this.#words;
    const at = this.#at;
    const packets = words[at + PACKETS] ?? 0;
    if (packets === 0) return;
    counted.packets += packets;
    counted.bytes += words[at + BYTES] ?? 0;
    counted.lastAt = Math.max(counted.lastAt, (words[at + SECONDS] ?? 0) * 1e6 + (words[at + MICROS] ?? 0));
    words[at + PACKETS] = 0;
    words[at + BYTES] = 0;
  }
}

/** Those of one engine that receives into its own region. */
export class SettledStreams {
  readonly words: Int32Array;
  readonly #region: Region;
  readonly #streamsAt: number;
  readonly #tapsAt: number;
  readonly #freeTaps: number[] = [];
  #taps = 0;
  #counters: EngineCounters | undefined;
  readonly #addressAt: number;

  /** @param sockets the most that there may be, by their slots */
  constructor(region: Region, sockets: number) {
    this.#region = region;
    this.words = region.words;
    this.#streamsAt = region.take(sockets * STREAM_WORDS * 4) >> 2;
    this.#tapsAt = region.take(MOST_TAPS * TAP_WORDS * 4) >> 2;
    this.#addressAt = region.take(SOCKADDR_BYTES);
  }

  /** That of the socket of this slot, unsettled. */
  open(slot: number): SettledStream {
    return new SettledStream(this, this.#streamsAt + slot * STREAM_WORDS);
  }

  openTap(): TapPlace {
    const number = this.#freeTaps.pop() ?? this.#taps;
    if (number >= MOST_TAPS) return lonelyTapPlace();
    if (number === this.#taps) this.#taps += 1;
    const { words } = this;
    const at = this.#tapsAt + number * TAP_WORDS;
    words.fill(0, at, at + TAP_LIVES);
    const release = () => {
      words.fill(0, at, at + TAP_LIVES);
      words[at + TAP_LIVES] = (words[at + TAP_LIVES] ?? 0) + 1;
      this.#freeTaps.push(number);
    };
    return { words, at, release };
  }

  settle(at: number, { source, payloadType, length, counters, copy, to }: Settlement): void {
    const { words } = this;
    words[at + IS_SETTLED] = 0;
    const isOfOtherMemory = copy !== undefined && copy.tap.words !== words;
    if (isOfOtherMemory || copy?.flow.isV6 === true || !this.#putSource(at, source)) return;
    words[at + FIRST_BYTES] = PLAIN | (payloadType << 8);
    words[at + LENGTH] = length;
    words[at + TO_SLOT] = to.slot;
    words[at + TO_FD] = to.fd;
    words[at + TAP] = copy?.tap.at ?? 0;
    words[at + TAP_LIFE] = copy === undefined ? 0 : (words[copy.tap.at + TAP_LIVES] ?? 0);
    words[at + CHANNEL] = copy?.channel ?? 0;
    if (copy !== undefined) words.set(copy.flow.words, at + HEADER);
    this.#counters = counters;
    words[at + IS_SETTLED] = 1;
  }

  /** @returns false for a source that is not of IPv4 */
  #putSource(at: number, source: Endpoint): boolean {
    const { words } = this;
    const place = this.#addressAt >> 2;
    writeSocketAddress(this.#region.bytes, this.#addressAt, source);
    words[at + SOURCE_PORT] = words[place] ?? 0;
    words[at + SOURCE_ADDRESS] = words[place + 1] ?? 0;
    return ((words[place] ?? 0) & 0xffff) === AF_INET;
  }

  /**
   * Copies and counts a packet, if it is of a settled stream and like the one before. Allocates nothing.
   * @param slot of the socket at which it came
   * @param sourceAt where the address that it came from lies in the region
   * @returns the stream, for {@link slotOf} and {@link fdOf}; -1 when it must go the long way
   */
  take(slot: number, sourceAt: number, start: number, end: number, seconds: number, micros: number): number {
    const { words } = this;
    const at = this.#streamsAt + slot * STREAM_WORDS;
    const counters = this.#counters;
    const packet = start >> 2;
    if (
      counters === undefined ||
      words[at + IS_SETTLED] !== 1 ||
      words[at + SOURCE_PORT] !== words[sourceAt >> 2] ||
      words[at + SOURCE_ADDRESS] !== words[(sourceAt >> 2) + 1] ||
      words[at + LENGTH] !== end - start ||
      words[at + FIRST_BYTES] !== ((words[packet] ?? 0) & FIRST_MASK) ||
      (words[at + PACKETS] ?? 0) >= MOST_PACKETS
    )
      return -1;
    if (words[at + TAP] !== 0) {
      const copied = this.#copy(at, packet, end - start, seconds, micros);
      if (copied === 0) return -1;
      counters.recorded += 1;
      counters.recordedBytes += copied;
    }
    words[at + PACKETS] = (words[at + PACKETS] ?? 0) + 1;
    words[at + BYTES] = (words[at + BYTES] ?? 0) + (end - start);
    words[at + SECONDS] = seconds;
    words[at + MICROS] = micros;
    counters.relayed += 1;
    return at;
  }

  /** @returns the length of the record; 0 when there is no room for it where the tap is */
  #copy(at: number, packet: number, length: number, seconds: number, micros: number): number {
    const { words } = this;
    const tap = words[at + TAP] ?? 0;
    const position = words[tap + TAP_POSITION] ?? 0;
    const size = 4 * HEADER_WORDS + length;
    if (words[tap + TAP_LIVES] !== words[at + TAP_LIFE] || (position & 3) !== 0) return 0;
    if (position + size > (words[tap + TAP_END] ?? 0)) return 0;
    const record = position >> 2;
    words[record] = seconds;
    words[record + 1] = micros;
    for (let index = 2; index < HEADER_WORDS; index += 1)
      words[record + index] = words[at + HEADER + index] ?? 0;
    const payload = record + HEADER_WORDS;
    // Up to three bytes more: they are written over, or not written out.
    const count = (length + 3) >> 2;
    for (let index = 0; index < count; index += 1) words[payload + index] = words[packet + index] ?? 0;
    words[tap + TAP_POSITION] = position + size;
    const counted = tap + TAP_PACKETS + (words[at + CHANNEL] ?? 0);
    words[counted] = (words[counted] ?? 0) + 1;
    return size;
  }

  slotOf(stream: number): number {
    return this.words[stream + TO_SLOT] ?? 0;
  }

  fdOf(stream: number): number {
    return this.words[stream + TO_FD] ?? 0;
  }
}
