// When the parties of recorded calls hear the consent tone: at the beginning, and again and again. One timer for all calls.

import type { ConsentTone } from '../consent-tone.ts';
import { compand, type Law, type Sound } from './sound.ts';

/** A tone that is ready in both laws. */
export interface ReadyTone extends Omit<ConsentTone, 'sound'> {
  /** The same objects for as long as it is in use, so that each relay worker is told them once. */
  sounds: Record<Law, Sound>;
}

/** Whose parties are told. */
export interface Announced {
  announce(tone: ReadyTone): void;
}

/** Time, so that a test can stand in for it; milliseconds. */
export interface ToneClock {
  now(): number;
  /** The result calls it off. */
  after(ms: number, run: () => void): () => void;
}

const realClock: ToneClock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};

export class ConsentTones {
  readonly #clock: ToneClock;
  /** When each is to be told next; the first is due first, as all wait equally long. */
  #due = new Map<Announced, number>();
  #tone: ReadyTone | undefined;
  #callOff: () => void = () => undefined;

  constructor(tone: ConsentTone | undefined, clock: ToneClock = realClock) {
    this.#clock = clock;
    this.#tone = tone && ready(tone);
  }

  /** Another tone, or none, from now on. */
  use(tone: ConsentTone | undefined): void {
    const hadNone = this.#tone === undefined;
    this.#tone = tone && ready(tone);
    const latest = this.#clock.now() + (hadNone ? 0 : (tone?.intervalMs ?? 0));
    this.#due = new Map([...this.#due].map(([one, at]) => [one, Math.min(at, latest)]));
    this.#wait();
  }

  /** Its recording runs from now on; again for one that does changes nothing. */
  begin(one: Announced): void {
    if (this.#due.has(one)) return;
    const now = this.#clock.now();
    if (this.#tone !== undefined) one.announce(this.#tone);
    this.#due.set(one, now + (this.#tone?.intervalMs ?? 0));
    if (this.#due.size === 1) this.#wait();
  }

  end(one: Announced): void {
    this.#due.delete(one);
    if (this.#due.size === 0) this.#callOff();
  }

  #wait(): void {
    this.#callOff();
    const [first] = this.#due.values();
    if (first === undefined || this.#tone === undefined) return;
    this.#callOff = this.#clock.after(Math.max(0, first - this.#clock.now()), () => this.#turn());
  }

  #turn(): void {
    const tone = this.#tone;
    const now = this.#clock.now();
    if (tone === undefined) return;
    for (const [one, at] of [...this.#due]) {
      if (at > now) break;
      this.#due.delete(one);
      this.#due.set(one, now + tone.intervalMs);
      one.announce(tone);
    }
    this.#wait();
  }

  /** No more of it. */
  stop(): void {
    this.#due.clear();
    this.#callOff();
  }
}

function ready({ sound, ...rest }: ConsentTone): ReadyTone {
  return { ...rest, sounds: { PCMU: compand(sound, 'PCMU'), PCMA: compand(sound, 'PCMA') } };
}
