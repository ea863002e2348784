// SIP over a byte stream: where one message ends and the next begins (RFC 3261 sections 7.5 and 18.3, RFC 5626 section 3.5.1).
import { type DecodeResult, decodeHead, fail, type Head, MAX_HEAD, refuse, withBody } from './decode.ts';

/** RFC 3261 section 21.5.14. */
export const TOO_LARGE = { status: 513, reason: 'message too large' };

export interface StreamLimits {
  /** Start line and headers, bytes. */
  head: number;
  /** Body, bytes. */
  body: number;
  /** All of a message, bytes. */
  message: number;
}

/**
 * What came: a message; a refusal of one, among them the refusal with reason `keep-alive`, to be answered with CRLF; or
 * the end, behind which the connection cannot be read on and has to be closed.
 */
export type StreamItem = DecodeResult | { fatal: string };

const DEFAULTS: StreamLimits = { head: MAX_HEAD, body: 262144, message: MAX_HEAD + 262144 };
const FIRST_CAPACITY = 2048;
const END_OF_HEAD = '\r\n\r\n';
const CR = 13;
const LF = 10;

/** Cuts one connection's bytes into messages. Work is linear in the bytes however they are chunked; memory is bounded. */
export class StreamDecoder {
  readonly #limits: StreamLimits;
  #buffer = Buffer.alloc(0);
  #length = 0;
  /** Where what has not been given begins. */
  #start = 0;
  /** Given with the next {@link take}: a refusal and the end that it means come together. */
  readonly #items: StreamItem[] = [];
  /** Bytes before this one hold no end of headers. */
  #searched = 0;
  #head: { head: Head; bodyStart: number; end: number } | undefined;
  #lineBreaks = 0;
  #fatal = false;

  constructor(limits: Partial<StreamLimits> = {}) {
    this.#limits = { ...DEFAULTS, ...limits };
  }

  /** Bytes that have not been given yet: those of a message that is not complete, once {@link take} gives nothing. */
  get pending(): number {
    return this.#length - this.#start;
  }

  /** Takes the next bytes and gives what they complete, in order. */
  push(chunk: Buffer): StreamItem[] {
    const items: StreamItem[] = [];
    this.add(chunk);
    for (let item = this.take(); item !== undefined; item = this.take()) items.push(item);
    return items;
  }

  /** Takes the next bytes; {@link take} gives what they complete. */
  add(chunk: Buffer): void {
    if (!this.#fatal) this.#append(chunk);
  }

  /** The next of what has come; undefined when more bytes are needed. A run of keep-alives is given as one. Never throws. */
  take(): StreamItem | undefined {
    while (this.#items.length === 0 && !this.#fatal) {
      const next = this.#step(this.#start, this.#items);
      if (next === this.#start && this.#items.length === 0) {
        this.#discard();
        return undefined;
      }
      this.#start = next;
    }
    if (this.#fatal) this.#release();
    return this.#items.shift();
  }

  /** Takes what stands at `start`; gives where the rest begins, `start` itself when more bytes are needed. */
  #step(start: number, items: StreamItem[]): number {
    if (this.#head === undefined) {
      const first = this.#skipLineBreaks(start, items);
      if (first !== start) return first;
      this.#readHead(start, items);
    }
    if (this.#head === undefined || this.#head.end > this.#length) return start;
    const { head, bodyStart, end } = this.#head;
    // A copy: the buffer is used again, and a message may be kept for as long as a call lasts.
    items.push(withBody(head.result, Buffer.from(this.#buffer.subarray(bodyStart, end))));
    this.#head = undefined;
    this.#searched = end;
    return end;
  }

  #skipLineBreaks(start: number, items: StreamItem[]): number {
    let at = start;
    let pings = 0;
    while (at + 1 < this.#length && this.#buffer[at] === CR && this.#buffer[at + 1] === LF) {
      at += 2;
      this.#lineBreaks++;
      if (this.#lineBreaks === 2) {
        this.#lineBreaks = 0;
        pings++;
      }
    }
    if (pings > 0) items.push(refuse('keep-alive'));
    return at;
  }

  #readHead(start: number, items: StreamItem[]): void {
    if (this.#length - start < 2) return;
    this.#lineBreaks = 0;
    const from = Math.max(start, this.#searched - END_OF_HEAD.length + 1);
    const end = this.#buffer.subarray(0, this.#length).indexOf(END_OF_HEAD, from, 'latin1');
    this.#searched = this.#length;
    if ((end < 0 ? this.#length : end) - start > Math.min(this.#limits.head, this.#limits.message))
      return this.#end('headers too long', items);
    if (end < 0) return;
    const head = decodeHead(this.#buffer.subarray(start, end));
    const fault = this.#lengthFault(head, end - start + END_OF_HEAD.length);
    if (fault !== undefined) {
      items.push(fail(head.result, fault));
      return this.#end(fault.reason, items);
    }
    const bodyStart = end + END_OF_HEAD.length;
    this.#head = { head, bodyStart, end: bodyStart + (head.length ?? 0) };
  }

  #lengthFault({ length }: Head, headBytes: number): { status: number; reason: string } | undefined {
    if (length === undefined) return { status: 400, reason: 'no usable content-length' };
    if (headBytes + length > this.#limits.message) return TOO_LARGE;
    return length > this.#limits.body ? { status: 413, reason: 'body too long' } : undefined;
  }

  #end(reason: string, items: StreamItem[]): void {
    items.push({ fatal: reason });
    this.#fatal = true;
  }

  #append(chunk: Buffer): void {
    this.#discard();
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length, FIRST_CAPACITY));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    chunk.copy(this.#buffer, this.#length);
    this.#length = needed;
  }

  /** Forgets what was given. A chunk comes when all before it has been given: each byte moves a few times at most. */
  #discard(): void {
    const start = this.#start;
    if (start === 0) return;
    if (start === this.#length) return this.#release();
    this.#start = 0;
    this.#buffer.copy(this.#buffer, 0, start, this.#length);
    this.#length -= start;
    this.#searched = Math.max(0, this.#searched - start);
    if (this.#head !== undefined) {
      this.#head.bodyStart -= start;
      this.#head.end -= start;
    }
  }

  #release(): void {
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    this.#start = 0;
    this.#searched = 0;
  }
}
