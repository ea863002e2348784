// SIP messages to bytes: the usual ones printed here, others by `sip`; nothing gets there that would change a head, the body goes out
// untouched (RFC 3261 section 7).
import { stringify } from 'sip';
import { GrecError } from '../errors.ts';
import { type AuthHeader, isRequest, type SipMessage } from './message.ts';
import { isSafeUri, printedName, printHead, printMessage } from './print-head.ts';
import { isToken } from './scan.ts';
import { bytesOf } from './text.ts';

/** How `stringify` ends a head of its own accord: it counts characters of a text body, and is given none. */
const NO_LENGTH = 'Content-Length: 0\r\n\r\n';

/**
 * The bytes of a message, Content-Length computed.
 * @throws GrecError SIP_INVALID when CR, LF or NUL stand where they would become part of another header, when a URI
 * could leave its brackets, or a name is no token.
 */
export function encodeMessage(message: SipMessage): Buffer {
  return printMessage(message) ?? Buffer.concat([bytesOf(stringifyHead(message)), message.body]);
}

/** How many bytes that would be. @throws GrecError SIP_INVALID */
export function encodedLength(message: SipMessage): number {
  return (printHead(message)?.length ?? bytesOf(stringifyHead(message)).length) + message.body.length;
}

/** The head of any message, by `sip`. */
export function stringifyHead(message: SipMessage): string {
  checkStartLine(message);
  const headers = printable(message);
  const head = isRequest(message)
    ? stringify({ method: message.method, uri: message.uri, headers })
    : stringify({ status: message.status, reason: message.reason, headers });
  return `${head.slice(0, -NO_LENGTH.length)}Content-Length: ${message.body.length}\r\n\r\n`;
}

/** The headers that `stringify` can be trusted with; it may write into them. */
function printable(message: SipMessage): Record<string, unknown> {
  const headers = Object.create(null) as Record<string, unknown>;
  for (const name in message.headers) {
    const value = message.headers[name];
    // An empty contact list would be printed as `*`, which removes every registration.
    if (value === undefined || name === 'content-length' || (Array.isArray(value) && value.length === 0))
      continue;
    const printed = printedName(name);
    if (printed === undefined) throw invalid(name, name);
    checkValue(name, value);
    // Under its own name where `stringify` has a way of its own to print it.
    headers[typeof value === 'object' ? name : printed] = Array.isArray(value)
      ? value.map(withOpaqueValue)
      : value;
  }
  return headers;
}

/** `stringify` knows parameters alone: the opaque value of a scheme such as Basic goes along with its name. */
function withOpaqueValue(element: unknown): unknown {
  const auth = element as Partial<AuthHeader>;
  return auth['token68'] === undefined ? element : { scheme: `${auth.scheme} ${auth['token68']}` };
}

function checkStartLine(message: SipMessage): void {
  if (!isRequest(message)) return checkText('reason', message.reason);
  if (!isToken(message.method)) throw invalid('method', message.method);
  checkUri('request-uri', message.uri);
}

/** Everything in a header that will be printed, however deep it stands. */
function checkValue(header: string, value: unknown): void {
  if (typeof value === 'string') return checkText(header, value);
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const element of value) checkValue(header, element);
    return;
  }
  const parts = value as Record<string, unknown>;
  for (const name in parts) {
    if (!isToken(name)) throw invalid(header, name);
    const part = parts[name];
    if (name === 'uri' && 'params' in parts && typeof part === 'string') checkUri(header, part);
    else checkValue(header, part);
  }
}

const UNSAFE = /[\0\n\r]/;

/** NUL may stand in a quoted string behind a backslash (RFC 4475 section 3.1.1.2), CR and LF nowhere. */
function checkText(header: string, text: string): void {
  if (UNSAFE.test(text) && UNSAFE.test(text.replaceAll('\\\0', ''))) throw invalid(header, text);
}

function checkUri(header: string, uri: string): void {
  if (!isSafeUri(uri)) throw invalid(header, uri);
}

function invalid(header: string, text: string): GrecError {
  const shown = JSON.stringify(text.slice(0, 80));
  return new GrecError(
    'SIP_INVALID',
    `${header} cannot be sent: ${shown} holds characters that would change the message`,
    {
      hint: 'Remove line breaks and control characters from it.',
    },
  );
}
