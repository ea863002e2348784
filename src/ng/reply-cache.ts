// The replies of the last half minute, by cookie and source, so that a retransmitted request is handled once.

/** One request that was taken: its reply, once it is there. */
export interface CacheEntry {
  readonly key: string;
  reply: Buffer | undefined;
  /** When the reply came, in milliseconds of the cache's clock. */
  settledAt: number;
}

export interface ReplyCacheLimits {
  /** How long a reply is kept, in milliseconds. */
  keepMs: number;
  entries: number;
  /** Of all replies together. */
  bytes: number;
  /** Requests without a reply yet. */
  pending: number;
}

const LIMITS: ReplyCacheLimits = { keepMs: 30_000, entries: 32_768, bytes: 32 << 20, pending: 4096 };

/** Bounded in time, number and bytes; the oldest replies go first. Requests under way are never forgotten. */
export class ReplyCache {
  readonly #entries = new Map<string, CacheEntry>();
  readonly #limits: ReplyCacheLimits;
  readonly #now: () => number;
  /** In the order in which the replies came. */
  readonly #settled = new Set<CacheEntry>();
  #bytes = 0;

  constructor(limits: Partial<ReplyCacheLimits> = {}, now: () => number = () => performance.now()) {
    this.#limits = { ...LIMITS, ...limits };
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  find(key: string): CacheEntry | undefined {
    this.#forgetOld();
    return this.#entries.get(key);
  }

  /** Takes a request on; undefined when too many are under way. */
  open(key: string): CacheEntry | undefined {
    if (this.#entries.size - this.#settled.size >= this.#limits.pending) return undefined;
    const entry: CacheEntry = { key, reply: undefined, settledAt: 0 };
    this.#entries.set(key, entry);
    return entry;
  }

  settle(entry: CacheEntry, reply: Buffer): void {
    // A copy of its own: a short Buffer keeps the whole 8 KiB slab that Node cut it from.
    entry.reply = Buffer.allocUnsafeSlow(reply.length);
    reply.copy(entry.reply);
    entry.settledAt = this.#now();
    this.#bytes += reply.length;
    this.#settled.add(entry);
    this.#forgetOld();
  }

  #forgetOld(): void {
    const { keepMs, entries, bytes } = this.#limits;
    const oldest = this.#now() - keepMs;
    for (const entry of this.#settled) {
      const isOver = this.#settled.size > entries || this.#bytes > bytes;
      if (!isOver && entry.settledAt >= oldest) return;
      this.#settled.delete(entry);
      this.#entries.delete(entry.key);
      this.#bytes -= entry.reply?.length ?? 0;
    }
  }
}
