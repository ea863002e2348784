// Lexing of header values: one forward pass over a string, no regular expressions (RFC 3261 section 25.1).
import type { Params } from './message.ts';

const TOKEN = 1;
const PARAM_VALUE = 2;
const HOST = 4;

export const TAB = 9;
export const SPACE = 32;
export const QUOTE = 34;
export const STAR = 42;
export const COMMA = 44;
export const SLASH = 47;
export const COLON = 58;
export const SEMICOLON = 59;
export const LESS = 60;
export const EQUALS = 61;
export const GREATER = 62;
export const QUESTION = 63;
export const AT = 64;
export const OPEN_BRACKET = 91;
export const BACKSLASH = 92;
export const CLOSE_BRACKET = 93;

/** More than any real message has; they bound the objects that one hostile header can make. */
export const MAX_PARAMS = 64;

const CLASSES = classTable();

function classTable(): Uint8Array {
  const table = new Uint8Array(128);
  const add = (characters: string, bits: number) => {
    for (const code of Buffer.from(characters, 'latin1')) table[code] = (table[code] ?? 0) | bits;
  };
  const alphanumeric = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
  add(alphanumeric, TOKEN | PARAM_VALUE | HOST);
  add("-.!%*_+`'~", TOKEN | PARAM_VALUE);
  // Beyond token: hosts in brackets, and what tags, branches and vsf cookies hold in practice.
  add(':/[]=@&$?#|{}^()', PARAM_VALUE);
  // The underscore is not in the grammar of hostname and yet in the names of many hosts.
  add('-._', HOST);
  return table;
}

/** The first position from `at` to `end` whose character is not of a class. Fastest on text that is no slice of another. */
function runEnd(text: string, at: number, end: number, bits: number): number {
  let next = at;
  for (; next < end; next++) {
    const code = text.charCodeAt(next);
    if (code > 127 || ((CLASSES[code] as number) & bits) === 0) break;
  }
  return next;
}

/** Most names are so already, and then nothing is made. */
function inLowerCase(token: string): string {
  for (let at = 0; at < token.length; at++) {
    const code = token.charCodeAt(at);
    if (code >= 65 && code <= 90) return token.toLowerCase();
  }
  return token;
}

/** The first position of a character from `at` to `end`, or -1. Unlike indexOf it does not look beyond. */
export function find(text: string, code: number, at: number, end: number): number {
  for (let next = at; next < end; next++) if (text.charCodeAt(next) === code) return next;
  return -1;
}

/** True when the whole of a non-empty `text` is a token. */
export function isToken(text: string): boolean {
  return text !== '' && runEnd(text, 0, text.length, TOKEN) === text.length;
}

/** True when a range of a text can be a host name or IPv4 address; brackets are dealt with by the caller. */
export function isHostName(text: string, start: number, end: number): boolean {
  return end > start && end - start <= 255 && runEnd(text, start, end, HOST) === end;
}

/** The number that `text` is, or undefined unless it is 1 to `digits` digits and nothing else. */
export function parseDigits(text: string, digits: number): number | undefined {
  if (text === '' || text.length > digits) return undefined;
  let value = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

/** A port, 1 to 65535, or undefined. */
export function parsePort(text: string): number | undefined {
  const port = parseDigits(text, 5);
  return port === undefined || port === 0 || port > 65535 ? undefined : port;
}

/** Without one member, and without those of every other object: so no name is special, `__proto__` neither. */
function Bare() {}
Bare.prototype = Object.freeze(Object.create(null));
const bare = Bare as unknown as new () => Record<string, never>;

/**
 * An empty object for names from the network. Unlike `Object.create(null)`, which is laid out as a hash table, it takes no more
 * memory than what is put into it.
 */
export function emptyParams(): Params {
  return new bare();
}

function BareRecord() {}
BareRecord.prototype = Bare.prototype;
const bareRecord = BareRecord as unknown as new () => Record<string, never>;

/** The same for values of any kind, and for more of them: the engine gives each kind of object the room that it usually takes. */
export function emptyRecord(): Record<string, unknown> {
  return new bareRecord();
}

/**
 * A position in a text, and the end of what may be read of it: one unfolded header value, as a range of the whole head,
 * because slices of strings are slow to read. Every method that fails leaves the rest to the caller, which gives up.
 */
export class Scanner {
  readonly text: string;
  at: number;
  end: number;

  constructor(text: string, at = 0, end = text.length) {
    this.text = text;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  /** The code of the next character, -1 at the end. */
  peek(): number {
    return this.at < this.end ? this.text.charCodeAt(this.at) : -1;
  }

  /** Everything up to the end. */
  rest(): string {
    const rest = this.text.slice(this.at, this.end);
    this.at = this.end;
    return rest;
  }

  skipSpace(): void {
    while (isSpace(this.peek())) this.at++;
  }

  /** Takes one character when it is the next one. */
  take(code: number): boolean {
    if (this.peek() !== code) return false;
    this.at++;
    return true;
  }

  /** Takes a separator and the white space on both sides of it. */
  takeSpaced(code: number): boolean {
    this.skipSpace();
    if (!this.take(code)) return false;
    this.skipSpace();
    return true;
  }

  /** A token; empty when there is none. */
  token(): string {
    return this.#run(TOKEN);
  }

  /** A host name, or what stands in brackets with them; its form is not checked. */
  host(): string {
    if (this.peek() !== OPEN_BRACKET) return this.#run(HOST);
    const start = this.at;
    this.at = find(this.text, CLOSE_BRACKET, start, this.end) + 1;
    return this.at === 0 ? '' : this.text.slice(start, this.at);
  }

  /** A quoted string as it stands, quotes and escapes included; undefined when there is none or it does not end. */
  quoted(): string | undefined {
    const { text, end } = this;
    if (this.peek() !== QUOTE) return undefined;
    for (let at = this.at + 1; at < end; at++) {
      const code = text.charCodeAt(at);
      if (code === BACKSLASH) at++;
      if (code !== QUOTE) continue;
      const quoted = text.slice(this.at, at + 1);
      this.at = at + 1;
      return quoted;
    }
    return undefined;
  }

  /** The value of a parameter: a quoted string as it stands, or a run of what values hold. */
  value(): string | undefined {
    return this.peek() === QUOTE ? this.quoted() : this.#run(PARAM_VALUE) || undefined;
  }

  /** `*( SEMI generic-param )`. Undefined when one is malformed, stands twice (RFC 3261 section 7.3.1), or there are too many. */
  params(): Params | undefined {
    const params = emptyParams();
    for (let count = 0; this.takeSpaced(SEMICOLON); count++) {
      const name = inLowerCase(this.token());
      if (name === '' || count === MAX_PARAMS || name in params) return undefined;
      const value = this.takeSpaced(EQUALS) ? this.value() : null;
      if (value === undefined) return undefined;
      params[name] = value;
    }
    return params;
  }

  /** Takes the longest run, empty perhaps, of characters of a class. */
  #run(bits: number): string {
    const start = this.at;
    this.at = runEnd(this.text, start, this.end, bits);
    return this.text.slice(start, this.at);
  }
}

export function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** A quoted string without its quotes and escapes; any other text as it stands. */
export function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  const inner = text.slice(1, -1);
  if (!inner.includes('\\')) return inner;
  let plain = '';
  for (let at = 0; at < inner.length; at++) {
    if (inner.charCodeAt(at) === BACKSLASH) at++;
    plain += inner.charAt(at);
  }
  return plain;
}

/** A text as a quoted string. */
export function quote(text: string): string {
  let quoted = '"';
  for (const character of text)
    quoted += character === '"' || character === '\\' ? `\\${character}` : character;
  return `${quoted}"`;
}
