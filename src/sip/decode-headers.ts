// The values of the headers that are taken apart (RFC 3261 sections 20 and 25.1). Undefined means malformed.
import type { AuthHeader, CSeq, NameAddr, Via } from './message.ts';
import { scanNameAddr } from './name-addr.ts';
import {
  COLON,
  COMMA,
  EQUALS,
  find,
  MAX_PARAMS,
  parseDigits,
  parsePort,
  type Scanner,
  SLASH,
  SPACE,
  STAR,
  TAB,
} from './scan.ts';
import { isHost } from './uri.ts';

/** More than a request can collect on its way (Max-Forwards starts at 70); bounds the work of one hostile header. */
export const MAX_LIST = 100;

/** CSeq is below 2**31 (RFC 3261 section 8.1.1.5). */
const MAX_CSEQ = 2 ** 31 - 1;

/** A comma-separated list, each element read by `scan`; undefined when one is malformed, empty, or one too many. */
function scanList<T>(scanner: Scanner, scan: (scanner: Scanner) => T | undefined): T[] | undefined {
  const list: T[] = [];
  do {
    scanner.skipSpace();
    const element = scan(scanner);
    if (element === undefined || list.length === MAX_LIST) return undefined;
    list.push(element);
  } while (scanner.takeSpaced(COMMA));
  return scanner.done ? list : undefined;
}

export function scanVias(scanner: Scanner): Via[] | undefined {
  return scanList(scanner, scanVia);
}

/** `SIP / 2.0 / UDP host [: port]`, white space allowed around the separators (RFC 4475 section 3.1.1.1). */
function scanVia(scanner: Scanner): Via | undefined {
  const name = scanner.token();
  if ((name !== 'SIP' && name.toUpperCase() !== 'SIP') || !scanner.takeSpaced(SLASH)) return undefined;
  const version = scanner.token();
  if (version === '' || !scanner.takeSpaced(SLASH)) return undefined;
  const protocol = scanner.token().toUpperCase();
  const gap = scanner.at;
  scanner.skipSpace();
  if (protocol === '' || scanner.at === gap) return undefined;
  const host = scanner.host();
  if (!isHost(host)) return undefined;
  const ported = scanner.takeSpaced(COLON);
  const port = ported ? parsePort(scanner.token()) : undefined;
  const params = ported && port === undefined ? undefined : scanner.params();
  return params && { version, protocol, host, port, params };
}

/** Route, Record-Route, Contact without `*`. Bare addresses are not in the grammar of routes, and are sent all the same. */
export function scanNameAddrs(scanner: Scanner): NameAddr[] | undefined {
  return scanList(scanner, scanNameAddr);
}

export function scanContact(scanner: Scanner): NameAddr[] | '*' | undefined {
  if (scanner.peek() === STAR && scanner.at === scanner.end - 1) return '*';
  return scanNameAddrs(scanner);
}

/** The one name-addr or addr-spec of From or To. */
export function scanOneNameAddr(scanner: Scanner): NameAddr | undefined {
  const nameAddr = scanNameAddr(scanner);
  return scanner.done ? nameAddr : undefined;
}

/** A Call-ID may hold any visible characters but white space. */
export function scanCallId(scanner: Scanner): string | undefined {
  const { text, at, end } = scanner;
  if (find(text, SPACE, at, end) >= 0 || find(text, TAB, at, end) >= 0) return undefined;
  return scanner.rest() || undefined;
}

export function scanCSeq(scanner: Scanner): CSeq | undefined {
  const seq = parseDigits(scanner.token(), 32);
  scanner.skipSpace();
  const method = scanner.token();
  if (seq === undefined || seq > MAX_CSEQ || method === '' || !scanner.done) return undefined;
  return { seq, method };
}

/** A number and nothing else, from 0 to `most`. */
function scanNumber(scanner: Scanner, most: number): number | undefined {
  const value = parseDigits(scanner.rest(), 32);
  return value !== undefined && value <= most ? value : undefined;
}

export function scanMaxForwards(scanner: Scanner): number | undefined {
  return scanNumber(scanner, 255);
}

/** Expires and Content-Length. */
export function scanUint32(scanner: Scanner): number | undefined {
  return scanNumber(scanner, 2 ** 32 - 1);
}

/**
 * A challenge or credentials: `Digest name=value, name="value"`, or a scheme with one opaque value, which is then kept
 * under `token68` (RFC 7235 section 2.1). Names are in lower case, values as they stand.
 */
export function scanAuth(scanner: Scanner): AuthHeader | undefined {
  const scheme = scanner.token();
  const start = scanner.at;
  scanner.skipSpace();
  if (scheme === '' || scanner.done || scanner.at === start) return undefined;
  const auth = scanAuthParams(scanner, scheme) ?? scanOpaqueAuth(scanner, scheme);
  return scanner.done ? auth : undefined;
}

function scanAuthParams(scanner: Scanner, scheme: string): AuthHeader | undefined {
  const start = scanner.at;
  const auth = authOf(scheme);
  let count = 0;
  do {
    const name = scanner.token().toLowerCase();
    const value = name !== '' && scanner.takeSpaced(EQUALS) ? scanner.value() : undefined;
    // `YWJj==` is no parameter but an opaque value with its padding.
    if (
      value === undefined ||
      value.startsWith('=') ||
      name in auth ||
      name === 'token68' ||
      ++count > MAX_PARAMS
    ) {
      scanner.at = start;
      return undefined;
    }
    auth[name] = value;
  } while (scanner.takeSpaced(COMMA));
  return auth;
}

function scanOpaqueAuth(scanner: Scanner, scheme: string): AuthHeader | undefined {
  const opaque = scanner.value();
  if (opaque === undefined || scheme.toLowerCase() === 'digest') return undefined;
  const auth = authOf(scheme);
  auth['token68'] = opaque;
  return auth;
}

function authOf(scheme: string): AuthHeader {
  return Object.assign(Object.create(null) as AuthHeader, { scheme });
}
