// Header lines: names, folding, repetition, and which value goes to which reader (RFC 3261 section 7.3).
import {
  MAX_LIST,
  parseAuth,
  parseCallId,
  parseContact,
  parseContentLength,
  parseCSeq,
  parseExpires,
  parseMaxForwards,
  parseRoutes,
  parseVias,
} from './decode-headers.ts';
import type { Headers } from './message.ts';
import { salvageCSeq, salvageNameAddr, salvageVia } from './salvage.ts';
import { BACKSLASH, COLON, Scanner, SPACE, TAB } from './scan.ts';
import { parseNameAddr } from './uri.ts';

/** More header lines than this are refused. */
export const MAX_LINES = 256;

/** A reason to refuse and the status that says so. */
export interface Fault {
  status: number;
  reason: string;
}

export interface Lines {
  /** Undefined when a header without which there is no answer is missing or beyond reading. */
  headers: Headers | undefined;
  /** The first thing that was wrong. */
  fault: Fault | undefined;
  /** The Content-Length; undefined when there is none or it cannot be trusted. */
  length: number | undefined;
}

/** How a header is read. `list` values are arrays to be strung together, `each` values are elements of one. */
interface Field {
  name: string;
  repeat: 'once' | 'list' | 'each';
  read(text: string): unknown;
  /** Reads what it can of a malformed value, for the error response. */
  salvage?(text: string): unknown;
}

const FIELDS: Field[] = [
  { name: 'via', repeat: 'list', read: parseVias, salvage: salvageVia },
  { name: 'from', repeat: 'once', read: parseNameAddr, salvage: salvageNameAddr },
  { name: 'to', repeat: 'once', read: parseNameAddr, salvage: salvageNameAddr },
  { name: 'call-id', repeat: 'once', read: parseCallId },
  { name: 'cseq', repeat: 'once', read: parseCSeq, salvage: salvageCSeq },
  { name: 'contact', repeat: 'list', read: parseContact },
  { name: 'route', repeat: 'list', read: parseRoutes },
  { name: 'record-route', repeat: 'list', read: parseRoutes },
  { name: 'content-length', repeat: 'once', read: parseContentLength },
  { name: 'max-forwards', repeat: 'once', read: parseMaxForwards },
  { name: 'expires', repeat: 'once', read: parseExpires },
  { name: 'content-type', repeat: 'once', read: (text) => text || undefined },
  { name: 'www-authenticate', repeat: 'each', read: parseAuth },
  { name: 'proxy-authenticate', repeat: 'each', read: parseAuth },
  { name: 'authorization', repeat: 'each', read: parseAuth },
  { name: 'proxy-authorization', repeat: 'each', read: parseAuth },
];

/** Compact forms (RFC 3261 section 7.3.3 and the registry of header fields). */
const COMPACT: Record<string, string> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  d: 'request-disposition',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  j: 'reject-contact',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  n: 'identity-info',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
  y: 'identity',
};

const FIELD_OF = new Map(FIELDS.map((field) => [field.name, field]));
const NAME_OF = new Map(Object.entries(COMPACT));
const MANDATORY = ['via', 'from', 'to', 'call-id', 'cseq'];

/** Reads header lines from `at` to the end of the text. It reads on behind a fault, for the sake of the error response. */
export function parseHeaderLines(text: string, at: number): Lines {
  const builder = new HeadersBuilder();
  const scanner = new Scanner(text);
  scanner.at = at;
  for (let count = 0; !scanner.done; count++) {
    if (count === MAX_LINES) {
      builder.blame('too many headers');
      break;
    }
    parseLine(scanner, builder);
  }
  return builder.finish();
}

/** Reads one line with its continuation lines, and leaves the scanner behind it. */
function parseLine(scanner: Scanner, builder: HeadersBuilder): void {
  const name = scanner.token();
  scanner.skipSpace();
  const named = scanner.take(COLON) && name !== '';
  const start = scanner.at;
  const line = findLineEnd(scanner.text, start);
  scanner.at = line.next;
  if (line.stray) builder.blame('control character in header');
  else if (!named) builder.blame('header without name');
  else
    builder.add(
      name,
      line.folded ? unfold(scanner.text, start, line.end) : trim(scanner.text, start, line.end),
    );
}

interface LineEnd {
  end: number;
  next: number;
  folded: boolean;
  /** A CR or LF alone, or another control character that is not escaped in a quoted string. */
  stray: boolean;
}

function findLineEnd(text: string, start: number): LineEnd {
  let folded = false;
  let stray = false;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if ((code >= SPACE && code !== 127) || code === TAB) continue;
    if (code === 13 && text.charCodeAt(at + 1) === 10) {
      const after = text.charCodeAt(at + 2);
      if (after !== SPACE && after !== TAB) return { end: at, next: at + 2, folded, stray };
      folded = true;
      at++;
    } else if (code === 13 || code === 10 || text.charCodeAt(at - 1) !== BACKSLASH) stray = true;
  }
  return { end: text.length, next: text.length, folded, stray };
}

function trim(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** A line break with the white space around it stands for one space (RFC 3261 section 7.3.1). */
function unfold(text: string, start: number, end: number): string {
  const parts = text.slice(start, end).split('\r\n');
  return parts
    .map((part) => trim(part, 0, part.length))
    .filter((part) => part !== '')
    .join(' ');
}

class HeadersBuilder {
  readonly #headers = Object.create(null) as Record<string, unknown>;
  #fault: Fault | undefined;
  #lengthInDoubt = false;

  blame(reason: string): void {
    this.#fault ??= { status: 400, reason };
  }

  add(written: string, text: string): void {
    const lower = written.toLowerCase();
    const name = NAME_OF.get(lower) ?? lower;
    const field = FIELD_OF.get(name);
    if (field === undefined) this.#join(name, text);
    else this.#set(field, text);
  }

  #join(name: string, text: string): void {
    const before = this.#headers[name];
    this.#headers[name] = before === undefined ? text : `${before}, ${text}`;
  }

  #set(field: Field, text: string): void {
    const { name } = field;
    let value = field.read(text);
    if (value === undefined) {
      this.blame(`malformed ${name}`);
      if (name === 'content-length') this.#lengthInDoubt = true;
      value = field.salvage?.(text);
      if (value === undefined) return;
    }
    const before = this.#headers[name];
    if (field.repeat === 'each') value = [value];
    this.#headers[name] = before === undefined ? value : this.#repeat(field, before, value);
  }

  #repeat(field: Field, before: unknown, value: unknown): unknown {
    const { name } = field;
    if (field.repeat !== 'once' && Array.isArray(before) && Array.isArray(value)) {
      if (before.length + value.length <= MAX_LIST) return before.concat(value);
      this.blame(`too many values in ${name}`);
      return before;
    }
    // A Content-Length that stands twice with one value misleads nobody.
    if (name === 'content-length' && before === value) return before;
    if (name === 'content-length') this.#lengthInDoubt = true;
    this.blame(`${name} stands twice`);
    return before;
  }

  finish(): Lines {
    if (this.#lengthInDoubt) delete this.#headers['content-length'];
    const length = this.#headers['content-length'] as number | undefined;
    const missing = MANDATORY.find((name) => this.#headers[name] === undefined);
    if (missing !== undefined) this.blame(`no ${missing}`);
    const headers = missing === undefined ? (this.#headers as Headers) : undefined;
    return { headers, fault: this.#fault, length };
  }
}
