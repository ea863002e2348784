// A made-up corpus for the benchmark of searching: recordings of a call centre, with words as often as they are in speech.
import type { MadeRow } from '../src/catalog/changes.ts';
import type { SpokenPassage } from '../src/speech/transcript.ts';

const WORDS = 20_000;
const DNS = 500;
const AGENTS = 400;
const CALLERS = 50_000;
const DAY_MS = 86_400_000;
const SYLLABLES = [
  'ba',
  'ce',
  'di',
  'fo',
  'gu',
  'ha',
  'ke',
  'li',
  'mo',
  'nu',
  'pa',
  're',
  'si',
  'to',
  'vu',
  'wa',
  'xe',
  'yi',
  'zo',
  'chu',
];

export class Corpus {
  #state: number;
  readonly #words: string[];

  constructor(seed = 1) {
    this.#state = seed;
    this.#words = Array.from({ length: WORDS }, (_, rank) => nameOf(rank));
  }

  /** From 0 to 1. */
  random(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }

  pick(count: number): number {
    return Math.floor(this.random() * count);
  }

  /** Zipf's law: the word of rank r about once in r times as many words. */
  word(): string {
    return this.wordOf(Math.floor(WORDS ** this.random()) - 1);
  }

  wordOf(rank: number): string {
    return this.#words[Math.max(0, Math.min(WORDS - 1, rank))] ?? '';
  }

  dn(): string {
    return `${7000 + this.pick(DNS)}`;
  }

  agent(): string {
    return `agent${this.pick(AGENTS)}`;
  }

  number(): string {
    return `+1555${this.pick(CALLERS)}`;
  }

  /** One after the other, some thousand a day. */
  recording(number: number, first: number): MadeRow {
    const id = `019aa000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`;
    const startTime = first + Math.floor((number * DAY_MS) / 5000);
    const direction = this.random() < 0.8 ? 'inbound' : 'outbound';
    const [caller, callee] = [this.number(), this.dn()];
    const duration = 20_000 + this.pick(600_000);
    return {
      id,
      state: 'complete',
      direction,
      startTime,
      duration,
      caller,
      callee,
      dn: callee,
      path: id,
      finishedAt: startTime + duration,
    };
  }

  passages(count: number, duration: number): SpokenPassage[] {
    return Array.from({ length: count }, (_, index) => {
      const role = index % 2 === 0 ? 'agent' : 'customer';
      const from = Math.floor((index * duration) / count);
      const text = Array.from({ length: 6 + this.pick(13) }, () => this.word()).join(' ');
      return { channel: index % 2, role, number: '', from, to: from + 3000, text, confidence: 0.8 };
    });
  }
}

/** A word for each rank, the short ones first, as in speech. */
function nameOf(rank: number): string {
  let name = SYLLABLES[rank % SYLLABLES.length] ?? '';
  for (let rest = Math.floor(rank / SYLLABLES.length); rest > 0; rest = Math.floor(rest / SYLLABLES.length))
    name += SYLLABLES[rest % SYLLABLES.length];
  return name;
}
