// What happens in a conversation, drawn from a seed: who calls, holds, pauses, transfers and hangs up, and how bad the network is.
import { Random } from '../../src/sip/fuzz.ts';
import type { Roughness } from '../../src/testing/rough-voice.ts';

/** One of the two who are in the call: 0 the caller, 1 the callee, or who took their place. */
export type Side = 0 | 1;

/** What happens in it, in order. `acts` happen before the hold or the pause ends. */
export type Act =
  | { do: 'talk'; ms: number }
  | { do: 'hold'; by: Side; hasMusic: boolean; acts: Act[] }
  | { do: 'pause'; acts: Act[] }
  | { do: 'blind'; by: Side; isHeld: boolean }
  | { do: 'attended'; by: Side; ms: number };

export interface Script {
  index: number;
  /** The agent is recorded. */
  agentCalls: boolean;
  acts: Act[];
  end: { by: Side; whileSpeaking: boolean };
}

/** A source of numbers for one purpose: the same for the same seed and words. */
export function randomOf(seed: number, ...words: number[]): Random {
  return new Random(words.reduce((mixed, word) => new Random(mixed ^ word).below(2 ** 32), seed >>> 0));
}

export function writeScript(seed: number, index: number): Script {
  const random = randomOf(seed, index, 1);
  const writer = new Writer(random);
  return {
    index,
    agentCalls: random.chance(30),
    acts: [writer.talk(500, 1500), ...writer.acts(1 + random.below(3)), writer.talk(500, 1500)],
    end: { by: random.chance(50) ? 0 : 1, whileSpeaking: random.chance(50) },
  };
}

class Writer {
  readonly #random: Random;
  /** There is one third party. */
  #mayTransfer = true;
  #holds = 0;
  #pauses = 0;

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
    if (choice < 30 && this.#holds === 0) return this.#hold(by);
    if (choice < 60 && this.#pauses === 0) return this.#pause();
    if (choice < 90 && this.#mayTransfer && this.#holds === 0) return this.#transfer(by);
    return this.talk(300, 900);
  }

  #hold(by: Side): Act {
    this.#holds += 1;
    const acts = [this.talk(300, 900), ...this.acts(this.#random.chance(30) ? 1 : 0)];
    this.#holds -= 1;
    return { do: 'hold', by, hasMusic: this.#random.chance(50), acts };
  }

  #pause(): Act {
    this.#pauses += 1;
    const acts = [this.talk(300, 1000), ...this.acts(this.#random.chance(40) ? 1 : 0)];
    this.#pauses -= 1;
    return { do: 'pause', acts };
  }

  #transfer(by: Side): Act {
    this.#mayTransfer = false;
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
    silencePercent: some(40, 1),
    codecPercent: some(40, 1),
    sourcePercent: some(20, 0.5),
    payloadTypes: random.chance(60) ? [0, 8] : [random.pick([0, 8])],
  };
}
