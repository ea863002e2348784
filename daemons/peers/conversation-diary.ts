// What was done and said in one conversation, and when: what its recording is compared with.
import type { RoughVoice, SaidPacket } from '../../src/testing/rough-voice.ts';
import type { Script } from './conversation-script.ts';

/** Whether what is said is recorded: surely, perhaps (something is under way), or surely not. */
export type Rule = 'must' | 'may' | 'never';

/** A rule in the course of time; 'never' before the first change, unless another one is given. */
export class RuleLine {
  readonly #changes: { at: number; rule: Rule }[] = [];
  readonly #before: Rule;

  constructor(before: Rule = 'never') {
    this.#before = before;
  }

  /** From `at` on, microseconds since 1970; not before the change before. */
  change(at: number, rule: Rule): void {
    this.#changes.push({ at: Math.max(at, this.#changes.at(-1)?.at ?? at), rule });
  }

  at(time: number): Rule {
    return this.#changes.findLast(({ at }) => at <= time)?.rule ?? this.#before;
  }
}

/** What somebody asked for, and when it was answered: microseconds since 1970. */
export interface Asked {
  from: number;
  to: number;
}

export interface SpokenVoice {
  who: 'customer' | 'agent' | 'expert';
  number: string;
  voice: RoughVoice;
  rules: RuleLine;
}

export interface Diary {
  script: Script;
  /** Numbers: who calls, who is called, the third one. */
  numbers: Record<SpokenVoice['who'], string>;
  /** Of the switch's conversation. */
  sessionId: string;
  voices: SpokenVoice[];
  /** Pauses and transfers concern all that is said. */
  rules: RuleLine;
  pauses: { begun: Asked; ended: Asked | undefined; reason: string }[];
  holds: { by: string; begun: Asked; ended: Asked | undefined }[];
  /** What went otherwise than it should while it was played. */
  problems: string[];
}

const STRICTER: Record<Rule, number> = { must: 0, may: 1, never: 2 };

function stricter(...rules: Rule[]): Rule {
  return rules.reduce((one, other) => (STRICTER[other] > STRICTER[one] ? other : one));
}

/**
 * What is to become of a packet. One that the network held up over a change may go either way, but for what was said in a pause: that is
 * not to be heard, whenever it comes.
 */
export function ruleOf(diary: Diary, { rules }: SpokenVoice, { at, sentAt, lost }: SaidPacket): Rule {
  if (lost || sentAt === undefined) return 'never';
  const arrived = stricter(rules.at(sentAt), diary.rules.at(sentAt));
  const spoken = stricter(rules.at(at), diary.rules.at(at));
  if (diary.rules.at(at) === 'never') return 'never';
  return arrived === 'must' && spoken !== 'must' ? 'may' : arrived;
}
