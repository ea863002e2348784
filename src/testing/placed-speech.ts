// Proves that a recorded channel holds what was said, each sample at its time, and silence everywhere else.
import { PACKET_SAMPLES } from './rough-voice.ts';

/** One packet's worth of speech, and what is to become of it. */
export interface Utterance {
  /** Who said it, for messages. */
  who: string;
  number: number;
  /** Samples at 8 kHz. */
  samples: Int16Array;
  /** When its first one was spoken: microseconds since 1970. */
  at: number;
  /** By how much at least everything came late that tells of its time: so late it may stand. In milliseconds; 0 when left out. */
  heldUpMs?: number;
  /** It has to be heard, may be, or must not be. */
  rule: 'must' | 'may' | 'never';
}

export interface SpeechReport {
  found: number;
  /** Of those that may be heard, how many are not. */
  passed: number;
  /** The largest distance of one from its time, in milliseconds; positive is late, by more than it was held up. */
  worstMs: number;
  /** Samples that were made up or left out between two packets. */
  slips: number;
  /** From the first sample found to behind the last one; undefined when there is none. */
  span: [from: number, to: number] | undefined;
  /** By voice: the numbers of the packets found, in order. */
  heard: Map<string, number[]>;
  /** By voice: the least and the largest distance of a packet from its time, in milliseconds. */
  offsets: Map<string, [least: number, most: number]>;
  /** What is wrong, in words. */
  problems: string[];
}

const SAMPLES_PER_MS = 8;
/** How far from its time a packet is looked for at first, in samples: 80 ms. */
const NEAR = 640;
/** Problems that are told in words; of more there is only the number. */
const MOST_WORDS = 6;
/** So many samples tell whose they are. */
const MARK = 8;

/**
 * Compares a channel with all that was said on it.
 * @param startAt when its first sample was recorded, microseconds since 1970
 * @param toleranceMs how far from its time a sample may stand
 * @param mayFollow whether a drifting clock was followed: then single samples may be missing or made up between two packets
 */
export function compareSpeech(
  channel: Int16Array,
  startAt: number,
  said: readonly Utterance[],
  { toleranceMs, mayFollow = false }: { toleranceMs: number; mayFollow?: boolean },
): SpeechReport {
  const work = new Comparison(channel, startAt, toleranceMs, mayFollow);
  for (const utterance of said) work.take(utterance);
  return work.finish();
}

class Comparison {
  readonly #channel: Int16Array;
  readonly #startAt: number;
  readonly #toleranceMs: number;
  readonly #mayFollow: boolean;
  readonly #explained: Uint8Array;
  readonly #report: SpeechReport = {
    found: 0,
    passed: 0,
    worstMs: 0,
    slips: 0,
    span: undefined,
    heard: new Map(),
    offsets: new Map(),
    problems: [],
  };
  #untold = 0;
  readonly #said: Utterance[] = [];
  /** By voice, where the packet before was: from its time, in samples. */
  readonly #offsets = new Map<string, number>();

  constructor(channel: Int16Array, startAt: number, toleranceMs: number, mayFollow: boolean) {
    this.#channel = channel;
    this.#startAt = startAt;
    this.#toleranceMs = toleranceMs;
    this.#mayFollow = mayFollow;
    this.#explained = new Uint8Array(channel.length);
  }

  take(utterance: Utterance): void {
    this.#said.push(utterance);
    const { who, at, rule, heldUpMs = 0, samples } = utterance;
    const due = Math.round(((at - this.#startAt) / 1000) * SAMPLES_PER_MS);
    const place = this.#find(utterance, due) ?? (rule === 'must' ? this.#findAnywhere(samples) : undefined);
    if (place === undefined) {
      if (rule === 'must') this.#tell(utterance, 'is missing');
      if (rule === 'may') this.#report.passed += 1;
      return;
    }
    this.#offsets.set(who, place - due);
    this.#note(utterance, place);
    const lateMs = ((place * 1000) / SAMPLES_PER_MS - (at - this.#startAt)) / 1000;
    const error = lateMs - Math.max(0, Math.min(lateMs, heldUpMs));
    if (Math.abs(error) > Math.abs(this.#report.worstMs)) this.#report.worstMs = error;
    const [least, most] = this.#report.offsets.get(who) ?? [lateMs, lateMs];
    this.#report.offsets.set(who, [Math.min(least, lateMs), Math.max(most, lateMs)]);
    if (rule === 'never') this.#tell(utterance, 'is heard, and must not be');
    else if (lateMs < -this.#toleranceMs || lateMs > this.#toleranceMs + heldUpMs)
      this.#tell(utterance, `stands ${lateMs.toFixed(1)} ms from its time`);
  }

  #note({ who, number }: Utterance, place: number): void {
    const { heard, span = [place, place] } = this.#report;
    this.#report.found += 1;
    const numbers = heard.get(who);
    if (numbers === undefined) heard.set(who, [number]);
    else numbers.push(number);
    this.#report.span = [Math.min(span[0], place), Math.max(span[1], place + PACKET_SAMPLES)];
    this.#explained.fill(1, Math.max(0, place), place + PACKET_SAMPLES);
  }

  /** Where the packet before was, or near its time. */
  #find({ samples, who }: Utterance, due: number): number | undefined {
    const offset = this.#offsets.get(who) ?? 0;
    for (let step = 0; step <= NEAR; step += 1)
      for (const place of step === 0 ? [due + offset] : [due + offset + step, due + offset - step])
        if (this.#isAt(samples, place)) return place;
    return undefined;
  }

  #isAt(samples: Int16Array, place: number): boolean {
    const end = place + samples.length - 1;
    if (place < 0 || end >= this.#channel.length) return false;
    for (let index = 1; index < samples.length - 1; index += 1)
      if (this.#channel[place + index] !== samples[index]) return false;
    const [isFirst, isLast] = [
      this.#channel[place] === samples[0],
      this.#channel[end] === samples[samples.length - 1],
    ];
    if (isFirst && isLast) return true;
    // What a step of a fast clock leaves out is the first sample of a packet, or the last one when a later packet came first.
    if (!this.#mayFollow || isFirst === isLast || (isLast && this.#explained[place] !== 1)) return false;
    this.#report.slips += 1;
    return true;
  }

  #findAnywhere(samples: Int16Array): number | undefined {
    for (let place = 0; place + samples.length <= this.#channel.length; place += 1)
      if (this.#isAt(samples, place)) return place;
    return undefined;
  }

  #tell({ who, number, at }: Utterance, what: string): void {
    const seconds = ((at - this.#startAt) / 1e6).toFixed(4);
    this.#add(`packet ${number} of ${who}, spoken at ${seconds} s, ${what}`);
  }

  #add(problem: string): void {
    if (this.#report.problems.length < MOST_WORDS) this.#report.problems.push(problem);
    else this.#untold += 1;
  }

  finish(): SpeechReport {
    this.#lookAtTheRest();
    if (this.#untold > 0) this.#report.problems.push(`and ${this.#untold} more`);
    return this.#report;
  }

  /** What nobody said must be silence, but for the samples with which a slow clock is followed. */
  #lookAtTheRest(): void {
    const isSound = (at: number) => this.#explained[at] === 0 && this.#channel[at] !== 0;
    for (let at = 0; at < this.#channel.length; at += 1) {
      if (!isSound(at)) continue;
      let end = at + 1;
      for (let next = end; next < this.#channel.length && this.#explained[next] === 0; next += 1)
        if (this.#channel[next] !== 0) end = next + 1;
      const isStep = this.#mayFollow && end === at + 1 && this.#explained[at - 1] === 1;
      if (isStep) this.#report.slips += 1;
      else
        this.#add(
          `${end - at} samples of sound at ${(at / 8000).toFixed(3)} s that nobody said there${this.#origin(at, end)}`,
        );
      at = end;
    }
  }

  /** Whose words they are. */
  #origin(from: number, to: number): string {
    const mark = this.#channel
      .subarray(from, Math.min(to, from + PACKET_SAMPLES))
      .subarray(-MARK)
      .join();
    for (const { who, number, at, samples, rule } of this.#said)
      for (let index = 0; index + MARK <= samples.length; index += 1)
        if (samples.subarray(index, index + MARK).join() === mark)
          return `: packet ${number} of ${who}, spoken at ${((at - this.#startAt) / 1e6).toFixed(3)} s (${rule})`;
    return '';
  }
}
