// Hostile SIP, reproducible from a seed: structured cases first, since random bit flips find none of the known crashes.

import {
  ELEMENTS,
  HEADER_NAMES,
  METHODS,
  NAMES,
  NUMBERS,
  PORTS,
  RAW,
  SDP,
  SEPARATORS,
  SMUGGLED,
  TEMPLATES,
  UNICODE,
} from './fuzz-words.ts';

/** A source of pseudo-random numbers (mulberry32): the same seed gives the same messages on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    const element = list[this.below(list.length)];
    if (element === undefined) throw new RangeError('nothing to pick from');
    return element;
  }

  /** Small as a rule, now and then as large as a datagram can be. */
  size(): number {
    return this.below(2 ** (1 + this.below(this.chance(5) ? 16 : 8)));
  }
}

/** Makes hostile datagrams and streams. `corpus` adds messages to start from. */
export class Fuzzer {
  readonly #random: Random;
  readonly #corpus: readonly Buffer[];

  constructor(seed: number, corpus: readonly Buffer[] = []) {
    this.#random = new Random(seed);
    this.#corpus = corpus;
  }

  /** One datagram, of at most 65,507 bytes. */
  datagram(): Buffer {
    const random = this.#random;
    let bytes = this.#message();
    while (random.chance(35)) bytes = this.#mangle(bytes);
    return bytes.subarray(0, 65_507);
  }

  /** The chunks of one TCP connection: good and bad messages, keep-alives and rubbish, cut anywhere. */
  stream(): Buffer[] {
    const random = this.#random;
    const parts: Buffer[] = [];
    for (let count = 1 + random.below(6); count > 0; count--) {
      parts.push(random.chance(50) ? this.#framed() : this.datagram());
      if (random.chance(20)) parts.push(Buffer.from('\r\n'.repeat(random.below(6))));
      if (random.chance(5)) parts.push(Buffer.from('a\r\n\r\n'.repeat(random.size())));
    }
    return this.#cut(Buffer.concat(parts));
  }

  #cut(bytes: Buffer): Buffer[] {
    const random = this.#random;
    const longest = random.pick([1, 3, 17, 1460, 65_536]);
    const chunks: Buffer[] = [];
    // A long stream byte by byte costs the time of many short ones, and shows no more.
    for (let at = 0; at < bytes.length; ) {
      const length = at > 4096 ? 1460 : 1 + random.below(longest);
      chunks.push(bytes.subarray(at, at + length));
      at += length;
    }
    return chunks;
  }

  /** A message with a Content-Length that is right, most of the time. */
  #framed(): Buffer {
    const body = 'b'.repeat(this.#random.size());
    const length = this.#random.chance(85) ? String(body.length) : this.#random.pick(NUMBERS);
    return this.#print([...this.#random.pick(TEMPLATES), `Content-Length: ${length}`], body);
  }

  #message(): Buffer {
    const random = this.#random;
    if (this.#corpus.length > 0 && random.chance(30)) return this.#mangle(random.pick(this.#corpus));
    const lines = [...random.pick(TEMPLATES)];
    if (random.chance(30))
      lines.push(`Content-Length: ${random.chance(50) ? SDP.length : random.pick(NUMBERS)}`);
    for (let count = random.below(4); count > 0; count--) this.#changeLine(lines);
    return this.#print(lines, random.chance(50) ? SDP : '');
  }

  #print(lines: string[], body: string): Buffer {
    const text = `${lines.join('\r\n')}\r\n\r\n${body}`;
    // Half of the messages are latin1, hence no valid UTF-8 as soon as they leave ASCII.
    return Buffer.from(text, this.#random.chance(50) ? 'utf8' : 'latin1');
  }

  #changeLine(lines: string[]): void {
    const random = this.#random;
    const at = random.below(lines.length);
    const line = lines[at] ?? '';
    const colon = at === 0 ? line.indexOf(' ') : line.indexOf(':');
    const name = line.slice(0, colon);
    const action = random.below(10);
    if (action === 0) lines.splice(at, 1);
    else if (action === 1) lines.splice(random.below(lines.length + 1), 0, line);
    else if (action === 2)
      lines.push(
        `${random.pick(HEADER_NAMES)}${random.pick([':', ' :', ': ', '', '\t:\r\n '])}${this.#value()}`,
      );
    else if (action === 3 && at === 0)
      lines[at] =
        `${random.pick(METHODS)} ${this.#uri()} SIP/${random.pick(['2.0', '3.0', '2', '2.0 ', 'x'])}`;
    else if (action <= 6 && at > 0) lines[at] = `${name}: ${this.#value()}`;
    else lines[at] = this.#insert(line, this.#fragment());
  }

  #insert(text: string, fragment: string): string {
    const at = this.#random.below(text.length + 1);
    return (
      text.slice(0, at) + fragment + text.slice(at + (this.#random.chance(30) ? this.#random.below(8) : 0))
    );
  }

  /** A header value made to hurt. */
  #value(): string {
    const random = this.#random;
    const size = random.size();
    switch (random.below(9)) {
      case 0:
        return random.pick(SEPARATORS).repeat(size);
      case 1:
        return `${random.pick(['<', '"', '<sip:a@h>', 'SIP/2.0/UDP h', 'Digest ', ''])}${random.pick(SEPARATORS).repeat(size)}`;
      case 2:
        return `${random.pick(['', 'Digest ', '<sip:a@h>'])}${random.pick(ELEMENTS).repeat(Math.ceil(size / 4))}`;
      case 3:
        return `<sip:a@h>${this.#params()}`;
      case 4:
        return `<${this.#uri()}>${this.#params()}`;
      case 5:
        return `SIP/2.0/UDP h:${random.pick(PORTS)}${this.#params()}`;
      case 6:
        return random.pick(NUMBERS);
      case 7:
        return `${random.pick(NUMBERS)} ${random.pick(METHODS)}`;
      default:
        return Array.from({ length: random.below(12) }, () => this.#fragment()).join('');
    }
  }

  #params(): string {
    const random = this.#random;
    let params = '';
    for (let count = random.below(random.chance(5) ? 3000 : 6); count > 0; count--) {
      const name = random.chance(50) ? random.pick(NAMES) : `p${count}`;
      params += `;${name}${random.pick(['', '=', '=1', '="x"', '="\\""', '="', ' = a', '=a:b/c==', '=%0D%0A'])}`;
    }
    return params;
  }

  #uri(): string {
    const random = this.#random;
    const scheme = random.pick(['sip:', 'sips:', 'tel:', 'SIP:', 'urn:', 'x:', '']);
    const user = random.pick([
      'a@',
      '%00@',
      '%zz@',
      '%@',
      'a:b@',
      '@',
      '*21#@',
      `${'%41'.repeat(random.below(50))}@`,
      '',
    ]);
    const host = random.pick([
      'h',
      '192.0.2.1',
      '[::1]',
      '[::1',
      '[]',
      '[::g]',
      '2001:db8::1',
      '',
      'h'.repeat(300),
      'ü',
    ]);
    const tail = random.pick(['', this.#params(), '?a=b', '?', ';lr?x=%0D%0A', ' ', '>']);
    return `${scheme}${user}${host}${random.pick(['', ':5060', `:${random.pick(PORTS)}`])}${tail}`;
  }

  #fragment(): string {
    const random = this.#random;
    return random.pick(
      [SEPARATORS, ELEMENTS, NAMES, PORTS, NUMBERS, UNICODE, SMUGGLED, METHODS][random.below(8)] ?? SMUGGLED,
    );
  }

  /** Changes bytes, whatever they mean. */
  #mangle(bytes: Buffer): Buffer {
    const random = this.#random;
    const at = random.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + random.size());
    const piece = bytes.subarray(at, end);
    switch (random.below(7)) {
      case 0:
        return bytes.subarray(0, at);
      case 1:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
      case 2:
        return Buffer.concat([
          bytes.subarray(0, at),
          ...Array<Buffer>(random.below(20)).fill(piece),
          bytes.subarray(at),
        ]);
      case 3:
        return Buffer.concat([bytes.subarray(0, at), Buffer.from(random.pick(RAW)), bytes.subarray(at)]);
      case 4:
        return Buffer.concat([bytes.subarray(0, at), Buffer.from(this.#fragment()), bytes.subarray(end)]);
      case 5:
        return Buffer.from(bytes.map((byte) => (random.chance(2) ? byte ^ (1 << random.below(8)) : byte)));
      default:
        return Buffer.concat([
          bytes.subarray(0, at),
          this.#print([...random.pick(TEMPLATES)], '').subarray(at),
        ]);
    }
  }
}
