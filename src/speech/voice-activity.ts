// Voice activity of one channel: where somebody speaks, by energy over a noise floor that follows the line.
//
// A frame is speech when it is louder than the quietest moment around it by a margin. The quietest moment is looked for before
// and after, so that a word at the very beginning is heard as well; a steady noise, however loud, is its own floor.
import { type Span, united } from './spans.ts';

const FRAME_MS = 20;
/** Decibels below full scale: under this nobody is understood, whatever the floor. */
const QUIETEST_SPEECH_DB = -52;
/** A gap in the media, or a channel that is muted: no noise of the line, and nothing to learn its floor from. */
const NOTHING_DB = -72;
/** How much louder than the floor speech begins, and goes on. */
const BEGIN_DB = 9;
const STAY_DB = 6;
/** The floor is the quietest moment from so long before to so long after. */
const FLOOR_FRAMES = 2500 / FRAME_MS;
/** Levels are taken over three frames: one of noise alone may be quiet by chance. */
const SMOOTH_FRAMES = 3;
const SHORTEST_MS = 100;
/** Closures and breath within a phrase. */
const BRIDGED_MS = 300;
/** Soft beginnings and ends of words. */
const BEFORE_MS = 40;
const AFTER_MS = 60;

/** Takes samples as they come, and keeps four bytes for each 20 ms. */
export class VoiceActivity {
  readonly #frameSamples: number;
  #levels = new Float32Array(1024);
  #frames = 0;
  #energy = 0;
  #count = 0;
  #samples = 0;
  readonly #rate: number;

  /** @param sampleRate Hz */
  constructor(sampleRate: number) {
    this.#rate = sampleRate;
    this.#frameSamples = Math.max(1, Math.round((sampleRate * FRAME_MS) / 1000));
  }

  /** @param stride of interleaved channels: every so many samples, from `offset` on, are this one's */
  push(samples: Int16Array, offset = 0, stride = 1): void {
    for (let at = offset; at < samples.length; at += stride) {
      const sample = samples[at] ?? 0;
      this.#energy += sample * sample;
      this.#count += 1;
      this.#samples += 1;
      if (this.#count === this.#frameSamples) this.#closeFrame();
    }
  }

  #closeFrame(): void {
    if (this.#frames === this.#levels.length) {
      const larger = new Float32Array(this.#frames * 2);
      larger.set(this.#levels);
      this.#levels = larger;
    }
    this.#levels[this.#frames++] = this.#energy / this.#count;
    this.#energy = 0;
    this.#count = 0;
  }

  /** Where somebody spoke; the end of what was taken is the end. */
  end(): Span[] {
    if (this.#count > 0) this.#closeFrame();
    const levels = smooth(this.#levels.subarray(0, this.#frames));
    const end = Math.round((this.#samples * 1000) / this.#rate);
    return shape(framesOfSpeech(levels, floors(levels)), end);
  }
}

/** Mean power over neighbouring frames, in decibels below full scale. */
function smooth(power: Float32Array): Float32Array {
  const reach = (SMOOTH_FRAMES - 1) / 2;
  return power.map((_, at) => {
    const near = power.subarray(Math.max(0, at - reach), at + reach + 1);
    let sum = 0;
    for (const one of near) sum += one;
    return 10 * Math.log10(sum / near.length / 32_768 ** 2 + 1e-10);
  });
}

/** The quietest level around each frame: a sliding minimum, in one pass. */
function floors(levels: Float32Array): Float32Array {
  const result = new Float32Array(levels.length);
  /** Frames that may yet be the quietest, from the quietest on. */
  const candidates: number[] = [];
  let first = 0;
  const levelOf = (frame: number | undefined) => levels[frame ?? -1] ?? 0;
  for (let at = 0; at < levels.length + FLOOR_FRAMES; at++) {
    const level = levels[at] ?? 0;
    if (at < levels.length && level > NOTHING_DB) {
      while (candidates.length > first && levelOf(candidates.at(-1)) >= level) candidates.pop();
      candidates.push(at);
    }
    const middle = at - FLOOR_FRAMES;
    if (middle < 0) continue;
    while ((candidates[first] ?? middle) < middle - FLOOR_FRAMES) first += 1;
    result[middle] = first < candidates.length ? levelOf(candidates[first]) : NOTHING_DB;
  }
  return result;
}

function framesOfSpeech(levels: Float32Array, floor: Float32Array): Span[] {
  const spans: Span[] = [];
  let from: number | undefined;
  for (let at = 0; at <= levels.length; at++) {
    const over = (levels[at] ?? -Infinity) - (floor[at] ?? 0);
    const isLoud = (levels[at] ?? -Infinity) > QUIETEST_SPEECH_DB;
    if (from === undefined && isLoud && over > BEGIN_DB) from = at;
    if (from !== undefined && !(isLoud && over > STAY_DB)) {
      spans.push({ from: from * FRAME_MS, to: at * FRAME_MS });
      from = undefined;
    }
  }
  return spans;
}

/** Spans as people speak: clicks left out, phrases whole. */
function shape(spans: readonly Span[], end: number): Span[] {
  const phrases = united(
    spans.filter(({ from, to }) => to - from >= SHORTEST_MS / 2),
    BRIDGED_MS,
  );
  return united(
    phrases
      .filter(({ from, to }) => to - from >= SHORTEST_MS)
      .map(({ from, to }) => ({ from: Math.max(0, from - BEFORE_MS), to: Math.min(end, to + AFTER_MS) })),
  );
}
