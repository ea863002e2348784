// What a request may be at most, and how often one may come.

export const LARGEST_BODY_BYTES = 65_536;
export const LARGEST_HEADER_BYTES = 16_384;
export const MOST_HEADERS = 64;
export const DEEPEST_JSON = 16;
const MOST_KNOWN = 20_000;

/** Looks at brackets alone: before a parser does, which may recurse. */
export function isTooDeep(json: string, deepest = DEEPEST_JSON): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < json.length; at += 1) {
    const char = json[at];
    if (isInString) {
      if (char === '\\') at += 1;
      else if (char === '"') isInString = false;
    } else if (char === '"') isInString = true;
    else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') depth -= 1;
    if (depth > deepest) return true;
  }
  return false;
}

/** A bucket for each name, filled evenly; bounded in number, so that a flood of names takes no memory. */
export class Rates {
  readonly #perMinute: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { left: number; at: number }>();

  /** @param now milliseconds, never going back */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** @returns 0 when it may, else after how many seconds it may */
  take(name: string): number {
    const now = this.#now();
    const { left, at } = this.#buckets.get(name) ?? { left: this.#perMinute, at: now };
    const filled = Math.min(this.#perMinute, left + ((now - at) * this.#perMinute) / 60_000);
    const may = filled >= 1;
    this.#buckets.delete(name);
    this.#buckets.set(name, { left: may ? filled - 1 : filled, at: now });
    if (this.#buckets.size > MOST_KNOWN) this.#forgetOldest();
    return may ? 0 : Math.ceil(((1 - filled) * 60) / this.#perMinute);
  }

  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}

/** An IPv6 network of 64 bits is one customer's. */
export function sourceOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = ''] = address.split('::');
  return address.includes('::') && head.split(':').length < 4
    ? address
    : address.split(':').slice(0, 4).join(':');
}
