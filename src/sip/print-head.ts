// The head of a message of the usual headers, printed in one pass (RFC 3261 sections 7 and 20).
import { type CSeq, isRequest, type NameAddr, type Params, type SipMessage, type Via } from './message.ts';
import { isToken } from './scan.ts';
import { bytesOf } from './text.ts';

/** Names of headers that stand for those that a user makes up are not remembered without end. */
const MOST_NAMES = 256;
const names = new Map<string, string>();

/** Names that are not written with a capital at the beginning of each word. */
const IRREGULAR: Record<string, string> = Object.assign(Object.create(null), {
  'call-id': 'Call-ID',
  rseq: 'RSeq',
  rack: 'RAck',
  'min-se': 'Min-SE',
  'session-id': 'Session-ID',
});

/** How a header's name is written; undefined when it is no token. */
export function printedName(name: string): string | undefined {
  const known = names.get(name);
  if (known !== undefined) return known;
  if (!isToken(name)) return undefined;
  const printed = IRREGULAR[name] ?? name.replaceAll(/\b[a-z]/g, (letter) => letter.toUpperCase());
  if (names.size < MOST_NAMES) names.set(name, printed);
  return printed;
}

/** Where heads are written, one after the other; grows to the longest. */
let room = Buffer.allocUnsafeSlow(4096);
let used = 0;

/**
 * The head up to and with the empty line, as `sip` would print it, with the length of the body. Undefined for a message with other
 * headers than nearly all have, and for one that must not be sent as it is: who calls has to look closer.
 * @returns bytes that the next head is written over
 */
export function printHead(message: SipMessage): Buffer | undefined {
  return writeHead(message) ? room.subarray(0, used) : undefined;
}

/** The same head and the body behind it, in memory of their own. */
export function printMessage(message: SipMessage): Buffer | undefined {
  if (!writeHead(message)) return undefined;
  const { body } = message;
  const bytes = Buffer.allocUnsafe(used + body.length);
  room.copy(bytes, 0, 0, used);
  if (body.length > 0) body.copy(bytes, used);
  return bytes;
}

/** Written byte by byte: strings put together would be copied several times over, and be garbage each time. */
function writeHead(message: SipMessage): boolean {
  const { headers, body } = message;
  used = 0;
  if (!writeStartLine(message)) return false;
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && name !== 'content-length' && !writeHeader(name, value)) return false;
  }
  return write('Content-Length: ') && write(String(body.length)) && writeOurs('\r\n\r\n');
}

/** False when it holds CR, LF or NUL: what came in with a value would be a line of its own. */
function write(text: string): boolean {
  const { length } = text;
  if (used + length > room.length) enlarge(length);
  // In variables of its own: what belongs to the module would be looked up and written back for each byte.
  const bytes = room;
  let to = used;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code > 127) {
      used = to;
      return writeWide(text, at);
    }
    if (code < 14 && (code === 0 || code === 10 || code === 13)) return false;
    bytes[to++] = code;
  }
  used = to;
  return true;
}

/** Characters beyond ASCII may stand for bytes that are no UTF-8. */
function writeWide(text: string, from: number): boolean {
  const bytes = bytesOf(text.slice(from));
  if (bytes.includes(0) || bytes.includes(10) || bytes.includes(13)) return false;
  if (used + bytes.length > room.length) enlarge(bytes.length);
  bytes.copy(room, used);
  used += bytes.length;
  return true;
}

/** Ends of lines as well. */
function writeOurs(text: string): true {
  const { length } = text;
  if (used + length > room.length) enlarge(length);
  const bytes = room;
  let to = used;
  for (let at = 0; at < length; at++) bytes[to++] = text.charCodeAt(at);
  used = to;
  return true;
}

function enlarge(more: number): void {
  const larger = Buffer.allocUnsafeSlow(2 * (used + more));
  room.copy(larger, 0, 0, used);
  room = larger;
}

function writeStartLine(message: SipMessage): boolean {
  if (isRequest(message)) {
    const { method, uri } = message;
    return (
      isToken(method) &&
      isSafeUri(uri) &&
      write(method) &&
      write(' ') &&
      write(uri) &&
      writeOurs(' SIP/2.0\r\n')
    );
  }
  const { status, reason } = message;
  return write('SIP/2.0 ') && write(String(status)) && write(' ') && write(reason) && writeOurs('\r\n');
}

function writeHeader(name: string, value: unknown): boolean {
  if (name === 'via' && Array.isArray(value)) return writeVias(value);
  // `sip` knows this one only as a value of two parts.
  const label = name === 'cseq' && typeof value === 'object' ? 'CSeq' : printedName(name);
  if (label === undefined) return false;
  if (Array.isArray(value) && value.length === 0) return isList(name);
  return write(label) && write(': ') && writeValue(name, value) && writeOurs('\r\n');
}

function isList(name: string): boolean {
  return name === 'contact' || name === 'route' || name === 'record-route';
}

function writeValue(name: string, value: unknown): boolean {
  if (typeof value === 'string') return write(value);
  if (typeof value === 'number') return write(String(value));
  if (name === 'from' || name === 'to') return writeNameAddr(value as NameAddr);
  if (name === 'cseq') {
    const { seq, method } = value as CSeq;
    return write(String(seq)) && write(' ') && write(method);
  }
  return isList(name) && writeNameAddrs(value as NameAddr[]);
}

function writeVias(vias: readonly Via[]): boolean {
  for (const { version, protocol, host, port, params } of vias) {
    const isWritten =
      host !== '' &&
      write('Via: SIP/') &&
      write(version) &&
      write('/') &&
      write(protocol.toUpperCase()) &&
      write(' ') &&
      write(host) &&
      (!port || (write(':') && write(String(port)))) &&
      writeParams(params) &&
      writeOurs('\r\n');
    if (!isWritten) return false;
  }
  return true;
}

function writeNameAddrs(nameAddrs: readonly NameAddr[]): boolean {
  let isFirst = true;
  for (const nameAddr of nameAddrs) {
    if (!isFirst) write(', ');
    isFirst = false;
    if (!writeNameAddr(nameAddr)) return false;
  }
  return true;
}

function writeNameAddr({ name, uri, params }: NameAddr): boolean {
  if (!isSafeUri(uri)) return false;
  return write(name ?? '') && write(' <') && write(uri) && write('>') && writeParams(params);
}

function writeParams(params: Params): boolean {
  for (const name in params) {
    const value = params[name];
    if (!isToken(name) || !write(';') || !write(name)) return false;
    if (value && !(write('=') && write(value))) return false;
  }
  return true;
}

const UNSAFE_IN_URI = /[\0- <>\x7f]/;

/** False for a URI that could leave its brackets or the line. */
export function isSafeUri(uri: string): boolean {
  return uri !== '' && !UNSAFE_IN_URI.test(uri);
}
