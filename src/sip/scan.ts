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

function hasClass(code: number, bits: number): boolean {
  return code < 128 && ((CLASSES[code] ?? 0) & bits) !== 0;
}

/** True when the whole of a non-empty `text` is a token. */
export function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (!hasClass(text.charCodeAt(at), TOKEN)) return false;
  return text !== '';
}

/** True when `text` can be a host name or IPv4 address; brackets are dealt with by the caller. */
export function isHostName(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (!hasClass(text.charCodeAt(at), HOST)) return false;
  return text !== '' && text.length <= 255;
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

/** An object for names from the network: it has no prototype, so no name is special. */
export function emptyParams(): Params {
  return Object.create(null) as Params;
}

/** A position in an unfolded header value. Every method that fails leaves the rest to the caller, which gives up. */
export class Scanner {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** The code of the next character, NaN at the end. */
  peek(): number {
    return this.text.charCodeAt(this.at);
  }

  skipSpace(): void {
    for (; this.at < this.text.length; this.at++) {
      const code = this.text.charCodeAt(this.at);
      if (code !== SPACE && code !== TAB) return;
    }
  }

  /** Takes one character when it is the next one. */
  take(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false;
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

  token(): string {
    return this.#run(TOKEN);
  }

  host(): string | undefined {
    if (this.peek() !== OPEN_BRACKET) return this.#run(HOST) || undefined;
    const end = this.text.indexOf(']', this.at);
    if (end < 0 || end - this.at > 64) return undefined;
    const host = this.text.slice(this.at, end + 1);
    this.at = end + 1;
    return host;
  }

  /** A quoted string as it stands, quotes and escapes included; undefined when there is none or it does not end. */
  quoted(): string | undefined {
    const { text } = this;
    if (this.peek() !== QUOTE) return undefined;
    for (let at = this.at + 1; at < text.length; at++) {
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
      const name = this.token().toLowerCase();
      if (name === '' || count === MAX_PARAMS || name in params) return undefined;
      let value: string | undefined | null = null;
      if (this.takeSpaced(EQUALS)) value = this.value();
      if (value === undefined) return undefined;
      params[name] = value;
    }
    return params;
  }

  #run(bits: number): string {
    const { text } = this;
    const start = this.at;
    let at = start;
    while (at < text.length && hasClass(text.charCodeAt(at), bits)) at++;
    this.at = at;
    return text.slice(start, at);
  }
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
