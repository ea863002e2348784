// A sound on its way to one party, packet by packet, in place of what the other one says.
import { RTP_HEADER_BYTES } from '../../rtp/header.ts';
import type { Sound } from '../sound.ts';
import { MOST_LATE_MS, type OwnStream, PACKET_BYTES, PACKET_MS, SILENCE } from './own-stream.ts';
import type { Playing } from './pacer.ts';

/** What is to be played. */
export interface Playback {
  sound: Sound;
  /** As the party's description binds the law of the sound. */
  payloadType: number;
  /** Samples at the beginning of the first time that are passed over. */
  startAt: number;
  /** How often, at least once. */
  times: number;
}

export class Player implements Playing {
  readonly #playback: Playback;
  readonly #stream: OwnStream;
  readonly #put: (packet: Buffer) => void;
  readonly #onEnd: () => void;
  #position: number;
  readonly #end: number;
  #dueAt = Number.NaN;

  /** @param put sends one packet, which it must not keep */
  constructor(playback: Playback, stream: OwnStream, put: (packet: Buffer) => void, onEnd: () => void) {
    const { sound, startAt, times } = playback;
    this.#playback = playback;
    this.#stream = stream;
    this.#put = put;
    this.#onEnd = onEnd;
    this.#position = startAt;
    this.#end = sound.bytes.length * times;
  }

  advance(now: number): boolean {
    if (Number.isNaN(this.#dueAt)) {
      this.#stream.begin(now);
      this.#dueAt = now;
    }
    if (now - this.#dueAt > MOST_LATE_MS) this.#dueAt = now;
    while (this.#dueAt <= now && this.#position < this.#end) {
      this.#fill();
      this.#put(this.#stream.next(this.#playback.payloadType, now));
      this.#position += PACKET_BYTES;
      this.#dueAt += PACKET_MS;
    }
    // Over when its last packet has been heard.
    if (this.#position < this.#end || this.#dueAt > now) return true;
    this.#onEnd();
    return false;
  }

  /** The last packet is filled up with silence. */
  #fill(): void {
    const { bytes, law } = this.#playback.sound;
    const { packet } = this.#stream;
    const wanted = Math.min(PACKET_BYTES, this.#end - this.#position);
    for (let done = 0; done < wanted; ) {
      const from = (this.#position + done) % bytes.length;
      done += bytes.copy(packet, RTP_HEADER_BYTES + done, from, Math.min(bytes.length, from + wanted - done));
    }
    packet.fill(SILENCE[law], RTP_HEADER_BYTES + wanted);
  }
}
