// SIP, SIPS and tel URIs, and name-addr: parse, print, compare (RFC 3261 sections 19.1 and 25.1, RFC 3966).
import { isIPv6 } from 'node:net';
import type { NameAddr, Params, Uri } from './message.ts';
import { emptyParams, GREATER, isHostName, LESS, MAX_PARAMS, parsePort, QUOTE, Scanner } from './scan.ts';
import { bytesOf, textOf } from './text.ts';

const ALPHANUMERIC = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const UNRESERVED = `${ALPHANUMERIC}-_.!~*'()`;

const USER = classOf(`${UNRESERVED}&=+$,;?/`);
// A raw `#` is not in the grammar; phones dial feature codes (`*21#`) with it.
const USER_READ = classOf(`${UNRESERVED}&=+$,;?/#%`);
const PASSWORD = classOf(`${UNRESERVED}&=+$,`);
const PASSWORD_READ = classOf(`${UNRESERVED}&=+$,%`);
const PARAM = classOf(`${UNRESERVED}[]/:&+$`);
// `=` inside a value is base64 padding in Record-Route cookies of common proxies.
const PARAM_READ = classOf(`${UNRESERVED}[]/:&+$=%`);
const HEADERS_READ = classOf(`${UNRESERVED}[]/?:+$&=%`);
const TEL_READ = classOf('+0123456789abcdefABCDEF*#-.()');
const SCHEME_READ = classOf(`${ALPHANUMERIC}+-.`);
const OPAQUE_READ = classOf(`${UNRESERVED};/?:@&=+$,%[]#|^{}`);

function classOf(characters: string): Uint8Array {
  const table = new Uint8Array(128);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}

function consistsOf(text: string, table: Uint8Array): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 127 || table[code] === 0) return false;
  }
  return true;
}

/**
 * Takes a sip, sips or tel URI apart; in one pass, without brackets or white space around it.
 * Undefined when it is malformed or of another scheme (tell these apart with isAbsoluteUri).
 */
export function parseUri(text: string): Uri | undefined {
  const colon = text.indexOf(':');
  const scheme = text.slice(0, Math.max(0, Math.min(colon, 5))).toLowerCase();
  if (scheme === 'sip' || scheme === 'sips') return parseSipUri(scheme, text.slice(colon + 1));
  return scheme === 'tel' && colon === 3 ? parseTelUri(text.slice(4)) : undefined;
}

/** True when a text has the form of a URI of whatever scheme: a scheme, a colon, and URI characters alone. */
export function isAbsoluteUri(text: string): boolean {
  const colon = text.indexOf(':');
  if (colon < 1 || colon > 64 || colon === text.length - 1) return false;
  return consistsOf(text.slice(0, colon), SCHEME_READ) && consistsOf(text.slice(colon + 1), OPAQUE_READ);
}

/** True when a text is a URI that may stand in a message: well-formed when its scheme is ours, opaque otherwise. */
export function isAcceptableUri(text: string): boolean {
  const scheme = text.slice(0, 5).toLowerCase();
  if (scheme.startsWith('sip:') || scheme === 'sips:' || scheme.startsWith('tel:'))
    return parseUri(text) !== undefined;
  return isAbsoluteUri(text);
}

function parseSipUri(scheme: 'sip' | 'sips', rest: string): Uri | undefined {
  const at = rest.indexOf('@');
  const userinfo = at < 0 ? { user: undefined, password: undefined } : parseUserinfo(rest.slice(0, at));
  if (userinfo === undefined) return undefined;
  const question = rest.indexOf('?', at + 1);
  const headers = question < 0 ? undefined : rest.slice(question + 1);
  if (headers !== undefined && (headers === '' || !consistsOf(headers, HEADERS_READ))) return undefined;
  const address = question < 0 ? rest.slice(at + 1) : rest.slice(at + 1, question);
  const semicolon = address.indexOf(';');
  const hostport = parseHostPort(semicolon < 0 ? address : address.slice(0, semicolon));
  const params = semicolon < 0 ? emptyParams() : parseUriParams(address.slice(semicolon + 1));
  if (hostport === undefined || params === undefined) return undefined;
  const uri: Uri = { scheme, user: userinfo.user, host: hostport.host, port: hostport.port, params, headers };
  if (userinfo.password !== undefined) uri.password = userinfo.password;
  return uri;
}

function parseTelUri(rest: string): Uri | undefined {
  const semicolon = rest.indexOf(';');
  const user = semicolon < 0 ? rest : rest.slice(0, semicolon);
  const params = semicolon < 0 ? emptyParams() : parseUriParams(rest.slice(semicolon + 1));
  if (user === '' || !consistsOf(user, TEL_READ) || params === undefined) return undefined;
  return { scheme: 'tel', user, host: '', port: undefined, params, headers: undefined };
}

function parseUserinfo(text: string): { user: string; password: string | undefined } | undefined {
  const colon = text.indexOf(':');
  const raw = colon < 0 ? text : text.slice(0, colon);
  if (raw === '' || !consistsOf(raw, USER_READ)) return undefined;
  const user = resolveEscapes(raw);
  if (user === undefined) return undefined;
  if (colon < 0) return { user, password: undefined };
  const rawPassword = text.slice(colon + 1);
  const password = consistsOf(rawPassword, PASSWORD_READ) ? resolveEscapes(rawPassword) : undefined;
  return password === undefined ? undefined : { user, password };
}

/** `host [":" port]`; undefined when either is malformed. The host keeps the brackets of an IPv6 address. */
export function parseHostPort(text: string): { host: string; port: number | undefined } | undefined {
  const colon = text.startsWith('[') ? text.indexOf(':', text.indexOf(']')) : text.indexOf(':');
  const host = text.startsWith('[')
    ? text.slice(0, text.indexOf(']') + 1)
    : colon < 0
      ? text
      : text.slice(0, colon);
  if (!isHost(host)) return undefined;
  if (text.length === host.length) return { host, port: undefined };
  if (colon !== host.length) return undefined;
  const port = parsePort(text.slice(colon + 1));
  return port === undefined ? undefined : { host, port };
}

/** A host name, an IPv4 address, or an IPv6 address in brackets. */
export function isHost(text: string): boolean {
  if (!text.startsWith('[')) return isHostName(text);
  return text.length <= 64 && text.endsWith(']') && isIPv6(text.slice(1, -1));
}

function parseUriParams(text: string): Params | undefined {
  const params = emptyParams();
  let count = 0;
  for (let at = 0; at <= text.length; count++) {
    const semicolon = text.indexOf(';', at);
    const end = semicolon < 0 ? text.length : semicolon;
    const param = text.slice(at, end);
    const equals = param.indexOf('=');
    const name = unescapeParam(equals < 0 ? param : param.slice(0, equals))?.toLowerCase();
    const value = equals < 0 ? null : unescapeParam(param.slice(equals + 1));
    if (!name || value === undefined || value === '' || name in params || count === MAX_PARAMS)
      return undefined;
    params[name] = value;
    at = end + 1;
  }
  return params;
}

function unescapeParam(text: string): string | undefined {
  return consistsOf(text, PARAM_READ) ? resolveEscapes(text) : undefined;
}

/** Resolves `%HH`; undefined when a `%` is not followed by two hexadecimal digits. */
function resolveEscapes(text: string): string | undefined {
  if (!text.includes('%')) return text;
  const bytes = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    let code = text.charCodeAt(at);
    if (code === 37) {
      const high = hexDigit(text.charCodeAt(at + 1));
      const low = hexDigit(text.charCodeAt(at + 2));
      if (high < 0 || low < 0) return undefined;
      code = high * 16 + low;
      at += 2;
    }
    bytes[length++] = code;
  }
  return textOf(bytes.subarray(0, length));
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function escapeText(text: string, table: Uint8Array): string {
  if (consistsOf(text, table)) return text;
  let escaped = '';
  for (const byte of bytesOf(text)) {
    if (byte < 128 && table[byte] === 1) escaped += String.fromCharCode(byte);
    else escaped += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return escaped;
}

/** Prints a URI; what must be escaped is. The host and `headers` stand as they are. */
export function formatUri(uri: Uri): string {
  let text = `${uri.scheme}:`;
  if (uri.scheme === 'tel') text += uri.user ?? '';
  else {
    if (uri.user !== undefined) text += escapeText(uri.user, USER);
    if (uri.password !== undefined) text += `:${escapeText(uri.password, PASSWORD)}`;
    if (uri.user !== undefined) text += '@';
    text += uri.host;
    if (uri.port !== undefined) text += `:${uri.port}`;
  }
  for (const [name, value] of Object.entries(uri.params)) {
    text += `;${escapeText(name, PARAM)}`;
    if (value !== null) text += `=${escapeText(value, PARAM)}`;
  }
  return uri.headers === undefined ? text : `${text}?${uri.headers}`;
}

/** Parameters that make two URIs differ even when only one of them has it (RFC 3261 section 19.1.4 and its examples). */
const NEVER_IGNORED = ['user', 'ttl', 'method', 'maddr', 'transport'];

/** Whether two URIs are equivalent (RFC 3261 section 19.1.4; RFC 3966 section 5 for tel). */
export function uriEquals(a: Uri, b: Uri): boolean {
  if (a.scheme !== b.scheme || a.port !== b.port || a.password !== b.password) return false;
  if (a.host.toLowerCase() !== b.host.toLowerCase()) return false;
  const sameUser = a.scheme === 'tel' ? telDigits(a.user) === telDigits(b.user) : a.user === b.user;
  return sameUser && sameParams(a.params, b.params) && uriHeaders(a.headers) === uriHeaders(b.headers);
}

function telDigits(user: string | undefined): string {
  let digits = '';
  for (const character of user ?? '') if (!'-.()'.includes(character)) digits += character.toLowerCase();
  return digits;
}

function sameParams(a: Params, b: Params): boolean {
  for (const name in a) {
    if (name in b ? a[name]?.toLowerCase() !== b[name]?.toLowerCase() : NEVER_IGNORED.includes(name))
      return false;
  }
  for (const name in b) if (!(name in a) && NEVER_IGNORED.includes(name)) return false;
  return true;
}

/** The header components in one order, names in lower case, escapes resolved. */
function uriHeaders(headers: string | undefined): string {
  if (headers === undefined) return '';
  const parts = headers.split('&').map((part) => {
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    return JSON.stringify([
      (resolveEscapes(name) ?? name).toLowerCase(),
      resolveEscapes(part.slice(name.length + 1)) ?? part,
    ]);
  });
  return parts.sort().join('&');
}

/** One name-addr or addr-spec with its parameters, and nothing behind it. Undefined when malformed. */
export function parseNameAddr(text: string): NameAddr | undefined {
  const scanner = new Scanner(text);
  const nameAddr = scanNameAddr(scanner);
  scanner.skipSpace();
  return scanner.done ? nameAddr : undefined;
}

/** The name-addr or addr-spec at the scanner's position, up to a comma or the end. */
export function scanNameAddr(scanner: Scanner): NameAddr | undefined {
  scanner.skipSpace();
  const address = scanner.peek() === QUOTE ? scanQuotedName(scanner) : scanPlainName(scanner);
  if (address === undefined || !isAcceptableUri(address.uri)) return undefined;
  const params = scanner.params();
  return params && { name: address.name, uri: address.uri, params };
}

interface Address {
  name: string | undefined;
  uri: string;
}

function scanQuotedName(scanner: Scanner): Address | undefined {
  const name = scanner.quoted();
  scanner.skipSpace();
  const uri = name === undefined ? undefined : scanBracketed(scanner);
  return uri === undefined ? undefined : { name, uri };
}

/**
 * An unquoted display name, or none, or an addr-spec. The name may hold more than tokens: phones send parentheses and
 * letters beyond ASCII without quotes. A comma or semicolon still ends it (RFC 4475 section 3.1.2.15).
 */
function scanPlainName(scanner: Scanner): Address | undefined {
  const { text } = scanner;
  const start = scanner.at;
  let at = start;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === LESS || code === 44 || code === 59 || code === QUOTE || code === GREATER) break;
  }
  scanner.at = at;
  const plain = text.slice(start, at).trimEnd();
  if (scanner.peek() === LESS) {
    const uri = scanBracketed(scanner);
    return uri === undefined ? undefined : { name: plain === '' ? undefined : plain, uri };
  }
  // Outside brackets a `?` would be taken for part of the header (RFC 3261 section 20).
  return plain.includes('?') ? undefined : { name: undefined, uri: plain };
}

function scanBracketed(scanner: Scanner): string | undefined {
  const end = scanner.peek() === LESS ? scanner.text.indexOf('>', scanner.at) : -1;
  if (end < 0) return undefined;
  const uri = scanner.text.slice(scanner.at + 1, end);
  scanner.at = end + 1;
  return uri;
}
