// Where the samples of one SSRC stand in true time: RTP timestamps (RFC 3550 section 5.1) anchored to the wall clock.
//
// Samples stand exactly where their timestamps say, relative to one anchor for each run of the stream's clock. The
// anchor is the least of (arrival - RTP time) over the first second of a run: the packet that the network delayed
// least tells best when its samples were spoken, so a late first packet shifts nothing. A run ends when the stream's
// clock was restarted: the timestamps disagree with the arrivals by over half a second and go on doing so. A network
// stall looks the same at first, but the packets after it catch up; a silence without packets agrees with the clock.
//
// Where the sender's clock is sure to drift (drift.ts), the anchor follows it by a sample at a time: what runs fast loses one between two
// packets, what runs slow gets one, which the window makes up from its neighbours.

import type { Codec } from './codecs.ts';
import { DriftMeter } from './drift.ts';

/** Audio that waits for its place on the timeline. */
export interface AudioPacket {
  /** Arrival in microseconds since the timeline's origin. */
  at: number;
  /** The 32 bits of the RTP header. */
  timestamp: number;
  payload: Uint8Array;
  /** Linear sample of each byte of the payload; undefined when a decoder makes samples of it. */
  table: Int16Array | undefined;
  codec?: Codec | undefined;
  /** The lane, see window.ts. */
  channel: number;
  /** Filled in by the clock: its ticks since the timeline's origin. Of what has a table, a tick is a sample. */
  position: number;
  /** When nothing may be heard: microseconds since the timeline's origin. What was said then is not placed. */
  silences?: readonly (readonly [from: number, to: number])[] | undefined;
}

/**
 * How far packets are looked at ahead before one is placed, in microseconds of arrival: a sender or a network that stood still
 * takes as long again, on a machine that has little time, to catch up.
 */
export const LOOKAHEAD_US = 4_000_000;
/** Timestamps and arrivals that disagree by more than this need an explanation. */
const DISAGREEMENT_US = 500_000;
/** How long the least recent offset is remembered: it follows the drift between the clocks. */
const BASELINE_US = 5_000_000;
/** A single packet this late is still one of its run; what comes later has a timestamp that says nothing. */
const LATEST_US = 5_000_000;
/** Packets looked at ahead, at most: no flood makes a packet cost more. */
const LOOKAHEAD_PACKETS = 512;
/** Drift that has summed up to this is corrected in one step, so that placement stays within the mixdown's window. */
const MOST_DRIFT_US = 15_000_000;
/** An eighth of a millisecond: a sample of the recording. In microseconds. */
const SLIP_US = 125;
/** Packets from one such step to the next, at least: 1560 ppm at 20 ms, and the pitch of nothing is heard to change. */
const PACKETS_PER_SLIP = 4;
/** What was silent before this packet, by its timestamp, has room for any number of steps at once. In microseconds. */
const SILENCE_US = 100_000;
/** Steps that are remembered, for packets that were spoken before them and come later: five seconds of them at least. */
const MOST_STEPS = 64;

interface Waiting {
  packet: AudioPacket;
  /** Timestamp with its cycles, from 0. */
  rtp: number;
  /** Arrival minus RTP time, in microseconds. */
  offset: number;
}

/** Packets whose offsets follow on one another. */
interface Chain {
  length: number;
  least: number;
  /** They came faster than they were spoken, as what a network has held up does; so does a single one, perhaps. */
  isBurst: boolean;
}

/** The clock of one SSRC. */
export class RtpClock {
  readonly #microsPerTick: number;
  readonly #place: (packet: AudioPacket) => void;
  readonly #stray: () => void;
  #queue: Waiting[] = [];
  #head = 0;
  #rtp = 0;
  #lastTimestamp: number | undefined;
  #lastOffset = 0;
  /** Offset of the run, in ticks; undefined before the first run. */
  #anchor: number | undefined;
  #baseline = { least: 0, before: 0, since: 0 };
  #drift = new DriftMeter();
  #sinceSlip = 0;
  #slips = 0;
  /** The highest timestamp of those placed before, with its cycles. */
  #placedRtp = 0;
  /** The last steps, each in ticks from a timestamp on. */
  #steps: { rtp: number; ticks: number }[] = [];

  /**
   * @param clockRate ticks a second
   * @param place gets each packet with its position
   * @param stray is told of each packet that belongs to no run
   */
  constructor(clockRate: number, place: (packet: AudioPacket) => void, stray: () => void) {
    this.#microsPerTick = 1e6 / clockRate;
    this.#place = place;
    this.#stray = stray;
  }

  /** Takes one audio packet, in the order of arrival. */
  add(packet: AudioPacket): void {
    this.#rtp += this.#lastTimestamp === undefined ? 0 : (packet.timestamp - this.#lastTimestamp) | 0;
    this.#lastTimestamp = packet.timestamp;
    this.#lastOffset = packet.at - this.#rtp * this.#microsPerTick;
    this.#queue.push({ packet, rtp: this.#rtp, offset: this.#lastOffset });
  }

  /**
   * Whether a packet that comes now with this timestamp is of the run of those before: the stream of a party that a transfer has
   * taken from one call into another.
   */
  isContinuedBy(at: number, timestamp: number): boolean {
    if (this.#lastTimestamp === undefined) return false;
    const rtp = this.#rtp + ((timestamp - this.#lastTimestamp) | 0);
    return Math.abs(at - rtp * this.#microsPerTick - this.#lastOffset) <= DISAGREEMENT_US;
  }

  /** Takes the times of a sender report, when packets have come: the sender's own clock, in microseconds, and the timestamp. */
  addReport(at: number, clock: number, timestamp: number): void {
    if (this.#lastTimestamp === undefined) return;
    const rtp = this.#rtp + ((timestamp - this.#lastTimestamp) | 0);
    this.#drift.addReport(at, clock - rtp * this.#microsPerTick);
  }

  /** What its clock did: by how many parts in a million it was fast, if that is sure, and the samples that were made up or left out. */
  get drift(): { ppm: number | undefined; slips: number } {
    const { drift } = this.#drift;
    return { ppm: drift && -drift.slope * 1e6, slips: this.#slips };
  }

  /** Places the packets that arrived up to {@link LOOKAHEAD_US} before `now`. */
  release(now: number): void {
    for (;;) {
      const waiting = this.#queue[this.#head];
      if (waiting === undefined || waiting.packet.at > now - LOOKAHEAD_US) break;
      this.#decide(waiting);
      this.#head += 1;
    }
    if (this.#head > 256) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  #decide(waiting: Waiting): void {
    if (this.#anchor === undefined) this.#begin(waiting);
    else if (Math.abs(waiting.offset - this.#recent()) > DISAGREEMENT_US && !this.#explain(waiting)) {
      this.#stray();
      return;
    }
    this.#follow(waiting);
    const { packet } = waiting;
    packet.position = waiting.rtp + this.#anchorAt(waiting.rtp);
    if (!this.#isSilenced(packet)) this.#place(packet);
  }

  /** What the network held up over a step stands where it would have stood. */
  #anchorAt(rtp: number): number {
    let anchor = this.#anchor ?? 0;
    for (const step of this.#steps) if (step.rtp > rtp) anchor -= step.ticks;
    return anchor;
  }

  /** It comes from a time of which nothing is to be heard, and the network held it up until that was over. */
  #isSilenced({ position, silences }: AudioPacket): boolean {
    if (silences === undefined || silences.length === 0) return false;
    const at = position * this.#microsPerTick;
    return silences.some(([from, to]) => at >= from && at < to);
  }

  /** @returns false when the packet is an outlier, whose timestamp says nothing */
  #explain(waiting: Waiting): boolean {
    const recent = this.#recent();
    const { length, least, isBurst } = this.#chain(waiting);
    const isLate = waiting.offset > recent;
    if (isLate && least <= recent + DISAGREEMENT_US) return true;
    const isHeldUp = isLate && isBurst && waiting.offset - recent < LATEST_US;
    if (length > this.#returning(recent) && !isHeldUp) {
      this.#begin(waiting);
      return true;
    }
    return isLate && waiting.offset - recent < LATEST_US;
  }

  /** A new run: the stream's clock is anchored to the arrivals. */
  #begin(waiting: Waiting): void {
    const { least } = this.#firstChain(waiting);
    this.#anchor = Math.round(least / this.#microsPerTick);
    this.#baseline = { least, before: least, since: waiting.packet.at };
    this.#drift = new DriftMeter();
    this.#steps = [];
    this.#placedRtp = waiting.rtp;
  }

  /** What the network held up at the beginning belongs to what follows it. */
  #firstChain(waiting: Waiting): Chain {
    const chain = this.#chain(waiting);
    if (!chain.isBurst) return chain;
    const next = this.#ahead().find(({ offset }) => {
      return offset < chain.least - DISAGREEMENT_US && offset > waiting.offset - LATEST_US;
    });
    return next === undefined ? chain : this.#chain(next);
  }

  /** The packets waiting from this one on whose offsets follow on one another. */
  #chain(waiting: Waiting): Chain {
    let { offset: last, offset: least, rtp: to } = waiting;
    let length = 1;
    for (const { offset, rtp } of this.#ahead()) {
      if (Math.abs(offset - last) > DISAGREEMENT_US) continue;
      last = offset;
      least = Math.min(least, offset);
      to = Math.max(to, rtp);
      length += 1;
    }
    const spoken = (to - waiting.rtp) * this.#microsPerTick;
    return { length, least, isBurst: waiting.offset - least >= spoken / 2 };
  }

  /** How many of the packets waiting agree with the run as it was. */
  #returning(recent: number): number {
    return this.#ahead().filter(({ offset }) => Math.abs(offset - recent) <= DISAGREEMENT_US).length;
  }

  #ahead(): Waiting[] {
    return this.#queue.slice(this.#head + 1, this.#head + 1 + LOOKAHEAD_PACKETS);
  }

  /** The least offset of the last seconds: what the network delayed least. */
  #recent(): number {
    return Math.min(this.#baseline.least, this.#baseline.before);
  }

  #follow(waiting: Waiting): void {
    const { offset, packet } = waiting;
    const baseline = this.#baseline;
    if (packet.at - baseline.since > BASELINE_US) {
      baseline.before = baseline.least;
      baseline.least = offset;
      baseline.since = packet.at;
    } else baseline.least = Math.min(baseline.least, offset);
    const drift = this.#recent() - (this.#anchor ?? 0) * this.#microsPerTick;
    if (Math.abs(drift) > MOST_DRIFT_US) this.#begin(waiting);
    else this.#slip(waiting);
  }

  /** A step towards where the drift has brought the sender's clock, if it is due: all the way where there is silence. */
  #slip({ packet: { at }, rtp, offset }: Waiting): void {
    const base = (this.#anchor ?? 0) * this.#microsPerTick;
    this.#drift.add(at, offset, base);
    const { drift } = this.#drift;
    const before = this.#placedRtp;
    this.#placedRtp = Math.max(before, rtp);
    this.#sinceSlip += 1;
    if (drift === undefined || rtp < before) return;
    const due = Math.trunc((drift.base + drift.slope * at - base) / SLIP_US);
    if (due === 0) return;
    const silence = (rtp - before) * this.#microsPerTick;
    const hasRoom =
      silence > SILENCE_US && Math.abs(due) * SLIP_US < silence / 2 && !this.#isAwaited(before, rtp);
    if (this.#sinceSlip < PACKETS_PER_SLIP && !hasRoom) return;
    const steps = hasRoom ? due : Math.sign(due);
    const ticks = steps * Math.max(1, Math.round(SLIP_US / this.#microsPerTick));
    this.#anchor = (this.#anchor ?? 0) + ticks;
    this.#steps.push({ rtp, ticks });
    if (this.#steps.length > MOST_STEPS) this.#steps.shift();
    this.#slips += Math.abs(steps);
    this.#sinceSlip = 0;
  }

  /** Whether what seems silence between these two is only late. */
  #isAwaited(from: number, to: number): boolean {
    return this.#ahead().some(({ rtp }) => rtp > from && rtp < to);
  }
}
