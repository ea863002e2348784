// Sends G.711 as a telephone does: one packet each 20 ms, against an absolute schedule (RFC 3551 sections 4.2, 4.5.14).
import { randomBytes } from 'node:crypto';
import { buildRtpPacket } from './packets.ts';

/** Samples, and bytes, of one packet: 20 ms of G.711. */
export const SAMPLES_PER_PACKET = 160;
export const PACKET_MS = 20;
const SAMPLES_PER_MS = 8;

/** Time as a sender sees it, so that a test can stand in for it. */
export interface Clock {
  /** Milliseconds from any start; never goes back. */
  now(): number;
  /** Calls `run` after `ms` milliseconds; the result calls it off. */
  after(ms: number, run: () => void): () => void;
}

export const realClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export interface RtpSenderOptions {
  /** 0 PCMU, 8 PCMA, or what the answer bound. */
  payloadType: number;
  /** Puts one packet on the wire. */
  send(packet: Buffer): void;
  clock?: Clock;
  /** By default random, as RFC 3550 section 8.1 asks; so are the next two (section 5.1). */
  ssrc?: number;
  sequenceNumber?: number;
  timestamp?: number;
}

export interface SentAudio {
  packets: number;
  samples: number;
}

export interface RtpSender {
  readonly ssrc: number;
  /** Of the packets from now on: a telephone that changes its codec is the same source still. */
  payloadType: number;
  /** All that was sent so far. */
  readonly sent: SentAudio;
  /**
   * Sends companded audio, 8000 bytes a second, and ends exactly after its last byte (the last packet may be short).
   * Audio given while other audio is on its way follows it.
   * @returns what was sent of it: all, or less after `stop`
   */
  play(audio: Uint8Array): Promise<SentAudio>;
  /** Ends all playing at once. */
  stop(): void;
}

/** A source of RTP with its own SSRC. Its timestamps go on with the clock between two pieces of audio. */
export function createRtpSender(options: RtpSenderOptions): RtpSender {
  return new PacedSender(options);
}

class PacedSender implements RtpSender {
  readonly ssrc: number;
  payloadType: number;
  readonly sent: SentAudio = { packets: 0, samples: 0 };
  readonly #options: RtpSenderOptions;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #firstTimestamp: number;
  #sequenceNumber: number;
  /** Samples from the first timestamp to the end of what was sent. */
  #position = 0;
  #last: Promise<unknown> = Promise.resolve();
  #isStopped = false;
  #finish: (() => void) | undefined;

  constructor(options: RtpSenderOptions) {
    this.#options = options;
    this.payloadType = options.payloadType;
    this.#clock = options.clock ?? realClock;
    this.#startedAt = this.#clock.now();
    this.ssrc = options.ssrc ?? randomBytes(4).readUInt32BE();
    this.#firstTimestamp = options.timestamp ?? randomBytes(4).readUInt32BE();
    this.#sequenceNumber = options.sequenceNumber ?? randomBytes(2).readUInt16BE();
  }

  play(audio: Uint8Array): Promise<SentAudio> {
    const playing = this.#last.then(() => this.#run(audio));
    this.#last = playing;
    return playing;
  }

  stop(): void {
    this.#isStopped = true;
    this.#finish?.();
  }

  #run(audio: Uint8Array): Promise<SentAudio> {
    const before = { ...this.sent };
    const start = this.#clock.now();
    const elapsed = Math.round((start - this.#startedAt) * SAMPLES_PER_MS);
    this.#position = Math.max(this.#position, elapsed);
    let cancel = () => {};
    let offset = 0;
    let isFirst = true;
    return new Promise((resolve) => {
      const finish = () => {
        cancel();
        this.#finish = undefined;
        resolve({
          packets: this.sent.packets - before.packets,
          samples: this.sent.samples - before.samples,
        });
      };
      this.#finish = finish;
      // Every packet whose time has come goes out: a stall is caught up, and lateness never adds up.
      const step = () => {
        const dueAt = () => start + offset / SAMPLES_PER_MS;
        while (offset < audio.length && !this.#isStopped && dueAt() <= this.#clock.now()) {
          this.#sendPacket(audio.subarray(offset, offset + SAMPLES_PER_PACKET), isFirst);
          offset += SAMPLES_PER_PACKET;
          isFirst = false;
        }
        if (offset >= audio.length || this.#isStopped) finish();
        else cancel = this.#clock.after(Math.max(0, dueAt() - this.#clock.now()), step);
      };
      step();
    });
  }

  #sendPacket(payload: Uint8Array, marker: boolean): void {
    const packet = buildRtpPacket({
      payloadType: this.payloadType,
      sequenceNumber: this.#sequenceNumber,
      timestamp: (this.#firstTimestamp + this.#position) % 2 ** 32,
      ssrc: this.ssrc,
      marker,
      payload,
    });
    this.#sequenceNumber = (this.#sequenceNumber + 1) & 0xffff;
    this.#position += payload.length;
    this.sent.packets += 1;
    this.sent.samples += payload.length;
    this.#options.send(packet);
  }
}
