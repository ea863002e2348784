// The decoders of a mixdown: placed packets in, samples where they stand out, one ffmpeg for each channel and codec at a time.
//
// Packets are placed before they are decoded, so that time is the timestamps' affair alone (rtp-clock.ts). A decoder gets the
// frames that came, in order and one after the other; what it makes of each one stands where that one stands.
import { type Ffmpeg, findFfmpeg, forgetFfmpeg } from '../ffmpeg.ts';
import type { Codec, Frame } from './codecs.ts';
import { Decoder } from './decoder.ts';
import type { AudioPacket } from './rtp-clock.ts';
import type { TimelineWindow } from './window.ts';

/** A packet that waits for those which the network delayed, in microseconds of arrival. */
const REORDER_US = 200_000;
const MOST_WAITING = 256;
/** A decoder that got nothing for so long is ended when room is needed: what it holds back comes out. In samples: 2 s. */
const IDLE_SAMPLES = 16_000;
const MOST_OPEN = 4;
/** A hostile party may change its codec with each packet. */
const MOST_DECODERS = 2000;
const MOST_FAILURES = 3;
const STALL_MS = 30_000;
const MOST_REASONS = 8;

export interface DecoderSetting {
  /** `[export] ffmpeg`. */
  ffmpeg?: string | undefined;
  /** How long it may stand still, in milliseconds. */
  stallMs?: number | undefined;
}

/** A packet whose position is in ticks of its codec's clock. */
export interface CodedPacket extends AudioPacket {
  codec: Codec;
}

export function isCoded(packet: AudioPacket): packet is CodedPacket {
  return packet.codec !== undefined;
}

interface Section {
  /** The lane, see window.ts. */
  channel: number;
  codec: Codec;
  waiting: CodedPacket[];
  decoder: Decoder | undefined;
  failures: number;
}

export class Decoders {
  readonly #window: TimelineWindow;
  readonly #sampleRate: number;
  readonly #setting: DecoderSetting;
  readonly #makeRoom: (position: number) => Promise<void>;
  readonly #sections = new Map<string, Section>();
  #begun = 0;
  /** By channel and encoding. */
  readonly #failed = new Map<number, Map<string, number>>();
  readonly #reasons = new Map<string, string>();
  /** Packets that came after their time was final. */
  readonly late: number[] = [];

  /** @param makeRoom is asked for room in the window up to a position; it calls {@link settle} */
  constructor(
    window: TimelineWindow,
    sampleRate: number,
    setting: DecoderSetting,
    makeRoom: (position: number) => Promise<void>,
  ) {
    this.#window = window;
    this.#sampleRate = sampleRate;
    this.#setting = setting;
    this.#makeRoom = makeRoom;
  }

  /** Packets of each encoding that did not become sound. */
  failed(channel: number): ReadonlyMap<string, number> {
    return this.#failed.get(channel) ?? new Map();
  }

  /** Why, by encoding. */
  get reasons(): ReadonlyMap<string, string> {
    return this.#reasons;
  }

  /** Takes a packet, nearly in order. */
  async add(packet: CodedPacket): Promise<void> {
    const section = await this.#sectionOf(packet);
    const { waiting } = section;
    let index = waiting.length;
    while (index > 0 && (waiting[index - 1]?.position ?? 0) > packet.position) index -= 1;
    waiting.splice(index, 0, packet);
    for (;;) {
      const [first] = waiting;
      const isDue = first !== undefined && first.at <= packet.at - REORDER_US;
      if (!isDue && waiting.length <= MOST_WAITING) return;
      await this.#decodeNext(section, true);
    }
  }

  /** All samples before `position` come out: what stands there becomes final. */
  async settle(position: number): Promise<void> {
    for (const section of this.#sections.values()) {
      while (
        section.waiting[0] !== undefined &&
        this.#positionOf(section.waiting[0]) < position + IDLE_SAMPLES
      )
        await this.#decodeNext(section, false);
      const { decoder } = section;
      if (decoder === undefined || decoder.oldest >= position) continue;
      if (decoder.lastPosition < position + IDLE_SAMPLES) await this.#endDecoder(section);
      else await decoder.reach(position);
    }
  }

  /** Everything comes out. */
  async end(): Promise<void> {
    for (const key of [...this.#sections.keys()]) await this.#close(key);
  }

  /** Ends what runs, when the mixdown has failed; after {@link end} there is nothing. */
  abandon(): void {
    for (const { decoder } of this.#sections.values()) decoder?.kill();
  }

  async #close(key: string): Promise<void> {
    const section = this.#sections.get(key);
    if (section === undefined) return;
    while (section.waiting.length > 0) await this.#decodeNext(section, true);
    await this.#endDecoder(section);
    this.#sections.delete(key);
  }

  async #sectionOf({ channel, codec }: CodedPacket): Promise<Section> {
    const key = `${channel} ${codec.key}`;
    const known = this.#sections.get(key);
    if (known !== undefined) return known;
    const [oldest] = this.#sections.keys();
    if (oldest !== undefined && this.#sections.size >= MOST_OPEN * 2) await this.#close(oldest);
    const section = { channel, codec, waiting: [], decoder: undefined, failures: 0 };
    this.#sections.set(key, section);
    return section;
  }

  async #decodeNext(section: Section, mayMakeRoom: boolean): Promise<void> {
    const packet = section.waiting.shift();
    if (packet === undefined) return;
    const frames = section.codec.unpack(packet.payload);
    if (frames === undefined) return this.#countFailed(section, 1, 'a payload is none of this codec');
    for (const [index, frame] of frames.entries()) {
      const position = this.#positionOf(packet, frame);
      const room = position + Math.ceil((frame.ticks * this.#sampleRate) / section.codec.clockRate);
      if (mayMakeRoom && !this.#window.hasRoom(room)) await this.#makeRoom(position);
      if (!this.#window.begin(position)) this.late[section.channel] = (this.late[section.channel] ?? 0) + 1;
      else await this.#decode(section, frame, position, index === frames.length - 1 ? 1 : 0);
    }
  }

  async #decode(section: Section, { data, ticks }: Frame, position: number, packets: number): Promise<void> {
    if (section.decoder?.problem !== undefined) await this.#endDecoder(section);
    section.decoder ??= await this.#open(section);
    if (section.decoder === undefined) this.#countFailed(section, packets);
    else await section.decoder.add(data, ticks, position, packets);
  }

  #positionOf({ position, codec }: CodedPacket, { at }: { at: number } = { at: 0 }): number {
    return Math.round(((position + at - codec.delay) * this.#sampleRate) / codec.clockRate);
  }

  async #open(section: Section): Promise<Decoder | undefined> {
    const { codec, channel } = section;
    if (section.failures >= MOST_FAILURES) return undefined;
    const ffmpeg = await findFfmpeg(this.#setting.ffmpeg);
    const decoder = this.#chooseDecoder(codec, ffmpeg);
    if (decoder === undefined || 'problem' in ffmpeg) {
      section.failures = MOST_FAILURES;
      return undefined;
    }
    if (this.#begun >= MOST_DECODERS) {
      this.#explain(codec, 'it was changed too often');
      return undefined;
    }
    this.#begun += 1;
    return new Decoder({
      program: ffmpeg.program,
      decoder,
      codec,
      sampleRate: this.#sampleRate,
      stallMs: this.#setting.stallMs ?? STALL_MS,
      place: (position, samples) => void this.#window.writeSamples(channel, position, samples),
    });
  }

  #chooseDecoder(codec: Codec, ffmpeg: Ffmpeg | { problem: string }): string | undefined {
    if ('problem' in ffmpeg) return this.#explain(codec, ffmpeg.problem);
    const decoder = codec.decoders.find((name) => ffmpeg.decoders.has(name));
    return (
      decoder ?? this.#explain(codec, `${ffmpeg.program} lacks the decoder ${codec.decoders.join(' or ')}`)
    );
  }

  async #endDecoder(section: Section): Promise<void> {
    const { decoder, codec } = section;
    if (decoder === undefined) return;
    section.decoder = undefined;
    const missing = await decoder.end();
    if (decoder.problem === undefined) {
      section.failures = 0;
      return;
    }
    section.failures += 1;
    forgetFfmpeg();
    this.#explain(codec, decoder.problem);
    // Packets may all have come out before it failed: what came out of it is not to be trusted then either.
    this.#countFailed(section, Math.max(1, missing));
  }

  #countFailed({ channel, codec: { encoding } }: Section, packets: number, reason?: string): void {
    const failed = this.#failed.get(channel) ?? new Map<string, number>();
    this.#failed.set(channel, failed);
    if (packets > 0) failed.set(encoding, (failed.get(encoding) ?? 0) + packets);
    if (reason !== undefined && !this.#reasons.has(encoding)) this.#reasons.set(encoding, reason);
  }

  #explain({ encoding }: Codec, reason: string): undefined {
    if (this.#reasons.size < MOST_REASONS && !this.#reasons.has(encoding))
      this.#reasons.set(encoding, reason);
  }
}
