// What happens in a conversation, drawn from a seed: who calls, holds, pauses, transfers and hangs up, and how bad the network is.
import { Random } from '../../src/sip/fuzz.ts';
import type { Roughness } from '../../src/testing/rough-voice.ts';

/** One of the two who are in the call: 0 the caller, 1 the callee, or who took their place. */
export type Side = 0 | 1;

/** What happens in it, in order. `acts` happen before the hold, the pause or the time without a recording ends. */
export type Act =
  | { do: 'talk'; ms: number }
  | { do: 'hold'; by: Side; hasMusic: boolean; how: 'INVITE' | 'UPDATE'; acts: Act[] }
  | { do: 'pause'; acts: Act[] }
  | { do: 'stop'; acts: Act[] }
  /** To the one of the three who is not there. */
  | { do: 'blind'; by: Side; isHeld: boolean }
  | { do: 'attended'; by: Side; ms: number }
  /** Everything else is not done any more. */
  | { do: 'hang up' };

export interface Script {
  index: number;
  /** The agent is recorded. */
  agentCalls: boolean;
  acts: Act[];
  end: { by: Side; whileSpeaking: boolean };
}

/** A source of numbers for one purpose: the same for the same seed and words. */
export function randomOf(seed: number, ...words: number[]): Random {
  const stirred = new Random(seed).below(2 ** 32);
  return new Random(words.reduce((mixed, word) => new Random(mixed ^ word).below(2 ** 32), stirred));
}

/** Of a conversation so long that drifting clocks are followed: milliseconds. */
const LONG_MS = 80_000;

/** @param isLong it has time for clocks to drift */
export function writeScript(seed: number, index: number, isLong = false): Script {
  const random = randomOf(seed, index, 1);
  const writer = new Writer(random);
  const acts = [writer.talk(500, 1500), ...writer.acts(1 + random.below(3)), writer.talk(500, 1500)];
  return {
    index,
    agentCalls: random.chance(30),
    acts: isLong ? [{ do: 'talk', ms: LONG_MS }, ...acts] : acts,
    end: { by: random.chance(50) ? 0 : 1, whileSpeaking: random.chance(50) },
  };
}

class Writer {
  readonly #random: Random;
  #transfers = 0;
  /** Who has put the call on hold. */
  readonly #holds = new Set<Side>();
  #isPaused = false;
  #isStopped = false;

  constructor(random: Random) {
    this.#random = random;
  }

  talk(least: number, most: number): Act {
    return { do: 'talk', ms: least + this.#random.below(most - least) };
  }

  acts(count: number): Act[] {
    return Array.from({ length: count }, () => [this.#act(), this.talk(400, 1300)]).flat();
  }

  #act(): Act {
    const by = this.#random.chance(50) ? 0 : 1;
    const choice = this.#random.below(100);
    if (choice < 30 && !this.#holds.has(by)) return this.#hold(by);
    if (choice < 55 && !this.#isPaused && !this.#isStopped) return this.#pause();
    if (choice < 62 && !this.#isPaused && !this.#isStopped) return this.#stop();
    if (choice < 90 && this.#transfers < 2 && this.#holds.size === 0 && !this.#isStopped)
      return this.#transfer(by);
    return this.talk(300, 900);
  }

  #hold(by: Side): Act {
    this.#holds.add(by);
    const acts = this.#within(30);
    this.#holds.delete(by);
    const how = this.#random.chance(25) ? 'UPDATE' : 'INVITE';
    return { do: 'hold', by, hasMusic: this.#random.chance(50), how, acts };
  }

  #pause(): Act {
    this.#isPaused = true;
    const acts = this.#within(40);
    this.#isPaused = false;
    return { do: 'pause', acts };
  }

  #stop(): Act {
    this.#isStopped = true;
    const acts = this.#within(30);
    this.#isStopped = false;
    return { do: 'stop', acts };
  }

  /** @param percent how often something happens besides that time passes */
  #within(percent: number): Act[] {
    const acts = [this.talk(300, 1000), ...this.acts(this.#random.chance(percent) ? 1 : 0)];
    return this.#random.chance(8) ? [...acts, { do: 'hang up' }] : acts;
  }

  #transfer(by: Side): Act {
    this.#transfers += 1;
    if (this.#random.chance(50)) return { do: 'blind', by, isHeld: this.#random.chance(50) };
    return { do: 'attended', by, ms: 600 + this.#random.below(1200) };
  }
}

/** How bad the network and the clock of one voice are. */
export function roughnessOf(random: Random): Roughness {
  const some = (percent: number, most: number) => (random.chance(percent) ? random.fraction() * most : 0);
  return {
    ppm: Math.round((random.fraction() - 0.5) * 1000),
    lossPercent: some(60, 3),
    reorderPercent: some(50, 4),
    duplicatePercent: some(40, 4),
    stallPercent: some(30, 0.6),
    silencePercent: some(40, 1),
    codecPercent: some(40, 1),
    sourcePercent: some(20, 0.5),
    payloadTypes: random.chance(60) ? [0, 8] : [random.pick([0, 8])],
  };
}
