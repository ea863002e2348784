// Live listening: a two-channel WAV of a call that is up, out of the captures that its media server is writing.
//
// It reads files and nothing else: neither the media server nor any other call notices it, and a reader that is slow, or stops,
// holds up this one stream only.
import { setTimeout as delay } from 'node:timers/promises';
import { readRtp } from '../rtp/header.ts';
import type { CapturedPacket } from '../spool/pcap-reader.ts';
import type { SpoolKeys } from '../spool/sealed-capture.ts';
import type { SegmentFacts } from '../spool/segment.ts';
import { bindChannels } from './channels.ts';
import { LIVE_SAMPLE_RATE, LiveAudio } from './live-audio.ts';
import { SegmentTail } from './segment-tail.ts';
import { StreamMap } from './stream-map.ts';
import { longestWav, wavHeader } from './wav.ts';

const POLL_MS = 50;
/** What comes out of order, or late by the network, is still waited for, in microseconds. */
const JITTER_US = 100_000;
/** No packets for so long beside the flush interval is silence, no late flush and no segment that has not shown yet; in microseconds. */
const PATIENCE_US = 1_500_000;
/** A listener that is further behind has stopped reading: it goes on with what is spoken now, in microseconds. */
const MOST_BEHIND_US = 10_000_000;

/** One segment of the call, as its facts are now. */
export interface LiveSegment {
  id: string;
  captureFile: string;
  facts: SegmentFacts;
}

export interface ListenOptions {
  /** The segments of the call that are in the spool. */
  segments(): LiveSegment[];
  /** Nothing more is to come. */
  isOver(): boolean;
  /** How often the media server writes, in microseconds. */
  flushUs: number;
  /** With which captures are encrypted in the spool. */
  spoolKeys?: SpoolKeys | undefined;
  /** Wall clock in microseconds since 1970. */
  now(): number;
  signal: AbortSignal;
}

/** A WAV without an end: its header names the longest length. Ends with the call, or when the signal is aborted. */
export async function* listen(options: ListenOptions): AsyncGenerator<Buffer> {
  const listening = new Listening(options);
  try {
    yield wavHeader(longestWav(2), 2, LIVE_SAMPLE_RATE);
    while (!options.signal.aborted) {
      const isOver = options.isOver();
      listening.catchUp();
      await listening.read();
      const samples = listening.take(isOver);
      if (samples.length > 0) yield samples;
      else if (isOver) return;
      if (!isOver) await delay(POLL_MS, undefined, { signal: options.signal }).catch(() => undefined);
    }
  } finally {
    await listening.close();
  }
}

interface Followed {
  tail: SegmentTail;
  facts: SegmentFacts;
  streams: StreamMap;
  channels: ReturnType<typeof bindChannels>;
}

class Listening {
  readonly #options: ListenOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #audio: LiveAudio;
  readonly #from: number;
  /** Of the newest packet. */
  #newest: number;

  constructor(options: ListenOptions) {
    this.#options = options;
    this.#from = options.now() - options.flushUs - JITTER_US;
    this.#newest = this.#from;
    this.#audio = new LiveAudio(this.#from);
  }

  async read(): Promise<void> {
    for (const segment of this.#options.segments()) {
      const followed = this.#followed.get(segment.id) ?? (await this.#follow(segment));
      if (followed === undefined) continue;
      if (followed.facts !== segment.facts) adopt(followed, segment.facts);
      await followed.tail.read((packet) => this.#take(followed, packet));
    }
  }

  async #follow({ id, captureFile, facts }: LiveSegment): Promise<Followed | undefined> {
    const isPast = facts.closed !== undefined && facts.closed.at < this.#from;
    const tail = isPast ? undefined : await SegmentTail.open(captureFile, this.#options.spoolKeys);
    if (tail === undefined) return undefined;
    const followed = { tail, facts, streams: new StreamMap(facts), channels: bindChannels(facts) };
    this.#followed.set(id, followed);
    return followed;
  }

  /** What was spoken before somebody listened is passed over. */
  #take({ streams, channels }: Followed, { at, destination, payload }: CapturedPacket): void {
    if (at < this.#from) return;
    this.#newest = Math.max(this.#newest, at);
    const label = streams.labelOf(destination.port, at);
    const rtp = label === undefined ? undefined : readRtp(payload);
    if (label === undefined || rtp === undefined) return;
    const kind = streams.kindOf(label, rtp.payloadType);
    this.#audio.add({ ...rtp, at, channel: channels[label], kind });
  }

  /** Passes over what the other end has not asked for: it has stopped reading, and wants to hear what is spoken now. */
  catchUp(): void {
    const passed = this.#passed();
    if (passed - this.#audio.playedTo > MOST_BEHIND_US) this.#audio.skipTo(passed);
  }

  /**
   * The samples that are due: as far as packets have come, so that a flush that is late costs nothing; and, when none come,
   * in a pause or a hold, silence as time goes by.
   */
  take(isOver: boolean): Buffer {
    if (isOver) return this.#audio.take(this.#newest + JITTER_US);
    return this.#audio.take(Math.max(this.#newest - JITTER_US, this.#passed()));
  }

  #passed(): number {
    return this.#options.now() - this.#options.flushUs - PATIENCE_US;
  }

  async close(): Promise<void> {
    for (const { tail } of this.#followed.values()) await tail.close();
  }
}

function adopt(followed: Followed, facts: SegmentFacts): void {
  followed.facts = facts;
  followed.streams = new StreamMap(facts);
}
