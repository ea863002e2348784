// Header lines: names, folding, repetition, and which value goes to which reader (RFC 3261 section 7.3).
import {
  MAX_LIST,
  scanAuth,
  scanCallId,
  scanContact,
  scanCSeq,
  scanMaxForwards,
  scanNameAddrs,
  scanOneNameAddr,
  scanUint32,
  scanVias,
} from './decode-headers.ts';
import type { Headers } from './message.ts';
import { salvageCSeq, salvageNameAddr, salvageVia } from './salvage.ts';
import { COLON, emptyRecord, isSpace, Scanner } from './scan.ts';

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
  read(scanner: Scanner): unknown;
  /** Reads what it can of a malformed value, for the error response. */
  salvage?(text: string): unknown;
}

const FIELDS: Field[] = [
  { name: 'via', repeat: 'list', read: scanVias, salvage: salvageVia },
  { name: 'from', repeat: 'once', read: scanOneNameAddr, salvage: salvageNameAddr },
  { name: 'to', repeat: 'once', read: scanOneNameAddr, salvage: salvageNameAddr },
  { name: 'call-id', repeat: 'once', read: scanCallId },
  { name: 'cseq', repeat: 'once', read: scanCSeq, salvage: salvageCSeq },
  { name: 'contact', repeat: 'list', read: scanContact },
  { name: 'route', repeat: 'list', read: scanNameAddrs },
  { name: 'record-route', repeat: 'list', read: scanNameAddrs },
  { name: 'content-length', repeat: 'once', read: scanUint32 },
  { name: 'max-forwards', repeat: 'once', read: scanMaxForwards },
  { name: 'expires', repeat: 'once', read: scanUint32 },
  { name: 'content-type', repeat: 'once', read: (scanner) => scanner.rest() || undefined },
  { name: 'www-authenticate', repeat: 'each', read: scanAuth },
  { name: 'proxy-authenticate', repeat: 'each', read: scanAuth },
  { name: 'authorization', repeat: 'each', read: scanAuth },
  { name: 'proxy-authorization', repeat: 'each', read: scanAuth },
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

/** A header whose value stays a text. */
interface Plain {
  name: string;
  repeat: 'join';
}

const KNOWN = knownNames();

function knownNames(): Map<string, Field | Plain> {
  const known = new Map<string, Field | Plain>(FIELDS.map((field) => [field.name, field]));
  for (const [letter, name] of Object.entries(COMPACT)) {
    known.set(letter, known.get(name) ?? { name, repeat: 'join' });
  }
  return known;
}

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
  const { text } = scanner;
  const usual = usualName(text, scanner.at);
  if (usual !== undefined) scanner.at += usual.length;
  const name = usual ?? scanner.token();
  scanner.skipSpace();
  const named = scanner.take(COLON) && name !== '';
  const start = scanner.at;
  let end = lineEnd(text, start);
  const folded = isContinued(text, end);
  while (isContinued(text, end)) end = lineEnd(text, end + 2);
  if (!named) builder.blame('header without name');
  else if (folded) builder.add(name, new Scanner(unfold(text.slice(start, end))));
  else builder.add(name, trimmed(scanner, start, end));
  scanner.at = end + 2;
  scanner.end = text.length;
}

/** How most senders write most names: no text is made of these. */
const USUAL =
  'Via From To Call-ID CSeq Contact Max-Forwards Content-Type Content-Length User-Agent Allow Supported Session-ID Server Record-Route Route Expires Session-Expires Min-SE'.split(
    ' ',
  );
/** By its first character. */
const usualNames = new Map<number, string[]>();
for (const name of USUAL)
  usualNames.set(name.charCodeAt(0), [...(usualNames.get(name.charCodeAt(0)) ?? []), name]);
/** In lower case. */
const lowerNames = new Map<string, string>(USUAL.map((name) => [name, name.toLowerCase()]));

/** The name at a position when it is a usual one and a colon follows at once. */
function usualName(text: string, at: number): string | undefined {
  const names = usualNames.get(text.charCodeAt(at));
  if (names === undefined) return undefined;
  for (const name of names)
    if (text.charCodeAt(at + name.length) === COLON && text.startsWith(name, at)) return name;
  return undefined;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\r\n', at);
  return end < 0 ? text.length : end;
}

function isContinued(text: string, end: number): boolean {
  return end + 2 < text.length && isSpace(text.charCodeAt(end + 2));
}

/** The scanner, on a range without the white space at both of its ends. */
function trimmed(scanner: Scanner, start: number, end: number): Scanner {
  let to = end;
  while (to > start && isSpace(scanner.text.charCodeAt(to - 1))) to--;
  scanner.at = start;
  scanner.end = to;
  scanner.skipSpace();
  return scanner;
}

/** A line break with the white space around it stands for one space (RFC 3261 section 7.3.1). */
function unfold(text: string): string {
  const parts = text.split('\r\n').map((part) => trimmed(new Scanner(part), 0, part.length).rest());
  return parts.filter((part) => part !== '').join(' ');
}

class HeadersBuilder {
  readonly #headers = emptyRecord();
  #fault: Fault | undefined;
  #lengthInDoubt = false;

  blame(reason: string): void {
    this.#fault ??= { status: 400, reason };
  }

  add(written: string, value: Scanner): void {
    const name = lowerNames.get(written) ?? written.toLowerCase();
    const field = KNOWN.get(name);
    if (field === undefined) this.#join(name, value.rest());
    else if (field.repeat === 'join') this.#join(field.name, value.rest());
    else this.#set(field, value);
  }

  #join(name: string, text: string): void {
    const before = this.#headers[name];
    if (before === undefined || before === '') this.#headers[name] = text;
    else if (text !== '') this.#headers[name] = `${before}, ${text}`;
  }

  #set(field: Field, scanner: Scanner): void {
    const start = scanner.at;
    const value = field.read(scanner) ?? this.#salvage(field, scanner, start);
    if (value === undefined) return;
    const before = this.#headers[field.name];
    const added = field.repeat === 'each' ? [value] : value;
    this.#headers[field.name] = before === undefined ? added : this.#repeat(field, before, added);
  }

  #salvage({ name, salvage }: Field, scanner: Scanner, start: number): unknown {
    this.blame(`malformed ${name}`);
    if (name === 'content-length') this.#lengthInDoubt = true;
    return salvage?.(scanner.text.slice(start, scanner.end));
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
