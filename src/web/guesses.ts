// Guessing passwords is slowed down: after some that were wrong, each address and each name has to wait, longer each time.
import { sourceOf } from './limits.ts';

const FREE_BY_ADDRESS = 10;
const FREE_BY_NAME = 50;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 900_000;
/** So long after the last one all is forgotten. */
const FORGET_MS = 3_600_000;
const MOST_KNOWN = 10_000;

interface Wrong {
  count: number;
  at: number;
}

export class Guesses {
  readonly #now: () => number;
  readonly #wrong = new Map<string, Wrong>();

  /** @param now milliseconds, never going back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Seconds until another password is looked at; 0: now. */
  wait(address: string, name: string): number {
    const waits = keysOf(address, name).map(([key, free]) => this.#waitOf(key, free));
    return Math.ceil(Math.max(...waits) / 1000);
  }

  /** Counted before the password is looked at: many at a time are many guesses. */
  begin(address: string, name: string): void {
    for (const [key] of keysOf(address, name)) {
      const count = (this.#known(key)?.count ?? 0) + 1;
      this.#wrong.delete(key);
      this.#wrong.set(key, { count, at: this.#now() });
    }
    while (this.#wrong.size > MOST_KNOWN) {
      const [oldest] = this.#wrong.keys();
      if (oldest === undefined) break;
      this.#wrong.delete(oldest);
    }
  }

  /** It was the right one: what was counted for it is taken back, and no more, or a guesser's own account would free them. */
  wasRight(address: string, name: string): void {
    for (const [key] of keysOf(address, name)) {
      const known = this.#wrong.get(key);
      if (known === undefined) continue;
      if (known.count <= 1) this.#wrong.delete(key);
      else known.count -= 1;
    }
  }

  #known(key: string): Wrong | undefined {
    const known = this.#wrong.get(key);
    return known !== undefined && this.#now() - known.at < FORGET_MS ? known : undefined;
  }

  #waitOf(key: string, free: number): number {
    const known = this.#known(key);
    if (known === undefined || known.count < free) return 0;
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(known.count - free, 20));
    return Math.max(0, known.at + wait - this.#now());
  }
}

function keysOf(address: string, name: string): [string, number][] {
  return [
    [`address ${sourceOf(address)}`, FREE_BY_ADDRESS],
    [`name ${name}`, FREE_BY_NAME],
  ];
}
