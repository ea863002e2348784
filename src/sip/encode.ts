// SIP messages to bytes: `sip` prints the head, nothing that it must not print gets there, the body goes out untouched (RFC 3261 section 7).
import { stringify } from 'sip';
import { GrecError } from '../errors.ts';
import { isRequest, type Params, type SipMessage } from './message.ts';
import { isToken } from './scan.ts';
import { bytesOf } from './text.ts';

/**
 * The bytes of a message, Content-Length computed.
 * @throws GrecError SIP_INVALID when CR, LF or NUL stand where they would become part of another header, or a name is no token.
 */
export function encodeMessage(message: SipMessage): Buffer {
  checkStartLine(message);
  const headers: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    // An empty contact list would be printed as `*`, which removes every registration.
    if (value === undefined || name === 'content-length' || (Array.isArray(value) && value.length === 0))
      continue;
    if (!isToken(name)) throw invalid(name, name);
    checkValue(name, value);
    headers[name] = value;
  }
  headers['content-length'] = message.body.length;
  // Frozen, as `stringify` would put the length of a text there.
  const head = bytesOf(stringify({ ...message, headers: Object.freeze(headers) }));
  return message.body.length === 0 ? head : Buffer.concat([head, message.body]);
}

function checkStartLine(message: SipMessage): void {
  if (!isRequest(message)) return checkText('reason', message.reason);
  if (!isToken(message.method)) throw invalid('method', message.method);
  checkUri('request-uri', message.uri);
}

/** Everything in a header that will be printed, however deep it stands. */
function checkValue(name: string, value: unknown): void {
  if (typeof value === 'string') return checkText(name, value);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, part] of Object.entries(value)) {
    if (key === 'uri' && typeof part === 'string') checkUri(name, part);
    else if (key === 'params') checkParams(name, part as Params);
    else checkValue(name, part);
  }
}

function checkParams(header: string, params: Params): void {
  for (const [name, value] of Object.entries(params)) {
    if (!isToken(name)) throw invalid(header, name);
    if (value !== null) checkText(header, value);
  }
}

/** NUL may stand in a quoted string behind a backslash (RFC 4475 section 3.1.1.2), CR and LF nowhere. */
function checkText(header: string, text: string): void {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 13) continue;
    if (code === 13 || code === 10 || (code === 0 && text.charAt(at - 1) !== '\\'))
      throw invalid(header, text);
  }
}

function checkUri(header: string, uri: string): void {
  for (let at = 0; at < uri.length; at++) {
    const code = uri.charCodeAt(at);
    if (code <= 32 || code === 60 || code === 62) throw invalid(header, uri);
  }
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
