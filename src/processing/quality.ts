// The quality of each channel, from what a capture holds of it: RTP as it arrived, and the reports of both parties (RFC 3550). Pure.
//
// It is measured where the capture was made: the way from the party to the media server. What a party hears it says itself, in
// its RTCP reports.
import type { ReportBlock, RtcpReport } from '../rtp/rtcp.ts';
import { estimateMos } from './e-model.ts';
import { type LossCounts, LossRuns } from './loss-runs.ts';
import type { PayloadKind } from './stream-map.ts';

/** Sources that a channel remembers: a party has one or two at a time, a hostile one any number. */
const MOST_SOURCES = 16;
const MOST_SENDER_REPORTS = 64;
/** Timestamps and arrivals that disagree by more than this are a new clock, not jitter; in seconds. */
const NEW_CLOCK_S = 2;
/** A round trip longer than this is a report that says nothing; in milliseconds. */
const LONGEST_ROUND_TRIP_MS = 10_000;

/** Of one channel; times in milliseconds. Undefined is what the capture does not tell. */
export interface MeasuredQuality {
  lost: number;
  duplicates: number;
  reordered: number;
  /** Most packets lost in a row. */
  lostInRow: number;
  /** Longest time between two packets. */
  longestGapMs: number;
  /** Interarrival jitter (section 6.4.1): its mean and its highest value. */
  jitterMs: number | undefined;
  maxJitterMs: number | undefined;
  /** Between the capture and the party, and back. */
  roundTripMs: number | undefined;
  maxRoundTripMs: number | undefined;
  mos: number | undefined;
  /** What the party reports of what it hears. */
  rtcp: { reports: number; lost: number; maxFractionLost: number; jitterMs: number } | undefined;
}

interface Source {
  runs: LossRuns;
  /** Of the last audio packet: arrival in seconds, timestamp in seconds. */
  last: { at: number; timestamp: number } | undefined;
  clockRate: number;
  /** Seconds. */
  jitter: number;
}

/** A mean and a highest value. */
class Series {
  #sum = 0;
  count = 0;
  most = 0;

  add(value: number): void {
    this.#sum += value;
    this.count += 1;
    this.most = Math.max(this.most, value);
  }

  get mean(): number | undefined {
    return this.count === 0 ? undefined : this.#sum / this.count;
  }
}

class Channel {
  readonly sources = new Map<number, Source>();
  readonly ended: LossCounts[] = [];
  readonly jitter = new Series();
  readonly roundTrip = new Series();
  readonly reportedJitter = new Series();
  /** What is reported as lost of each source, the last word of it. */
  readonly reportedLost = new Map<number, number>();
  maxFractionLost = 0;
  reports = 0;
  longestGap = 0;
  lastAt: number | undefined;
  /** Arrival of the party's sender reports, in seconds, by the middle of their NTP timestamp. */
  readonly senderReports = new Map<number, number>();
  readonly encodings = new Map<string, number>();
}

export interface QualityPacket {
  /** The lane, see window.ts; in a plain call the channel. */
  channel: number;
  /** Arrival in microseconds. */
  at: number;
  ssrc: number;
  sequenceNumber: number;
  timestamp: number;
  kind: PayloadKind;
}

export class QualityMeter {
  readonly #channels = new Map<number, Channel>();

  #of(index: number): Channel {
    const channel = this.#channels.get(index) ?? new Channel();
    this.#channels.set(index, channel);
    return channel;
  }

  /** Between segments nothing was captured: what is missing there is not lost. @param lanes of the segment */
  beginSegment(lanes: readonly number[] = [0, 1]): void {
    for (const channel of lanes.map((lane) => this.#of(lane))) {
      for (const ssrc of [...channel.sources.keys()]) forget(channel, ssrc);
      channel.lastAt = undefined;
    }
  }

  /** Takes a packet of a party, in the order of arrival. */
  add({ channel: index, at, ssrc, sequenceNumber, timestamp, kind }: QualityPacket): void {
    const channel = this.#of(index);
    if (channel.lastAt !== undefined) channel.longestGap = Math.max(channel.longestGap, at - channel.lastAt);
    channel.lastAt = at;
    const source = sourceOf(channel, ssrc);
    if (!source.runs.add(sequenceNumber) || kind.kind === 'silence') return;
    const count = channel.encodings.get(kind.encoding) ?? 0;
    if (count > 0 || channel.encodings.size < MOST_SOURCES) channel.encodings.set(kind.encoding, count + 1);
    if (kind.clockRate === undefined) return;
    source.clockRate = kind.clockRate;
    measureJitter(channel, source, at / 1e6, timestamp / kind.clockRate);
  }

  /** Takes what came in one RTCP datagram of a party. @param heard the lane of whom it hears */
  addReports(index: number, at: number, reports: readonly RtcpReport[], heard = index === 0 ? 1 : 0): void {
    const channel = this.#of(index);
    const other = this.#of(heard);
    for (const { ntpMiddle, blocks } of reports) {
      if (ntpMiddle !== undefined) noteSenderReport(channel, ntpMiddle, at / 1e6);
      for (const block of blocks) takeBlock(channel, other, block, at / 1e6);
    }
  }

  /**
   * What was measured; ask once, at the end.
   * @param leftOut packets that came and are not in the capture: their sequence numbers are missing all the same
   */
  result(index: number, leftOut = 0): MeasuredQuality {
    const channel = this.#of(index);
    for (const ssrc of [...channel.sources.keys()]) forget(channel, ssrc);
    const sum = (of: (counts: LossCounts) => number) =>
      channel.ended.reduce((total, one) => total + of(one), 0);
    const lost = Math.max(0, sum((one) => one.lost) - leftOut);
    const received = sum((one) => one.received);
    const runs = sum((one) => one.runs);
    const [jitterMs, roundTripMs] = [inMs(channel.jitter.mean), inMs(channel.roundTrip.mean)];
    return {
      lost,
      duplicates: sum((one) => one.duplicates),
      reordered: sum((one) => one.reordered),
      lostInRow: Math.min(lost, Math.max(0, ...channel.ended.map(({ longestRun }) => longestRun))),
      longestGapMs: Math.round(channel.longestGap / 1000),
      jitterMs,
      maxJitterMs: channel.jitter.count === 0 ? undefined : inMs(channel.jitter.most),
      roundTripMs,
      maxRoundTripMs: channel.roundTrip.count === 0 ? undefined : inMs(channel.roundTrip.most),
      mos:
        received === 0 ? undefined : mosOf(channel, lost / (lost + received), runs === 0 ? 1 : lost / runs),
      rtcp: reportsOf(channel),
    };
  }
}

function sourceOf(channel: Channel, ssrc: number): Source {
  const known = channel.sources.get(ssrc);
  if (known !== undefined) return known;
  const [oldest] = channel.sources.keys();
  if (oldest !== undefined && channel.sources.size >= MOST_SOURCES) forget(channel, oldest);
  const source: Source = { runs: new LossRuns(), last: undefined, clockRate: 8000, jitter: 0 };
  channel.sources.set(ssrc, source);
  return source;
}

/** Its counts are kept, summed up, so that any number of sources takes no memory. */
function forget(channel: Channel, ssrc: number): void {
  const source = channel.sources.get(ssrc);
  channel.sources.delete(ssrc);
  if (source === undefined) return;
  source.runs.end();
  const total = channel.ended.pop();
  const { counts } = source.runs;
  channel.ended.push(total === undefined ? counts : added(total, counts));
}

function added(one: LossCounts, other: LossCounts): LossCounts {
  return {
    received: one.received + other.received,
    lost: one.lost + other.lost,
    duplicates: one.duplicates + other.duplicates,
    reordered: one.reordered + other.reordered,
    runs: one.runs + other.runs,
    longestRun: Math.max(one.longestRun, other.longestRun),
  };
}

/** RFC 3550 section 6.4.1: D is the change of the time on the way, and J follows it by a sixteenth. */
function measureJitter(channel: Channel, source: Source, at: number, timestamp: number): void {
  const { last } = source;
  source.last = { at, timestamp };
  if (last === undefined) return;
  // The timestamp has 32 bits and may have gone round.
  const cycle = 2 ** 32 / source.clockRate;
  const passed = timestamp - last.timestamp;
  const difference = Math.abs(at - last.at - (passed - Math.round(passed / cycle) * cycle));
  if (difference > NEW_CLOCK_S) return;
  source.jitter += (difference - source.jitter) / 16;
  channel.jitter.add(source.jitter);
}

function noteSenderReport(channel: Channel, ntpMiddle: number, at: number): void {
  const { senderReports } = channel;
  const [oldest] = senderReports.keys();
  if (oldest !== undefined && senderReports.size >= MOST_SENDER_REPORTS) senderReports.delete(oldest);
  senderReports.set(ntpMiddle, at);
}

/** A block tells of the other party's stream; of what is not one, or is encrypted (SRTCP), it tells nothing. */
function takeBlock(channel: Channel, other: Channel, block: ReportBlock, at: number): void {
  const source = other.sources.get(block.ssrc);
  if (source === undefined) return;
  channel.reports += 1;
  channel.maxFractionLost = Math.max(channel.maxFractionLost, block.fractionLost);
  channel.reportedJitter.add(block.jitter / source.clockRate);
  if (channel.reportedLost.has(block.ssrc) || channel.reportedLost.size < MOST_SOURCES)
    channel.reportedLost.set(block.ssrc, Math.max(0, block.cumulativeLost));
  // The sender report passed here on its way to the party, which tells how long it kept its answer (section 6.4.1).
  const passed = block.lastReport === 0 ? undefined : other.senderReports.get(block.lastReport);
  const roundTrip = passed === undefined ? -1 : at - passed - block.delay;
  if (roundTrip >= 0 && roundTrip * 1000 < LONGEST_ROUND_TRIP_MS) channel.roundTrip.add(roundTrip);
}

function reportsOf(channel: Channel): MeasuredQuality['rtcp'] {
  if (channel.reports === 0) return undefined;
  return {
    reports: channel.reports,
    lost: [...channel.reportedLost.values()].reduce((sum, lost) => sum + lost, 0),
    maxFractionLost: Math.round(channel.maxFractionLost * 1000) / 1000,
    jitterMs: inMs(channel.reportedJitter.mean) ?? 0,
  };
}

/** Half of the round trip, when it is known, and what evens out the jitter. */
function mosOf(channel: Channel, lossRate: number, meanLossRun: number): number | undefined {
  const [most] = [...channel.encodings].sort(([, one], [, other]) => other - one);
  const delayMs = ((channel.roundTrip.mean ?? 0) / 2 + 2 * (channel.jitter.mean ?? 0)) * 1000;
  return most && estimateMos({ encoding: most[0], lossRate, meanLossRun, delayMs });
}

/** With one digit. */
function inMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 10_000) / 10;
}
