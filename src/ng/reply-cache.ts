// The replies of the last half minute, by cookie and source, so that a retransmitted request is handled once.
//
// It is full under a flood of requests, so each reply takes as little as it can: one entry in one table, its bytes in a string of
// the heap. A Buffer would take several times as much, most of it outside the heap, where it goes back to nobody soon.

/** One request that was taken: its reply, once it is there. */
export interface CacheEntry {
  readonly key: string;
  /** Bytes as Latin-1 characters. */
  reply: string | undefined;
  /** When the reply came, in whole milliseconds of the cache's clock. */
  settledAt: number;
}

export interface ReplyCacheLimits {
  /** How long a reply is kept, in milliseconds. */
  keepMs: number;
  entries: number;
  /** Of all replies and their keys together. */
  bytes: number;
  /** Requests without a reply yet. */
  pending: number;
}

/** Clients repeat a request for some six seconds: 2,000 a second, as 500 calls are, find their replies for as long. */
const LIMITS: ReplyCacheLimits = { keepMs: 30_000, entries: 32_768, bytes: 8 << 20, pending: 4096 };

/** Bounded in time, number and bytes; the oldest replies go first. Requests under way are never forgotten. */
export class ReplyCache {
  readonly #pending = new Map<string, CacheEntry>();
  /** In the order in which the replies came. */
  readonly #settled = new Map<string, CacheEntry>();
  readonly #limits: ReplyCacheLimits;
  readonly #now: () => number;
  #bytes = 0;

  constructor(limits: Partial<ReplyCacheLimits> = {}, now: () => number = () => performance.now()) {
    this.#limits = { ...LIMITS, ...limits };
    this.#now = now;
  }

  get size(): number {
    return this.#pending.size + this.#settled.size;
  }

  find(key: string): CacheEntry | undefined {
    this.#forgetOld();
    return this.#settled.get(key) ?? this.#pending.get(key);
  }

  /** Takes a request on; undefined when too many are under way. */
  open(key: string): CacheEntry | undefined {
    if (this.#pending.size >= this.#limits.pending) return undefined;
    const entry: CacheEntry = { key, reply: undefined, settledAt: 0 };
    this.#pending.set(key, entry);
    return entry;
  }

  settle(entry: CacheEntry, reply: Buffer): void {
    entry.reply = reply.toString('latin1');
    entry.settledAt = Math.floor(this.#now());
    this.#bytes += bytesOf(entry);
    this.#pending.delete(entry.key);
    this.#settled.set(entry.key, entry);
    this.#forgetOld();
  }

  #forgetOld(): void {
    const { keepMs, entries, bytes } = this.#limits;
    const oldest = this.#now() - keepMs;
    for (const entry of this.#settled.values()) {
      const isOver = this.#settled.size > entries || this.#bytes > bytes;
      if (!isOver && entry.settledAt >= oldest) return;
      this.#settled.delete(entry.key);
      this.#bytes -= bytesOf(entry);
    }
  }
}

function bytesOf({ key, reply = '' }: CacheEntry): number {
  return key.length + reply.length;
}
