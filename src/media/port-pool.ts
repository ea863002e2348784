// The pool of media ports: pairs of an even port for RTP and the next for RTCP (RFC 3550 section 11).
import type { PortRange } from '../config.ts';
import { GrecError } from '../errors.ts';

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

export function createPortPool(range: PortRange): PortPool {
  return new Pool(range);
}

class Pool implements PortPool {
  readonly #range: PortRange;
  /** Free pairs by RTP port, longest free first. */
  readonly #free = new Set<number>();
  used = 0;

  constructor(range: PortRange) {
    this.#range = range;
    for (let port = range.first + (range.first % 2); port < range.last; port += 2) this.#free.add(port);
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
        this.#free.add(port);
        if (!(thrown instanceof GrecError) || thrown.code !== 'PORT_IN_USE') throw thrown;
      }
    }
    throw this.#exhausted();
  }

  release(rtpPort: number): void {
    if (this.#free.has(rtpPort)) return;
    this.used -= 1;
    this.#free.add(rtpPort);
  }

  /**
   * In the order in which they were given back, so that a pair rests for as long as can be: late packets of an ended call find
   * nobody. Each once, though one that is found in use joins the end again. Nothing is copied: there are thousands of them.
   */
  *#inOrder(): Generator<number> {
    let left = this.#free.size;
    for (const port of this.#free.keys()) {
      if (left === 0) return;
      left -= 1;
      yield port;
    }
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
