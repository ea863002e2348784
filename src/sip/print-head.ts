// The head of a message of the usual headers, printed in one pass (RFC 3261 sections 7 and 20).
import { isRequest, type NameAddr, type Params, type SipMessage, type Via } from './message.ts';
import { isToken } from './scan.ts';

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

/**
 * The head up to and with the empty line, as `sip` would print it, with the length of the body. Undefined for a message with other
 * headers than nearly all have, and for one that must not be sent as it is: who calls has to look closer.
 */
export function printHead(message: SipMessage): string | undefined {
  const { headers, body } = message;
  let text = startLine(message);
  let lines = 3;
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || name === 'content-length') continue;
    const printed = printHeader(name, value);
    if (text === undefined || printed === undefined) return undefined;
    text += printed;
    lines += name === 'via' ? headers.via.length : printed === '' ? 0 : 1;
  }
  if (text === undefined) return undefined;
  text += `Content-Length: ${body.length}\r\n\r\n`;
  // A line more than was written came in with a value.
  const isSafe = count(text, '\n') === lines && count(text, '\r') === lines && !text.includes('\0');
  return isSafe ? text : undefined;
}

function count(text: string, character: string): number {
  let found = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) found++;
  return found;
}

function startLine(message: SipMessage): string | undefined {
  if (!isRequest(message)) return `SIP/2.0 ${message.status} ${message.reason}\r\n`;
  const { method, uri } = message;
  return isToken(method) && isSafeUri(uri) ? `${method} ${uri} SIP/2.0\r\n` : undefined;
}

function printHeader(name: string, value: unknown): string | undefined {
  const label = printedName(name);
  if (label === undefined) return undefined;
  if (typeof value === 'string' || typeof value === 'number') return `${label}: ${value}\r\n`;
  switch (name) {
    case 'via':
      return printVias(value as Via[]);
    case 'from':
    case 'to':
      return printed(label, printNameAddr(value as NameAddr));
    case 'cseq': {
      const { seq, method } = value as { seq: number; method: string };
      return `CSeq: ${seq} ${method}\r\n`;
    }
    case 'contact':
    case 'route':
    case 'record-route':
      return (value as NameAddr[]).length === 0 ? '' : printed(label, printNameAddrs(value as NameAddr[]));
    default:
      return undefined;
  }
}

function printed(label: string, value: string | undefined): string | undefined {
  return value === undefined ? undefined : `${label}: ${value}\r\n`;
}

function printVias(vias: readonly Via[]): string | undefined {
  let text = '';
  for (const { version, protocol, host, port, params } of vias) {
    const printedParams = host === '' ? undefined : printParams(params);
    if (printedParams === undefined) return undefined;
    text += `Via: SIP/${version}/${protocol.toUpperCase()} ${host}${port ? `:${port}` : ''}${printedParams}\r\n`;
  }
  return text;
}

function printNameAddrs(nameAddrs: readonly NameAddr[]): string | undefined {
  let text = '';
  for (const nameAddr of nameAddrs) {
    const one = printNameAddr(nameAddr);
    if (one === undefined) return undefined;
    text += text === '' ? one : `, ${one}`;
  }
  return text;
}

function printNameAddr({ name, uri, params }: NameAddr): string | undefined {
  const printedParams = isSafeUri(uri) ? printParams(params) : undefined;
  return printedParams === undefined ? undefined : `${name ?? ''} <${uri}>${printedParams}`;
}

function printParams(params: Params): string | undefined {
  let text = '';
  for (const name in params) {
    if (!isToken(name)) return undefined;
    const value = params[name];
    text += value ? `;${name}=${value}` : `;${name}`;
  }
  return text;
}

const UNSAFE_IN_URI = /[\0- <>\x7f]/;

/** False for a URI that could leave its brackets or the line. */
export function isSafeUri(uri: string): boolean {
  return uri !== '' && !UNSAFE_IN_URI.test(uri);
}
