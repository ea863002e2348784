// Mixdown: the captures of a recording's segments become one audio file, in one pass and bounded memory.
//
// The recording begins with the first sample of either party and ends with the last one; the party that speaks later
// or stops earlier is silent there, and so is every gap between segments. What could not be written is silent too, up to the
// end of the segment. Samples are never cut or resampled, so a
// first packet that the network delayed can put the start a few milliseconds before the segment was opened.
import { setImmediate } from 'node:timers/promises';
import { GrecError, systemCode } from '../errors.ts';
import { readRtp } from '../rtp/header.ts';
import { readReports } from '../rtp/rtcp.ts';
import { type Capture, openCapture } from '../spool/capture-file.ts';
import type { SegmentFacts } from '../spool/segment.ts';
import { type AudioFile, type AudioSetting, openAudioFile } from './audio-file.ts';
import { Decoders, isCoded } from './decoders.ts';
import { type MeasuredQuality, QualityMeter } from './quality.ts';
import type { AudioPacket } from './rtp-clock.ts';
import { type Label, StreamMap } from './stream-map.ts';
import { type ChannelCounts, Timeline } from './timeline.ts';
import type { Law } from './wav.ts';
import { BEHIND, isLinear, TimelineWindow } from './window.ts';

export const SAMPLE_RATE = 8000;
const CHANNELS = 2;
const MICROS_PER_SAMPLE = 1e6 / SAMPLE_RATE;
/** How long the event loop may be kept busy at a time, in milliseconds. */
const SLICE_MS = 8;
/** Packets between two looks at the clock. */
const SLICE_PACKETS = 64;
/** Packets whose time lies further than this outside of their segment are none of its, in microseconds. */
const TOLERANCE_US = 5_000_000;

/** One segment to be mixed. `channels` binds the parties: left 0, right 1. */
export interface MixdownSegment {
  facts: SegmentFacts;
  captureFile: string;
  channels: Record<Label, 0 | 1>;
}

export interface MixdownChannel extends ChannelCounts {
  /** Milliseconds of audio, without gaps. */
  audioMs: number;
  quality: MeasuredQuality;
}

export interface Mixdown {
  /** Wall clock of the first sample, microseconds since 1970; undefined when there is no audio at all. */
  startAt: number | undefined;
  /** Samples of each channel. */
  frames: number;
  channels: [MixdownChannel, MixdownChannel];
  /** What is wrong with captures that could be read in part, in words. */
  problems: string[];
  /** Why packets of an encoding could not be decoded, as far as more is known than that there is no decoder. */
  decoding: ReadonlyMap<string, string>;
  /** Segments whose capture could not be read at all, with the reason. */
  unreadable: Map<string, string>;
}

/**
 * Writes the audio. With no audio at all it holds no samples.
 * @param segments in the order of time
 * @param file is created or replaced, and synced to the disk
 * @throws GrecError AUDIO_UNDECODABLE (too long for a WAV), FFMPEG_MISSING, FFMPEG_FAILED (for other formats); Node's system errors of reading and writing
 */
export async function mixDown(
  segments: readonly MixdownSegment[],
  file: string,
  setting: AudioSetting = {},
): Promise<Mixdown> {
  const mixer = new Mixer(segments[0]?.facts.opened.at ?? 0, setting);
  const output = await openAudioFile({ ...setting, file, sampleRate: SAMPLE_RATE, law: () => mixer.law });
  try {
    mixer.output = output;
    for (const segment of segments) await mixer.addSegment(segment);
    return await mixer.finish();
  } finally {
    mixer.abandon();
    await output.close();
  }
}

class Mixer {
  /** Where it goes; known before the first segment is added. */
  output: AudioFile | undefined;
  readonly #origin: number;
  readonly #window: TimelineWindow;
  readonly #timeline: Timeline;
  readonly #decoders: Decoders;
  readonly #quality = new QualityMeter();
  readonly #problems: string[] = [];
  readonly #unreadable = new Map<string, string>();
  #placed: AudioPacket[] = [];
  #frames = 0;
  #sliceEnd = 0;
  readonly #late: [number, number] = [0, 0];
  readonly #leftOut: [number, number] = [0, 0];
  /** Where a segment that lost packets ended: nobody knows what was its last one. */
  #lostUntil = Number.NEGATIVE_INFINITY;

  constructor(origin: number, setting: AudioSetting) {
    this.#origin = origin;
    this.#window = new TimelineWindow((bytes) => this.#write(bytes));
    this.#timeline = new Timeline((packet) => this.#placed.push(packet));
    this.#decoders = new Decoders(this.#window, SAMPLE_RATE, setting, (position) => this.#makeRoom(position));
  }

  async addSegment(segment: MixdownSegment): Promise<void> {
    const { closed } = segment.facts;
    for (const label of ['a', 'b'] as const)
      this.#leftOut[segment.channels[label]] += closed?.leftOut?.[label] ?? 0;
    if (closed !== undefined && closed.lost > 0)
      this.#lostUntil = Math.round((closed.at - this.#origin) / MICROS_PER_SAMPLE);
    try {
      await this.#read(segment, openCapture(segment.captureFile));
    } catch (thrown) {
      if (!(thrown instanceof GrecError) || thrown.code !== 'SPOOL_INVALID') throw thrown;
      if (!isLasting(thrown.cause)) throw thrown.cause;
      this.#unreadable.set(segment.facts.opened.segment, thrown.message);
    }
  }

  async #read(segment: MixdownSegment, capture: Capture): Promise<void> {
    const add = this.#adder(segment);
    let count = 0;
    for (const packet of capture) {
      add(packet.at, packet.destination.port, packet.payload);
      if (this.#placed.length > 0) await this.#writePlaced();
      count += 1;
      if (count % SLICE_PACKETS === 0) await this.#yield();
    }
    this.#describe(segment, capture, count);
  }

  /** What puts one datagram of the segment on the timeline. */
  #adder({ facts, channels }: MixdownSegment): (at: number, port: number, payload: Buffer) => void {
    const streams = new StreamMap(facts);
    this.#quality.beginSegment();
    const earliest = facts.opened.at - TOLERANCE_US;
    const latest = (facts.closed?.at ?? Number.POSITIVE_INFINITY) + TOLERANCE_US;
    return (at, port, bytes) => {
      if (at < earliest || at > latest) return;
      const label = streams.labelOf(port, at) ?? streams.controlLabelOf(port);
      if (label === undefined) return;
      const channel = channels[label];
      const rtp = readRtp(bytes);
      if (rtp === undefined) return this.#addReports(channel, at, bytes);
      const kind = streams.kindOf(label, rtp.payloadType);
      this.#quality.add({ ...rtp, at, channel, kind });
      this.#timeline.add({ ...rtp, at: at - this.#origin, channel, kind });
    };
  }

  #addReports(channel: 0 | 1, at: number, bytes: Buffer): void {
    const reports = readReports(bytes);
    this.#quality.addReports(channel, at, reports);
    for (const report of reports) this.#timeline.addReport(channel, at - this.#origin, report);
  }

  #describe({ facts }: MixdownSegment, capture: Capture, count: number): void {
    const name = `segment ${facts.opened.segment}`;
    const { a = 0, b = 0 } = facts.closed?.packets ?? {};
    if (count + capture.skipped < a + b)
      this.#problems.push(`${name}: the capture holds ${count} of the ${a + b} packets that were written`);
    if (capture.problem !== undefined)
      this.#problems.push(`${name}: the capture breaks off: ${capture.problem}`);
    if (capture.skipped > 0)
      this.#problems.push(`${name}: ${capture.skipped} records of the capture are no datagrams`);
  }

  async #writePlaced(): Promise<void> {
    const placed = this.#placed;
    this.#placed = [];
    for (const packet of placed) {
      if (isCoded(packet)) await this.#decoders.add(packet);
      if (!isLinear(packet)) continue;
      if (!this.#window.fits(packet)) await this.#makeRoom(packet.position);
      if (!this.#window.write(packet)) this.#late[packet.channel] += 1;
    }
  }

  /** What becomes final must have come out of the decoders. */
  async #makeRoom(position: number): Promise<void> {
    await this.#decoders.settle(position - BEHIND);
    await this.#window.advance({ position });
  }

  async finish(): Promise<Mixdown> {
    this.#timeline.end();
    await this.#writePlaced();
    await this.#decoders.end();
    await this.#window.finish(this.#lostUntil);
    await this.output?.finish();
    const { start } = this.#window;
    return {
      startAt: start === undefined ? undefined : this.#origin + start * MICROS_PER_SAMPLE,
      frames: this.#frames,
      channels: [this.#channel(0), this.#channel(1)],
      problems: this.#problems,
      decoding: this.#decoders.reasons,
      unreadable: this.#unreadable,
    };
  }

  /** Ends what was begun for it: nothing, when it is finished. */
  abandon(): void {
    this.#decoders.abandon();
  }

  #channel(channel: 0 | 1): MixdownChannel {
    const counts = withoutFailed(this.#timeline.counts(channel), this.#decoders.failed(channel));
    const audioMs = (this.#window.present[channel] * 1000) / SAMPLE_RATE;
    const quality = this.#quality.result(channel, this.#leftOut[channel]);
    return {
      ...counts,
      late: counts.late + this.#late[channel] + this.#decoders.late[channel],
      audioMs,
      quality,
    };
  }

  async #write(bytes: Buffer): Promise<void> {
    this.#frames += bytes.length / (CHANNELS * 2);
    await this.output?.write(bytes);
  }

  /** That of the two companding laws of G.711 which most packets have so far. */
  get law(): Law {
    const channels = [this.#timeline.counts(0), this.#timeline.counts(1)];
    const of = (law: Law) => channels.reduce((sum, { decoded }) => sum + (decoded.get(law) ?? 0), 0);
    return of('PCMA') > of('PCMU') ? 'PCMA' : 'PCMU';
  }

  /** Lets other work run once a slice is used up. */
  async #yield(): Promise<void> {
    if (performance.now() < this.#sliceEnd) return;
    await setImmediate();
    this.#sliceEnd = performance.now() + SLICE_MS;
  }
}

/** Packets that a decoder could make nothing of were not decoded. */
function withoutFailed(counts: ChannelCounts, failed: ReadonlyMap<string, number>): ChannelCounts {
  const [decoded, undecodable] = [new Map(counts.decoded), new Map(counts.undecodable)];
  for (const [encoding, packets] of failed) {
    const rest = (decoded.get(encoding) ?? 0) - packets;
    if (rest > 0) decoded.set(encoding, rest);
    else decoded.delete(encoding);
    undecodable.set(encoding, (undecodable.get(encoding) ?? 0) + packets);
  }
  return { ...counts, decoded, undecodable };
}

/** What the system refuses for now (too many open files, a failing disk) is no fault of the capture. */
function isLasting(cause: unknown): boolean {
  const code = systemCode(cause);
  return code === undefined || code === 'ENOENT' || code === 'EISDIR';
}
