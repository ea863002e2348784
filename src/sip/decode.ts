// SIP messages from bytes: strict, in one pass, linear in their length, never throwing (RFC 3261 section 7, RFC 4475).
import { type Fault, parseHeaderLines } from './decode-lines.ts';
import {
  type Headers,
  isRequest,
  NOTHING,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from './message.ts';
import { isToken, parseDigits } from './scan.ts';
import { textOf } from './text.ts';
import { isAcceptableUri } from './uri.ts';

/** Longest start line and headers together, in bytes. */
export const MAX_HEAD = 65536;

export type DecodeResult = { ok: true; message: SipMessage } | Refusal;

/**
 * Bytes that are no message. `request` and `status` are there when they are a request that can be answered with that
 * status; its unreadable headers then hold what could be salvaged. Otherwise the bytes are to be dropped.
 */
export interface Refusal {
  ok: false;
  reason: string;
  status: number | undefined;
  request: SipRequest | undefined;
}

/** A start line and headers; `length` is the Content-Length, undefined when there is none or it is malformed. */
export interface Head {
  result: DecodeResult;
  length: number | undefined;
}

const CR = 13;
const LF = 10;

/** The one message of a datagram. Bytes behind Content-Length are ignored (RFC 3261 section 18.3). The body shares memory with `bytes`. */
export function decodeMessage(bytes: Buffer): DecodeResult {
  const start = skipLineBreaks(bytes);
  if (start === bytes.length) return refuse('keep-alive');
  const end = bytes.indexOf('\r\n\r\n', start, 'latin1');
  if (end < 0) return refuse('no end of headers');
  if (end - start > MAX_HEAD) return refuse('headers too long');
  const head = decodeHead(bytes, start, end);
  const bodyStart = end + 4;
  const { length = bytes.length - bodyStart } = head;
  if (length > bytes.length - bodyStart)
    return fail(head.result, { status: 400, reason: 'body shorter than content-length' });
  return length === 0 ? head.result : withBody(head.result, bytes.subarray(bodyStart, bodyStart + length));
}

function skipLineBreaks(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length && (bytes[at] === CR || bytes[at] === LF)) at++;
  return at;
}

export function refuse(reason: string): Refusal {
  return { ok: false, reason, status: undefined, request: undefined };
}

/** The message with its body; a refusal as it is. */
export function withBody(result: DecodeResult, body: Buffer): DecodeResult {
  if (result.ok) result.message.body = body;
  return result;
}

/** Turns a message into a refusal of it; what is refused already keeps its first reason. */
export function fail(result: DecodeResult, fault: Fault): Refusal {
  if (!result.ok) return result;
  const { message } = result;
  if ('status' in message || message.method === 'ACK') return refuse(fault.reason);
  return { ok: false, ...fault, request: message };
}

/** Decodes what stands before the empty line; `bytes` from `from` to `to`, without that line. The body is still empty. */
export function decodeHead(bytes: Buffer, from = 0, to = bytes.length): Head {
  // Not answered: the answer would have to repeat the characters.
  if (hasStrayControl(bytes, from, to))
    return { result: refuse('control character in headers'), length: undefined };
  const text = textOf(bytes, from, to);
  const lineEnd = text.indexOf('\r\n');
  const start = parseStartLine(lineEnd < 0 ? text : text.slice(0, lineEnd));
  if (start === undefined) return { result: refuse('not SIP'), length: undefined };
  const lines = parseHeaderLines(text, lineEnd < 0 ? text.length : lineEnd + 2);
  const { headers, length } = lines;
  let fault = start.fault ?? lines.fault;
  if (headers === undefined) return { result: refuse(fault?.reason ?? 'header missing'), length };
  const message = messageOf(start.message, headers);
  if (isRequest(message) && message.method !== headers.cseq.method) {
    fault ??= { status: 400, reason: 'cseq method differs' };
  }
  const result: DecodeResult = { ok: true, message };
  return { result: fault === undefined ? result : fail(result, fault), length };
}

function messageOf(start: StartLine, headers: Headers): SipMessage {
  if ('method' in start) {
    const { method, uri, version } = start;
    return { method, uri, version, headers, body: NOTHING };
  }
  const { version, status, reason } = start;
  return { version, status, reason, headers, body: NOTHING };
}

const TAB = 9;
const BACKSLASH = 92;

/** A CR or LF alone, or a control character that is not escaped in a quoted string (RFC 4475 section 3.1.1.2). */
function hasStrayControl(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    if ((byte >= 32 && byte !== 127) || byte === TAB) continue;
    if (byte === CR && at + 1 < to && bytes[at + 1] === LF) at++;
    else if (byte === CR || byte === LF || at === from || bytes[at - 1] !== BACKSLASH) return true;
  }
  return false;
}

type StartLine =
  | Pick<SipRequest, 'method' | 'uri' | 'version'>
  | Pick<SipResponse, 'status' | 'reason' | 'version'>;

/** Undefined when the line is no SIP at all, or a malformed Status-Line: there is nobody to tell. */
function parseStartLine(line: string): { message: StartLine; fault: Fault | undefined } | undefined {
  if (line.slice(0, 4).toUpperCase() === 'SIP/') return parseStatusLine(line);
  const first = line.indexOf(' ');
  const last = line.lastIndexOf(' SIP/');
  const method = line.slice(0, Math.max(first, 0));
  if (first < 0 || last < first || !isToken(method)) return undefined;
  const uri = line.slice(first + 1, Math.max(last, first + 1));
  const version = line.slice(last + 5);
  return { message: { method, uri, version }, fault: startLineFault(uri, version) };
}

function startLineFault(uri: string, version: string): Fault | undefined {
  // Header components must not be in a Request-URI (RFC 3261 section 19.1.1, RFC 4475 section 3.1.2.11).
  const headers = uri.slice(0, 3).toLowerCase() === 'sip' && uri.includes('?', uri.indexOf('@') + 1);
  if (!isAcceptableUri(uri) || headers) return { status: 400, reason: 'malformed request-uri' };
  if (version === '2.0') return undefined;
  const dot = version.indexOf('.');
  const versioned =
    parseDigits(version.slice(0, dot), 9) !== undefined &&
    parseDigits(version.slice(dot + 1), 9) !== undefined;
  return versioned
    ? { status: 505, reason: 'unknown version' }
    : { status: 400, reason: 'malformed request line' };
}

function parseStatusLine(line: string): { message: StartLine; fault: undefined } | undefined {
  const space = line.indexOf(' ');
  const status = parseDigits(line.slice(space + 1, space + 4), 3);
  const version = line.slice(4, Math.max(space, 4));
  const separated = line.length === space + 4 || line.charAt(space + 4) === ' ';
  if (version !== '2.0' || status === undefined || status < 100 || status > 699 || !separated)
    return undefined;
  return { message: { version, status, reason: line.slice(space + 5) }, fault: undefined };
}
