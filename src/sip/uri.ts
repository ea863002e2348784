// SIP, SIPS and tel URIs: parse and print (RFC 3261 sections 19.1 and 25.1, RFC 3966).
import { isIPv6 } from 'node:net';
import type { Params, Uri } from './message.ts';
import {
  AT,
  CLOSE_BRACKET,
  COLON,
  EQUALS,
  emptyParams,
  find,
  isHostName,
  MAX_PARAMS,
  OPEN_BRACKET,
  parsePort,
  QUESTION,
  SEMICOLON,
} from './scan.ts';
import { bytesOf, textOf } from './text.ts';

const ALPHANUMERIC = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const UNRESERVED = `${ALPHANUMERIC}-_.!~*'()`;

const USER = classOf(`${UNRESERVED}&=+$,;?/`);
// A raw `#` is not in the grammar; phones dial feature codes (`*21#`) with it.
const USER_READ = classOf(`${UNRESERVED}&=+$,;?/#%`);
const PASSWORD = classOf(`${UNRESERVED}&=+$,`);
const PASSWORD_READ = classOf(`${UNRESERVED}&=+$,%`);
const HOST_PLAIN = classOf(`${ALPHANUMERIC}-._`);
const DIGIT = classOf('0123456789');
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

/** The first position from `start` to `end` whose character is not in a table. */
function runOf(text: string, table: Uint8Array, start: number, end: number): number {
  let at = start;
  for (; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code > 127 || table[code] === 0) break;
  }
  return at;
}

function consistsOf(text: string, table: Uint8Array, start = 0, end = text.length): boolean {
  return runOf(text, table, start, end) === end;
}

/** Each call asks several times for the same few URIs. Longer ones, and more, are not remembered: strangers make them up. */
const LONGEST_REMEMBERED = 100;
const MOST_REMEMBERED = 500;
const remembered = new Map<string, Readonly<Uri>>();

/**
 * Takes a sip, sips or tel URI apart; without brackets or white space around it. What it gives is not to be changed.
 * Undefined when it is malformed or of another scheme (tell these apart with isAbsoluteUri).
 */
export function parseUri(text: string): Readonly<Uri> | undefined {
  if (text.length > LONGEST_REMEMBERED) return parseUriAt(text, 0, text.length);
  const known = remembered.get(text);
  if (known !== undefined) return known;
  // What is cut out of a message keeps the whole of its head in memory; a text made of bytes keeps itself alone.
  const own = textOf(bytesOf(text));
  const uri = parseUriAt(own, 0, own.length);
  if (uri === undefined) return undefined;
  if (remembered.size >= MOST_REMEMBERED) remembered.clear();
  Object.freeze(uri.params);
  remembered.set(own, Object.freeze(uri));
  return uri;
}

function parseUriAt(text: string, start: number, end: number): Uri | undefined {
  const scheme = schemeAt(text, start, end);
  if (scheme === undefined) return undefined;
  const rest = start + scheme.length + 1;
  return scheme === 'tel' ? parseTelUri(text, rest, end) : parseSipUri(scheme, text, rest, end);
}

/** The scheme at `start` when it is one that is taken apart. */
function schemeAt(text: string, start: number, end: number): Uri['scheme'] | undefined {
  const colon = find(text, COLON, start, Math.min(end, start + 5));
  const scheme = colon < 0 ? '' : text.slice(start, colon).toLowerCase();
  return scheme === 'sip' || scheme === 'sips' || scheme === 'tel' ? scheme : undefined;
}

/** True when a text has the form of a URI of whatever scheme: a scheme, a colon, and URI characters alone. */
export function isAbsoluteUri(text: string): boolean {
  return isAbsoluteUriAt(text, 0, text.length);
}

function isAbsoluteUriAt(text: string, start: number, end: number): boolean {
  const colon = find(text, COLON, start, Math.min(end, start + 64));
  if (colon <= start || colon === end - 1) return false;
  return consistsOf(text, SCHEME_READ, start, colon) && consistsOf(text, OPAQUE_READ, colon + 1, end);
}

/** True when a range is a URI that may stand in a message: well-formed when its scheme is ours, opaque otherwise. */
export function isAcceptableUri(text: string, start = 0, end = text.length): boolean {
  if (text.startsWith('sip:', start) && isPlain(text, start + 4, end)) return true;
  if (schemeAt(text, start, end) !== undefined) return parseUriAt(text, start, end) !== undefined;
  return isAbsoluteUriAt(text, start, end);
}

/**
 * True for `user@host:port;name=value` and parts of it, without escapes, brackets or a second parameter: nearly all URIs
 * there are, recognized in one pass and without taking them apart, which halves the cost of decoding a message.
 */
function isPlain(text: string, start: number, end: number): boolean {
  const userEnd = runOf(text, USER, start, end);
  const host = text.charCodeAt(userEnd) === AT && userEnd < end && userEnd > start ? userEnd + 1 : start;
  let at = runOf(text, HOST_PLAIN, host, end);
  if (at === host || at - host > 255) return false;
  if (at < end && text.charCodeAt(at) === COLON) {
    const port = at + 1;
    at = runOf(text, DIGIT, port, end);
    if (parsePort(text.slice(port, at)) === undefined) return false;
  }
  return at === end || (text.charCodeAt(at) === SEMICOLON && isPlainParam(text, at + 1, end));
}

function isPlainParam(text: string, start: number, end: number): boolean {
  const at = runOf(text, PARAM, start, end);
  if (at === end || at === start) return at > start;
  return text.charCodeAt(at) === EQUALS && at + 1 < end && runOf(text, PARAM, at + 1, end) === end;
}

function parseSipUri(scheme: 'sip' | 'sips', text: string, start: number, end: number): Uri | undefined {
  const at = find(text, AT, start, end);
  const userinfo = at < 0 ? NO_USERINFO : parseUserinfo(text, start, at);
  const address = at < 0 ? start : at + 1;
  const question = find(text, QUESTION, address, end);
  const beforeHeaders = question < 0 ? end : question;
  const semicolon = find(text, SEMICOLON, address, beforeHeaders);
  const hostport = parseHostPort(text, address, semicolon < 0 ? beforeHeaders : semicolon);
  const params = semicolon < 0 ? emptyParams() : parseUriParams(text, semicolon + 1, beforeHeaders);
  if (userinfo === undefined || hostport === undefined || params === undefined) return undefined;
  if (question >= 0 && (question === end - 1 || !consistsOf(text, HEADERS_READ, question + 1, end)))
    return undefined;
  const headers = question < 0 ? undefined : text.slice(question + 1, end);
  const uri: Uri = { scheme, user: userinfo.user, host: hostport.host, port: hostport.port, params, headers };
  if (userinfo.password !== undefined) uri.password = userinfo.password;
  return uri;
}

function parseTelUri(text: string, start: number, end: number): Uri | undefined {
  const semicolon = find(text, SEMICOLON, start, end);
  const userEnd = semicolon < 0 ? end : semicolon;
  const params = semicolon < 0 ? emptyParams() : parseUriParams(text, semicolon + 1, end);
  if (userEnd === start || !consistsOf(text, TEL_READ, start, userEnd) || params === undefined)
    return undefined;
  return {
    scheme: 'tel',
    user: text.slice(start, userEnd),
    host: '',
    port: undefined,
    params,
    headers: undefined,
  };
}

interface Userinfo {
  user: string | undefined;
  password: string | undefined;
}

const NO_USERINFO: Userinfo = { user: undefined, password: undefined };

function parseUserinfo(text: string, start: number, end: number): Userinfo | undefined {
  const colon = find(text, COLON, start, end);
  const user = unescaped(text, USER_READ, start, colon < 0 ? end : colon);
  const password = colon < 0 ? undefined : unescaped(text, PASSWORD_READ, colon + 1, end);
  return !user || (colon >= 0 && password === undefined) ? undefined : { user, password };
}

/** `host [":" port]`; undefined when either is malformed. The host keeps the brackets of an IPv6 address. */
export function parseHostPort(
  text: string,
  start = 0,
  end = text.length,
): { host: string; port: number | undefined } | undefined {
  const bracket = text.charCodeAt(start) === OPEN_BRACKET ? find(text, CLOSE_BRACKET, start, end) : start;
  const colon = bracket < 0 ? -1 : find(text, COLON, bracket, end);
  const hostEnd = colon < 0 ? end : colon;
  if (bracket < 0 || !isHost(text, start, hostEnd)) return undefined;
  const port = colon < 0 ? undefined : parsePort(text.slice(colon + 1, end));
  return colon >= 0 && port === undefined ? undefined : { host: text.slice(start, hostEnd), port };
}

/** A host name, an IPv4 address, or an IPv6 address in brackets. */
export function isHost(text: string, start = 0, end = text.length): boolean {
  if (text.charCodeAt(start) !== OPEN_BRACKET) return isHostName(text, start, end);
  return (
    end - start <= 64 && text.charCodeAt(end - 1) === CLOSE_BRACKET && isIPv6(text.slice(start + 1, end - 1))
  );
}

function parseUriParams(text: string, start: number, end: number): Params | undefined {
  const params = emptyParams();
  let count = 0;
  for (let at = start; at <= end; count++) {
    const semicolon = find(text, SEMICOLON, at, end);
    const paramEnd = semicolon < 0 ? end : semicolon;
    const equals = find(text, EQUALS, at, paramEnd);
    const name = unescaped(text, PARAM_READ, at, equals < 0 ? paramEnd : equals)?.toLowerCase();
    const value = equals < 0 ? null : unescaped(text, PARAM_READ, equals + 1, paramEnd);
    if (!name || value === undefined || value === '' || name in params || count === MAX_PARAMS)
      return undefined;
    params[name] = value;
    at = paramEnd + 1;
  }
  return params;
}

/** A range with its escapes resolved; undefined when it has other characters than those of `table`. */
function unescaped(text: string, table: Uint8Array, start: number, end: number): string | undefined {
  return consistsOf(text, table, start, end) ? resolveEscapes(text.slice(start, end)) : undefined;
}

/** Resolves `%HH`; undefined when a `%` is not followed by two hexadecimal digits. */
export function resolveEscapes(text: string): string | undefined {
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
  for (const name in uri.params) {
    const value = uri.params[name];
    text += `;${escapeText(name, PARAM)}`;
    if (value !== null && value !== undefined) text += `=${escapeText(value, PARAM)}`;
  }
  return uri.headers === undefined ? text : `${text}?${uri.headers}`;
}
