// Slows down who guesses passwords: after a few failures the source is not answered for a while, which grows.
import { isIPv6 } from 'node:net';

export interface GuessesOptions {
  /** Milliseconds of a clock that does not go back. */
  now(): number;
  /** Sources, and pairs of source and user, that are remembered at once; beyond that the oldest are forgotten. */
  capacity?: number;
}

/** A phone with a wrong password soon has its silence, */
const FREE_FAILURES_OF_PAIR = 3;
/** an address with many phones behind it only when many of them fail. */
const FREE_FAILURES_OF_SOURCE = 20;
const FIRST_SILENCE_MS = 1000;
const LONGEST_SILENCE_MS = 60_000;
/** A source that has not failed for so long is as good as new. */
const FORGET_MS = 15 * 60_000;
const CAPACITY = 10_000;

interface Failures {
  count: number;
  lastAt: number;
  silentUntil: number;
}

/** Failed attempts by source, and by source and user, in bounded memory. Nobody is kept waiting: silence costs nothing. */
export class Guesses {
  readonly #now: () => number;
  readonly #capacity: number;
  /** In the order of their last failure. */
  readonly #failures = new Map<string, Failures>();

  constructor({ now, capacity = CAPACITY }: GuessesOptions) {
    this.#now = now;
    this.#capacity = capacity;
  }

  /**
   * Whether this attempt is not to be looked at, nor answered: a guess that is told neither right nor wrong is none.
   * @param isRegistered the sender is where a phone of that user has registered: others behind its address are not its fault
   */
  isSilent(address: string, user: string, isRegistered: () => boolean): boolean {
    const source = sourceOf(address);
    if (this.#isSilent(pairOf(source, user))) return true;
    return this.#isSilent(source) && !isRegistered();
  }

  /** Notes a wrong password. @returns how often this source has failed of late, this time included */
  fail(address: string, user: string): number {
    const source = sourceOf(address);
    this.#note(pairOf(source, user), FREE_FAILURES_OF_PAIR);
    return this.#note(source, FREE_FAILURES_OF_SOURCE);
  }

  /** Notes the right password: earlier failures of this user there were typing mistakes. */
  succeed(address: string, user: string): void {
    if (this.#failures.size > 0) this.#failures.delete(pairOf(sourceOf(address), user));
  }

  #isSilent(key: string): boolean {
    const failures = this.#failures.get(key);
    return failures !== undefined && failures.silentUntil > this.#now();
  }

  #note(key: string, free: number): number {
    const now = this.#now();
    const before = this.#failures.get(key);
    const count = before === undefined || now - before.lastAt > FORGET_MS ? 1 : before.count + 1;
    const silence = Math.min(FIRST_SILENCE_MS * 2 ** (count - free), LONGEST_SILENCE_MS);
    this.#failures.delete(key);
    this.#failures.set(key, { count, lastAt: now, silentUntil: count < free ? 0 : now + silence });
    if (this.#failures.size > this.#capacity) this.#forgetOldest();
    return count;
  }

  #forgetOldest(): void {
    for (const key of this.#failures.keys()) {
      this.#failures.delete(key);
      return;
    }
  }
}

function pairOf(source: string, user: string): string {
  return `${source}\n${user.slice(0, 64)}`;
}

/** An IPv4 address, or the /64 of an IPv6 one, within which a host has as many addresses as it likes. */
export function sourceOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  const groups = [...before, ...zeros, ...after].slice(0, 4);
  return `${groups.map((group) => group.toLowerCase()).join(':')}::/64`;
}
