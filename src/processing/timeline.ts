// The timeline of a recording: captured packets in, audio with its place in true time out (RFC 3550). Pure.

import type { RtcpReport } from '../rtp/rtcp.ts';
import { type AudioPacket, LOOKAHEAD_US, RtpClock } from './rtp-clock.ts';
import { createSequenceCounter, type SequenceCounter } from './sequence.ts';
import type { PayloadKind } from './stream-map.ts';

/** One RTP packet of one party. */
export interface PartyPacket {
  /** The lane, see window.ts; in a plain call the channel. */
  channel: number;
  /** Arrival in microseconds since the timeline's origin. */
  at: number;
  ssrc: number;
  sequenceNumber: number;
  timestamp: number;
  kind: PayloadKind;
  payload: Uint8Array;
  silences?: AudioPacket['silences'];
}

/** What one channel's packets were like. */
export interface ChannelCounts {
  packets: number;
  lost: number;
  duplicates: number;
  /** Packets whose time has passed, or whose timestamp says nothing. */
  late: number;
  /** Packets by encoding: of audio, and of what cannot be decoded. */
  decoded: Map<string, number>;
  undecodable: Map<string, number>;
  /** Parts in a million by which the clock of the last sender was fast beside ours; undefined when that is not sure. */
  driftPpm: number | undefined;
  /** Samples that were made up or left out to follow such clocks. */
  slips: number;
}

/** Sources a channel remembers: a party has one or two at a time, a hostile one any number. */
const MOST_SOURCES = 16;
/** Clock rates that a source is known to use. */
const MOST_CLOCKS = 4;
/** Encodings a channel counts apart, for the same reason. */
const MOST_ENCODINGS = 8;

interface Source {
  /** By clock rate: a source that changes its codec may change its clock (RFC 7160). */
  clocks: Map<number, RtpClock>;
  /** Those that have begun in another lane. */
  joined: Set<RtpClock>;
  sequence: SequenceCounter;
}

class Channel {
  readonly counts: ChannelCounts = {
    packets: 0,
    lost: 0,
    duplicates: 0,
    late: 0,
    decoded: new Map(),
    undecodable: new Map(),
    driftPpm: undefined,
    slips: 0,
  };
  readonly sources = new Map<number, Source>();
}

/**
 * Gives each audio packet its place. Packets must come in the order of arrival; each is placed at the latest when one
 * arrives {@link LOOKAHEAD_US} after it, so what `place` gets is nearly but not wholly in order.
 */
export class Timeline {
  readonly #channels: Channel[] = [];
  readonly #place: (packet: AudioPacket) => void;
  readonly #groupOf: (lane: number) => number;
  #now = Number.NEGATIVE_INFINITY;

  /** @param groupOf lanes of one group may be of the same party at the same switch, so that a stream goes on from one in another */
  constructor(place: (packet: AudioPacket) => void, groupOf = (lane: number) => lane) {
    this.#place = place;
    this.#groupOf = groupOf;
  }

  add(packet: PartyPacket): void {
    this.#now = Math.max(this.#now, packet.at);
    const channel = this.#of(packet.channel);
    const { counts } = channel;
    counts.packets += 1;
    const source = this.#sourceOf(channel, packet.ssrc);
    if (!source.sequence.accept(packet.sequenceNumber, packet.timestamp)) counts.duplicates += 1;
    else this.#take(counts, source, packet);
    this.#release(this.#now);
  }

  #take(counts: ChannelCounts, source: Source, packet: PartyPacket): void {
    const { kind, timestamp, payload, channel, silences } = packet;
    if (kind.kind === 'undecodable') count(counts.undecodable, kind.encoding);
    if (kind.kind !== 'audio' && kind.kind !== 'coded') return;
    count(counts.decoded, kind.encoding);
    const [table, codec] = kind.kind === 'audio' ? [kind.table] : [undefined, kind.codec];
    const clock = this.#clockOf(source, packet, kind.clockRate, counts);
    clock.add({ at: this.#now, timestamp, payload, table, codec, channel, position: 0, silences });
  }

  #clockOf(source: Source, packet: PartyPacket, clockRate: number, counts: ChannelCounts): RtpClock {
    const { clocks } = source;
    const known = clocks.get(clockRate);
    if (known !== undefined) return known;
    const [oldest] = clocks.keys();
    if (oldest !== undefined && clocks.size >= MOST_CLOCKS) {
      endClock(source, clocks.get(oldest), counts);
      clocks.delete(oldest);
    }
    const going = this.#goingOn(packet, clockRate);
    if (going !== undefined) source.joined.add(going);
    const clock =
      going ??
      new RtpClock(clockRate, this.#place, () => {
        counts.late += 1;
      });
    clocks.set(clockRate, clock);
    return clock;
  }

  /** The clock by which the same stream was placed in another call: another one would be a few milliseconds off, and hide as many. */
  #goingOn({ channel, ssrc, timestamp }: PartyPacket, clockRate: number): RtpClock | undefined {
    const group = this.#groupOf(channel);
    for (const [lane, other] of this.#channels.entries()) {
      if (lane === channel || this.#groupOf(lane) !== group) continue;
      const clock = other?.sources.get(ssrc)?.clocks.get(clockRate);
      if (clock?.isContinuedBy(this.#now, timestamp) === true) return clock;
    }
    return undefined;
  }

  /** What a sender says of its clock (RFC 3550 section 6.4.1). One that has several clocks does not say of which. */
  addReport(channel: number, at: number, { ssrc, sent }: Pick<RtcpReport, 'ssrc' | 'sent'>): void {
    if (sent === undefined) return;
    const clocks = this.#channels[channel]?.sources.get(ssrc)?.clocks;
    if (clocks?.size !== 1) return;
    for (const clock of clocks.values()) clock.addReport(at, sent.clock, sent.timestamp);
  }

  /** Places all that waits. */
  end(): void {
    this.#release(Number.POSITIVE_INFINITY);
    for (const channel of this.#channels) {
      for (const ssrc of [...(channel?.sources.keys() ?? [])]) this.#forget(channel, ssrc);
    }
  }

  /** Complete after {@link end}. */
  counts(channel: number): ChannelCounts {
    return this.#of(channel).counts;
  }

  #of(index: number): Channel {
    const channel = this.#channels[index] ?? new Channel();
    this.#channels[index] = channel;
    return channel;
  }

  #release(now: number): void {
    for (const channel of this.#channels) {
      for (const { clocks } of channel?.sources.values() ?? [])
        for (const clock of clocks.values()) clock.release(now);
    }
  }

  #sourceOf(channel: Channel, ssrc: number): Source {
    const known = channel.sources.get(ssrc);
    if (known !== undefined) return known;
    const [oldest] = channel.sources.keys();
    if (oldest !== undefined && channel.sources.size >= MOST_SOURCES) this.#forget(channel, oldest);
    const source: Source = { clocks: new Map(), joined: new Set(), sequence: createSequenceCounter() };
    channel.sources.set(ssrc, source);
    return source;
  }

  #forget(channel: Channel, ssrc: number): void {
    const source = channel.sources.get(ssrc);
    channel.sources.delete(ssrc);
    if (source === undefined) return;
    for (const clock of source.clocks.values()) endClock(source, clock, channel.counts);
    channel.counts.lost += source.sequence.lost();
  }
}

/** Places what waits, and notes what its clock was like: once, where it has begun. */
function endClock({ joined }: Source, clock: RtpClock | undefined, counts: ChannelCounts): void {
  if (clock === undefined || joined.has(clock)) return;
  clock.release(Number.POSITIVE_INFINITY);
  const { ppm, slips } = clock.drift;
  counts.driftPpm = ppm ?? counts.driftPpm;
  counts.slips += slips;
}

function count(counts: Map<string, number>, encoding: string): void {
  const name = counts.has(encoding) || counts.size < MOST_ENCODINGS ? encoding : 'others';
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
