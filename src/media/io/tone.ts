// A tone on its way to one party, which goes on hearing the other one: added to G.711 as it passes (ITU-T G.711).
//
// What passes keeps its own headers, so that the party notices nothing of it but the tone. While nothing passes, be it silence, hold
// or another codec, the tone comes in packets of our own (see own-stream.ts), and an encoding that nothing can be added to is left
// out for that time.
import { ALAW_TO_LINEAR, encodeAlaw, encodeMulaw, MULAW_TO_LINEAR } from '../../rtp/g711.ts';
import { RTP_HEADER_BYTES, rtpHeaderLength, rtpPayloadEnd, rtpPayloadType } from '../../rtp/header.ts';
import type { Law, Sound } from '../sound.ts';
import { MOST_LATE_MS, type OwnStream, PACKET_BYTES, PACKET_MS, SILENCE } from './own-stream.ts';
import type { Playing } from './pacer.ts';

/** How long a packet of the other party is waited for, in milliseconds: longer than any ptime of G.711 in use. */
const PATIENCE_MS = 65;
const LARGEST_PACKET = 65536;
const TABLES: Record<Law, Int16Array> = { PCMU: MULAW_TO_LINEAR, PCMA: ALAW_TO_LINEAR };

/** The last packet that a tone was added to, from 0 on: of use until the next one. */
export const mixed: Buffer = Buffer.alloc(LARGEST_PACKET);
/** Results of {@link Tone.mix} that are no length: nothing is to be added; the packet must not go on. */
export const UNTOUCHED = -1;
export const LEFT_OUT = -2;

/** What is to be played, and what it is added to. */
export interface TonePlayback {
  sound: Sound;
  /** Of packets of our own: the law of the sound, as the party's description binds it. */
  payloadType: number;
  /** What the party is sent in G.711. */
  laws: readonly { payloadType: number; law: Law }[];
  /** Payload types of voice that is no G.711. */
  others: readonly number[];
  /** It goes into the copies as well, where the other party's voice is. */
  isRecorded: boolean;
}

export class Tone implements Playing {
  readonly isRecorded: boolean;
  readonly #sound: Sound;
  readonly #payloadType: number;
  readonly #laws: ReadonlyMap<number, Law>;
  readonly #others: ReadonlySet<number>;
  readonly #stream: OwnStream;
  readonly #put: (packet: Buffer) => void;
  readonly #onEnd: () => void;
  #position = 0;
  /** A packet has passed since the last turn. */
  #isHeard = false;
  #quietSince = Number.NaN;
  #dueAt = Number.NaN;

  /** @param put sends one packet of our own, which it must not keep */
  constructor(playback: TonePlayback, stream: OwnStream, put: (packet: Buffer) => void, onEnd: () => void) {
    this.#sound = playback.sound;
    this.#payloadType = playback.payloadType;
    this.isRecorded = playback.isRecorded;
    this.#laws = new Map(playback.laws.map(({ payloadType, law }) => [payloadType, law]));
    this.#others = new Set(playback.others);
    this.#stream = stream;
    this.#put = put;
    this.#onEnd = onEnd;
  }

  /** Adds what is due to an RTP packet for the party. @returns the length of {@link mixed}, {@link UNTOUCHED} or {@link LEFT_OUT} */
  mix(bytes: Buffer, start: number, end: number): number {
    const payloadType = rtpPayloadType(bytes, start);
    const law = this.#laws.get(payloadType);
    if (law === undefined) return this.#others.has(payloadType) ? LEFT_OUT : UNTOUCHED;
    this.#isHeard = true;
    const left = this.#sound.bytes.length - this.#position;
    if (left <= 0) return UNTOUCHED;
    bytes.copy(mixed, 0, start, end);
    const from = rtpHeaderLength(bytes, start);
    const count = Math.min(left, rtpPayloadEnd(bytes, start, end) - start - from);
    this.#add(law, from, count);
    return end - start;
  }

  #add(law: Law, from: number, count: number): void {
    const { bytes, law: ownLaw } = this.#sound;
    const voice = TABLES[law];
    const tone = TABLES[ownLaw];
    for (let at = 0; at < count; at += 1) {
      const sum = (voice[mixed[from + at] ?? 0] ?? 0) + (tone[bytes[this.#position + at] ?? 0] ?? 0);
      const sample = Math.max(-32768, Math.min(32767, sum));
      mixed[from + at] = law === 'PCMU' ? encodeMulaw(sample) : encodeAlaw(sample);
    }
    this.#position += Math.max(0, count);
  }

  advance(now: number): boolean {
    if (this.#isHeard || Number.isNaN(this.#quietSince)) this.#quietSince = now;
    if (this.#isHeard) this.#dueAt = Number.NaN;
    this.#isHeard = false;
    if (now - this.#quietSince >= PATIENCE_MS) this.#speak(now);
    if (this.#position < this.#sound.bytes.length || this.#dueAt > now) return true;
    this.#onEnd();
    return false;
  }

  #speak(now: number): void {
    if (Number.isNaN(this.#dueAt)) {
      this.#stream.begin(now);
      this.#dueAt = now;
    }
    if (now - this.#dueAt > MOST_LATE_MS) this.#dueAt = now;
    const { bytes, law } = this.#sound;
    const { packet } = this.#stream;
    while (this.#dueAt <= now && this.#position < bytes.length) {
      packet.fill(SILENCE[law], RTP_HEADER_BYTES);
      bytes.copy(packet, RTP_HEADER_BYTES, this.#position, this.#position + PACKET_BYTES);
      this.#put(this.#stream.next(this.#payloadType, now));
      this.#position += PACKET_BYTES;
      this.#dueAt += PACKET_MS;
    }
  }
}
