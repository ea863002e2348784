// Mixdown: the captures of a recording's segments become one audio file, in one pass and bounded memory.
//
// Segments that overlap in time, as two switches or two calls of a conversation capture them, are read side by side. The recording begins with the first sample of either party and ends with the last one; the party that speaks later
// or stops earlier is silent there, and so is every gap between segments. What could not be written is silent too, up to the
// end of the segment. Samples are never cut or resampled, so a
// first packet that the network delayed can put the start a few milliseconds before the segment was opened.
import { setImmediate } from 'node:timers/promises';
import { readRtp } from '../rtp/header.ts';
import { readReports } from '../rtp/rtcp.ts';
import type { SegmentFacts } from '../spool/segment.ts';
import { type AudioFile, type AudioSetting, openAudioFile } from './audio-file.ts';
import { type CaptureReader, openReader, overlapping } from './capture-reader.ts';
import { Decoders, isCoded } from './decoders.ts';
import { HeardWords } from './heard-words.ts';
import { type MeasuredQuality, QualityMeter } from './quality.ts';
import type { AudioPacket } from './rtp-clock.ts';
import { type Label, StreamMap } from './stream-map.ts';
import { type ChannelCounts, Timeline } from './timeline.ts';
import type { Law } from './wav.ts';
import { BEHIND, isLinear, TimelineWindow } from './window.ts';

export const SAMPLE_RATE = 8000;
const MICROS_PER_SAMPLE = 1e6 / SAMPLE_RATE;
/** How long the event loop may be kept busy at a time, in milliseconds. */
const SLICE_MS = 8;
/** Packets between two looks at the clock. */
const SLICE_PACKETS = 64;
/** Packets whose time lies further than this outside of their segment are none of its, in microseconds. */
const TOLERANCE_US = 5_000_000;

/** One segment to be mixed. */
export interface MixdownSegment {
  facts: SegmentFacts;
  captureFile: string;
  /** What binds the parties: by label the number of a lane. In a plain call lane 0 is heard left, 1 right. */
  lanes: Record<Label, number>;
  /** Lanes that follow on that one, in the order of time, each from a time on: microseconds since 1970. */
  later?: Record<Label, readonly { from: number; lane: number }[]>;
  /** When nothing of it may be heard, because the recording of another call of the conversation was paused: microseconds since 1970. */
  masked?: readonly (readonly [from: number, to: number])[];
  /** When nothing that was said may be heard, whenever it came. */
  silences?: readonly (readonly [from: number, to: number])[];
}

/** One party's audio in one call. */
export interface MixdownLane {
  channel: number;
  /** Of which switch: the clocks of two may differ. */
  source?: number;
  /** Of two on one channel the lower one is heard, from 0 to 254. @param at microseconds since 1970 */
  rankAt(at: number): number;
}

/** The channels that are heard, and the lanes on them. */
export interface MixdownPlan {
  /** Of each channel: 0 the agents' side, 1 the customers'. */
  sides: readonly (0 | 1)[];
  lanes: readonly MixdownLane[];
}

const PLAIN: MixdownPlan = { sides: [0, 1], lanes: [0, 1].map((channel) => ({ channel, rankAt: () => 0 })) };

export interface MixdownChannel extends ChannelCounts {
  /** Milliseconds of audio, without gaps. */
  audioMs: number;
  /** Packets that came while nothing was to be heard. */
  masked: number;
  quality: MeasuredQuality;
}

export interface Mixdown {
  /** Wall clock of the first sample, microseconds since 1970; undefined when there is no audio at all. */
  startAt: number | undefined;
  /** Samples of each channel. */
  frames: number;
  /** By lane; in a plain call left and right. */
  channels: [MixdownChannel, MixdownChannel, ...MixdownChannel[]];
  /** How many channels the file has. */
  fileChannels: number;
  heard: Pick<HeardWords, 'keys' | 'codecs'>;
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
  plan = PLAIN,
): Promise<Mixdown> {
  const mixer = new Mixer(segments[0]?.facts.opened.at ?? 0, setting, plan);
  const { sides } = plan;
  const target = { ...setting, file, sides, sampleRate: SAMPLE_RATE, law: () => mixer.law };
  const output = await openAudioFile(target);
  try {
    mixer.output = output;
    for (const group of overlapping(segments)) await mixer.addSegments(group);
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
  readonly #plan: MixdownPlan;
  readonly #window: TimelineWindow;
  readonly #timeline: Timeline;
  readonly #decoders: Decoders;
  readonly #spoolKeys: AudioSetting['spoolKeys'];
  readonly #quality = new QualityMeter();
  readonly #heard = new HeardWords();
  readonly #problems: string[] = [];
  readonly #unreadable = new Map<string, string>();
  #placed: AudioPacket[] = [];
  #frames = 0;
  #sliceEnd = 0;
  readonly #late: number[] = [];
  readonly #leftOut: number[] = [];
  readonly #masked: number[] = [];
  /** Where a segment that lost packets ended: nobody knows what was its last one. */
  #lostUntil = Number.NEGATIVE_INFINITY;

  constructor(origin: number, setting: AudioSetting, plan: MixdownPlan) {
    this.#spoolKeys = setting.spoolKeys;
    this.#origin = origin;
    this.#plan = plan;
    const lanes = plan.lanes.map(({ channel, rankAt }) => {
      return { channel, rankAt: (position: number) => rankAt(origin + position * MICROS_PER_SAMPLE) };
    });
    this.#window = new TimelineWindow((bytes) => this.#write(bytes), plan.sides.length, lanes);
    const groups = plan.lanes.map(({ channel, source = 0 }) => source * plan.sides.length + channel);
    this.#timeline = new Timeline(
      (packet) => this.#placed.push(packet),
      (lane) => groups[lane] ?? -1,
    );
    this.#decoders = new Decoders(this.#window, SAMPLE_RATE, setting, (position) => this.#makeRoom(position));
  }

  /** Takes segments that overlap, packet by packet in the order of arrival. */
  async addSegments(segments: readonly MixdownSegment[]): Promise<void> {
    const readers = segments.map((segment) => this.#open(segment));
    for (let count = 1; ; count += 1) {
      const reader = earliest(readers);
      if (reader?.next === undefined) break;
      reader.take(reader.next);
      if (this.#placed.length > 0) await this.#writePlaced();
      reader.advance();
      if (count % SLICE_PACKETS === 0) await this.#yield();
    }
    for (const [index, segment] of segments.entries()) this.#close(segment, readers[index]);
  }

  #open(segment: MixdownSegment): CaptureReader {
    const { facts, lanes, captureFile } = segment;
    const { closed } = facts;
    for (const label of ['a', 'b'] as const)
      this.#leftOut[lanes[label]] = (this.#leftOut[lanes[label]] ?? 0) + (closed?.leftOut?.[label] ?? 0);
    if (closed !== undefined && closed.lost > 0)
      this.#lostUntil = Math.max(this.#lostUntil, Math.round((closed.at - this.#origin) / MICROS_PER_SAMPLE));
    return openReader(captureFile, this.#taker(segment), this.#spoolKeys);
  }

  #close({ facts }: MixdownSegment, reader: CaptureReader | undefined): void {
    if (reader?.unreadable !== undefined) this.#unreadable.set(facts.opened.segment, reader.unreadable);
    else this.#problems.push(...(reader?.problems(facts) ?? []));
  }

  /** What puts one datagram of the segment on the timeline. */
  #taker(segment: MixdownSegment): CaptureReader['take'] {
    const { facts, masked = [] } = segment;
    const silences = segment.silences?.map(([from, to]) => [from - this.#origin, to - this.#origin] as const);
    const streams = new StreamMap(facts);
    let isBegun = false;
    const earliestAt = facts.opened.at - TOLERANCE_US;
    const latestAt = (facts.closed?.at ?? Number.POSITIVE_INFINITY) + TOLERANCE_US;
    return ({ at, destination: { port }, payload }) => {
      if (at < earliestAt || at > latestAt) return;
      const label = streams.labelOf(port, at) ?? streams.controlLabelOf(port);
      if (label === undefined) return;
      const channel = laneAt(segment, label, at);
      if (masked.length > 0 && masked.some(([from, to]) => at >= from && at < to)) {
        this.#masked[channel] = (this.#masked[channel] ?? 0) + 1;
        return;
      }
      if (!isBegun) this.#quality.beginSegment(lanesOf(segment));
      isBegun = true;
      const rtp = readRtp(payload);
      if (rtp === undefined) {
        const heard = laneAt(segment, label === 'a' ? 'b' : 'a', at);
        return this.#addReports({ channel, heard }, at, payload);
      }
      const kind = streams.kindOf(label, rtp.payloadType);
      this.#quality.add({ ...rtp, at, channel, kind });
      this.#heard.add({ ...rtp, at, channel, kind });
      this.#timeline.add({ ...rtp, at: at - this.#origin, channel, kind, silences });
    };
  }

  #addReports({ channel, heard }: { channel: number; heard: number }, at: number, bytes: Buffer): void {
    const reports = readReports(bytes);
    this.#quality.addReports(channel, at, reports, heard);
    for (const report of reports) this.#timeline.addReport(channel, at - this.#origin, report);
  }

  async #writePlaced(): Promise<void> {
    const placed = this.#placed;
    this.#placed = [];
    for (const packet of placed) {
      if (isCoded(packet)) await this.#decoders.add(packet);
      if (!isLinear(packet)) continue;
      if (!this.#window.fits(packet)) await this.#makeRoom(packet.position);
      if (!this.#window.write(packet)) this.#late[packet.channel] = (this.#late[packet.channel] ?? 0) + 1;
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
    const [left, right, ...more] = this.#plan.lanes.map((_, lane) => this.#channel(lane));
    return {
      startAt: start === undefined ? undefined : this.#origin + start * MICROS_PER_SAMPLE,
      frames: this.#frames,
      channels: [left ?? this.#channel(0), right ?? this.#channel(1), ...more],
      fileChannels: this.output?.channels ?? 0,
      heard: this.#heard,
      problems: this.#problems,
      decoding: this.#decoders.reasons,
      unreadable: this.#unreadable,
    };
  }

  /** Ends what was begun for it: nothing, when it is finished. */
  abandon(): void {
    this.#decoders.abandon();
  }

  #channel(lane: number): MixdownChannel {
    const counts = withoutFailed(this.#timeline.counts(lane), this.#decoders.failed(lane));
    const audioMs = ((this.#window.present[lane] ?? 0) * 1000) / SAMPLE_RATE;
    const quality = this.#quality.result(lane, this.#leftOut[lane] ?? 0);
    const late = counts.late + (this.#late[lane] ?? 0) + (this.#decoders.late[lane] ?? 0);
    return { ...counts, late, audioMs, masked: this.#masked[lane] ?? 0, quality };
  }

  async #write(bytes: Buffer): Promise<void> {
    this.#frames += bytes.length / (this.#plan.sides.length * 2);
    await this.output?.write(bytes);
  }

  /** That of the two companding laws of G.711 which most packets have so far. */
  get law(): Law {
    const channels = this.#plan.lanes.map((_, lane) => this.#timeline.counts(lane));
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

function laneAt({ lanes, later }: MixdownSegment, label: Label, at: number): number {
  return later?.[label].findLast(({ from }) => at >= from)?.lane ?? lanes[label];
}

function lanesOf({ lanes, later }: MixdownSegment): number[] {
  const all = [lanes.a, lanes.b, ...[...(later?.a ?? []), ...(later?.b ?? [])].map(({ lane }) => lane)];
  return [...new Set(all)];
}

function earliest(readers: readonly CaptureReader[]): CaptureReader | undefined {
  let found = readers[0];
  for (const reader of readers)
    if ((reader.next?.at ?? Infinity) < (found?.next?.at ?? Infinity)) found = reader;
  return found;
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
