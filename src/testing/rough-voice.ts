// A voice by a clock and over a network that are not what they should be: drift, loss, reordering, duplicates, silence suppression,
// codec changes and new sources, all from a seed, and a diary of every packet (RFC 3550, RFC 3551 section 4.5.14).
import type { Random } from '../sip/fuzz.ts';
import { buildRtpPacket } from './packets.ts';

/** Samples of one packet: 20 ms of G.711. */
export const PACKET_SAMPLES = 160;
const PACKET_US = 20_000;
/** Packets: 600 ms. */
const MOST_STALLED = 30;

/** What is wrong with it. */
export interface Roughness {
  /** By how many parts in a million its clock is fast. */
  ppm: number;
  /** Of all packets: how many begin a row of lost ones, come late, come twice; in percent. */
  lossPercent: number;
  reorderPercent: number;
  duplicatePercent: number;
  /** How many begin a stall of the network, which lets nothing through for a while, and then all at once. */
  stallPercent: number;
  /** The same of those with which it falls silent, changes its codec, or goes on as another source. */
  silencePercent: number;
  codecPercent: number;
  sourcePercent: number;
  /** G.711: 0 PCMU, 8 PCMA; both when it may change. */
  payloadTypes: readonly number[];
}

/** One packet's worth of speech. */
export interface SaidPacket {
  number: number;
  /** When its first sample was spoken, by the wall: microseconds since 1970. */
  at: number;
  /** When it left; undefined when it never did. */
  sentAt: number | undefined;
  payloadType: number;
  /** Each source of the voice has a number. */
  source: number;
  /** By the network, or because nobody wanted it any more when it was to leave. */
  lost: boolean;
  isTwice: boolean;
}

export interface RoughVoiceOptions {
  /** Names what it says: no two seeds say the same. */
  seed: number;
  roughness: Roughness;
  random: Random;
  /** Whether the other side wants to hear it. */
  mayReceive(): boolean;
  send(packet: Buffer): void;
  /** Microseconds since 1970, for the diary: on a machine without time a packet leaves later than its turn began. */
  now?(): number;
}

interface Delayed {
  packet: Buffer;
  /** Leaves when the voice has come to this packet. */
  until: number;
  said: SaidPacket | undefined;
}

export class RoughVoice {
  /** In the order of speech; what nobody wanted to hear is not in it. */
  readonly said: SaidPacket[] = [];
  readonly seed: number;
  readonly #options: RoughVoiceOptions;
  /** Length of a packet by the wall: a fast clock's are short. */
  readonly #packetUs: number;
  #beganAt: number | undefined;
  #next = 0;
  #source = { ssrc: 0, sequenceNumber: 0, timestamp: 0 };
  #sources = 0;
  #payloadType: number;
  #delayed: Delayed[] = [];
  #losing = 0;
  #silent = 0;
  /** The network lets nothing through before this packet. */
  #stalledUntil = 0;
  #isMuted = false;

  constructor(options: RoughVoiceOptions) {
    this.#options = options;
    this.seed = options.seed;
    this.#packetUs = PACKET_US / (1 + options.roughness.ppm / 1e6);
    this.#payloadType = options.random.pick(options.roughness.payloadTypes);
    this.#source = this.#newSource();
  }

  /** Somewhere in the counters' ranges, often shortly before their ends. */
  #newSource() {
    const { random } = this.#options;
    const near = random.chance(30) ? 100 : 0x7fff;
    const ssrc = 1 + random.below(0xffff_fffe);
    const sequenceNumber = 0xffff - random.below(near);
    const timestamp = 0xffff_ffff - random.below(near) * PACKET_SAMPLES - this.#next * PACKET_SAMPLES;
    return { ssrc, sequenceNumber, timestamp };
  }

  /** Sends what is due. @param now microseconds since 1970 */
  tick(now: number): void {
    this.#beganAt ??= now;
    for (; this.#beganAt + this.#next * this.#packetUs <= now; this.#next += 1)
      this.#speak(this.#beganAt + this.#next * this.#packetUs, now);
  }

  /** Falls silent as silence suppression does: its clock goes on. */
  mute(isMuted = true): void {
    this.#isMuted = isMuted;
  }

  /** What has not left yet is lost. */
  stop(): void {
    for (const { said } of this.#delayed) if (said !== undefined) said.lost = true;
    this.#delayed = [];
  }

  #speak(at: number, now: number): void {
    const { random, roughness, mayReceive } = this.#options;
    // The same draws for each packet, whatever becomes of it: the seed tells the fate of packet N.
    const [falls, changes, moves, loses, waits, doubles, stalls] = [
      draw(random, roughness.silencePercent),
      draw(random, roughness.codecPercent),
      draw(random, roughness.sourcePercent),
      draw(random, roughness.lossPercent),
      draw(random, roughness.reorderPercent),
      draw(random, roughness.duplicatePercent),
      draw(random, roughness.stallPercent),
    ];
    const [length, row, lateness, pick] = [
      5 + random.below(45),
      1 + random.below(5),
      1 + random.below(3),
      random.below(1000),
    ];
    const { payloadTypes } = roughness;
    if (changes) this.#payloadType = payloadTypes[pick % payloadTypes.length] ?? this.#payloadType;
    if (this.#silent > 0) this.#silent -= 1;
    else if (falls) this.#silent = length;
    // Two sources never speak at once: a step of the clock between them would hide samples.
    if (stalls)
      this.#stalledUntil = Math.max(this.#stalledUntil, this.#next + Math.min(length, MOST_STALLED));
    // Of a source that is held up as a whole nobody can tell when it spoke.
    if (moves && this.#stalledUntil <= this.#next) {
      [this.#source, this.#silent] = [this.#newSource(), Math.max(this.#silent, 5)];
      this.#sources += 1;
    }
    if (!this.#isMuted && this.#silent === 0 && mayReceive())
      this.#put(at, now, { lost: this.#loses(loses, row), lateness: waits ? lateness : 0, isTwice: doubles });
    this.#sendDelayed(now);
  }

  #loses(begins: boolean, row: number): boolean {
    if (begins && this.#losing === 0) this.#losing = row;
    if (this.#losing === 0) return false;
    this.#losing -= 1;
    return true;
  }

  #put(at: number, now: number, fate: { lost: boolean; lateness: number; isTwice: boolean }): void {
    const { lost, lateness, isTwice } = fate;
    const number = this.#next;
    const said: SaidPacket = {
      number,
      at,
      sentAt: undefined,
      payloadType: this.#payloadType,
      source: this.#sources,
      lost,
      isTwice,
    };
    this.said.push(said);
    const packet = this.#build(number);
    if (lost) return;
    const until = Math.max(number, this.#stalledUntil) + lateness;
    if (until > number) this.#delayed.push({ packet, until, said });
    else this.#send(packet, said, now);
    if (isTwice) this.#delayed.push({ packet, until: until + 1, said: undefined });
  }

  #build(number: number): Buffer {
    const source = this.#source;
    const { ssrc, sequenceNumber } = source;
    source.sequenceNumber = (sequenceNumber + 1) & 0xffff;
    const timestamp = (source.timestamp + number * PACKET_SAMPLES) >>> 0;
    const payload = speechOf(this.seed, number);
    return buildRtpPacket({ payloadType: this.#payloadType, sequenceNumber, timestamp, ssrc, payload });
  }

  #sendDelayed(now: number): void {
    if (this.#delayed.length === 0) return;
    const due = this.#delayed.filter(({ until }) => until <= this.#next);
    this.#delayed = this.#delayed.filter(({ until }) => until > this.#next);
    for (const { packet, said } of due) this.#send(packet, said, now);
  }

  #send(packet: Buffer, said: SaidPacket | undefined, now: number): void {
    const isWanted = this.#options.mayReceive();
    if (isWanted) this.#options.send(packet);
    if (said === undefined) return;
    if (isWanted) said.sentAt = this.#options.now?.() ?? now;
    else said.lost = true;
  }
}

function draw(random: Random, percent: number): boolean {
  return random.fraction() * 100 < percent;
}

/** The companded bytes of a packet: unlike those of any other seed or number (xorshift). */
export function speechOf(seed: number, number: number): Buffer {
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(number + 1, 0xc2b2ae35)) >>> 0 || 1;
  const bytes = Buffer.allocUnsafe(PACKET_SAMPLES);
  for (let at = 0; at < PACKET_SAMPLES; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state | 0, at);
  }
  return bytes;
}
