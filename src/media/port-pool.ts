// The pool of media ports: pairs of an even port for RTP and the next for RTCP (RFC 3550 section 11).
import type { PortRange } from '../config.ts';
import { GrecError } from '../errors.ts';

/** How long a freed pair rests, so that late packets of an ended call find nobody, in milliseconds. */
const QUARANTINE_MS = 30_000;

export interface PortPool {
  /** Pairs in use. */
  readonly used: number;
  readonly free: number;
  /**
   * Opens the pair that has been free for the longest. A pair that another process holds is passed over.
   * @param open binds the pair, or throws GrecError PORT_IN_USE
   * @throws GrecError PORTS_EXHAUSTED, or what `open` threw otherwise
   */
  open<T>(open: (rtpPort: number) => Promise<T>): Promise<T>;
  /** Gives a pair back. */
  release(rtpPort: number): void;
}

/** @param now milliseconds of any clock that does not go back */
export function createPortPool(range: PortRange, now: () => number = () => performance.now()): PortPool {
  return new Pool(range, now);
}

class Pool implements PortPool {
  readonly #range: PortRange;
  readonly #now: () => number;
  /** Free pairs by RTP port, longest free first, with the time from which they may be used again. */
  readonly #free = new Map<number, number>();
  used = 0;

  constructor(range: PortRange, now: () => number) {
    this.#range = range;
    this.#now = now;
    for (let port = range.first + (range.first % 2); port < range.last; port += 2) this.#free.set(port, 0);
  }

  get free(): number {
    return this.#free.size;
  }

  async open<T>(open: (rtpPort: number) => Promise<T>): Promise<T> {
    for (const port of this.#inOrder()) {
      // Another opening may have taken it while this one waited.
      if (!this.#free.delete(port)) continue;
      this.used += 1;
      try {
        return await open(port);
      } catch (thrown) {
        this.used -= 1;
        this.#free.set(port, 0);
        if (!(thrown instanceof GrecError) || thrown.code !== 'PORT_IN_USE') throw thrown;
      }
    }
    throw this.#exhausted();
  }

  release(rtpPort: number): void {
    if (this.#free.has(rtpPort)) return;
    this.used -= 1;
    this.#free.set(rtpPort, this.#now() + QUARANTINE_MS);
  }

  /** Rested pairs first; pairs still in quarantine only when nothing else is left: a call matters more. */
  *#inOrder(): Generator<number> {
    const resting: number[] = [];
    const now = this.#now();
    for (const [port, restsUntil] of [...this.#free]) {
      if (restsUntil <= now) yield port;
      else resting.push(port);
    }
    yield* resting;
  }

  #exhausted(): GrecError {
    const { first, last } = this.#range;
    return new GrecError(
      'PORTS_EXHAUSTED',
      `no media ports left in ${first}-${last} (${this.used} pairs in use)`,
      {
        hint: 'widen [mediad] ports; a call takes two pairs',
      },
    );
  }
}
