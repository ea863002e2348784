// The values of the headers that are taken apart (RFC 3261 section 20 and 25.1). Undefined means malformed.
import type { AuthHeader, CSeq, NameAddr, Via } from './message.ts';
import { COLON, COMMA, EQUALS, isToken, MAX_PARAMS, parseDigits, parsePort, Scanner, SLASH } from './scan.ts';
import { isHost, scanNameAddr } from './uri.ts';

/** More than a request can collect on its way (Max-Forwards starts at 70); bounds the work of one hostile header. */
export const MAX_LIST = 100;

/** CSeq is below 2**31 (RFC 3261 section 8.1.1.5). */
const MAX_CSEQ = 2 ** 31 - 1;
const MAX_UINT32 = 2 ** 32 - 1;

/** A comma-separated list, each element read by `scan`; undefined when one is malformed, empty, or one too many. */
function parseList<T>(text: string, scan: (scanner: Scanner) => T | undefined): T[] | undefined {
  const scanner = new Scanner(text);
  const list: T[] = [];
  do {
    scanner.skipSpace();
    const element = scan(scanner);
    if (element === undefined || list.length === MAX_LIST) return undefined;
    list.push(element);
  } while (scanner.takeSpaced(COMMA));
  return scanner.done ? list : undefined;
}

export function parseVias(text: string): Via[] | undefined {
  return parseList(text, scanVia);
}

function scanVia(scanner: Scanner): Via | undefined {
  const via = scanSentBy(scanner);
  const params = via && scanner.params();
  return params && { ...via, params };
}

/** `SIP / 2.0 / UDP host [: port]`, white space allowed around the separators (RFC 4475 section 3.1.1.1). */
function scanSentBy(scanner: Scanner): Omit<Via, 'params'> | undefined {
  if (scanner.token().toUpperCase() !== 'SIP' || !scanner.takeSpaced(SLASH)) return undefined;
  const version = scanner.token();
  if (version === '' || !scanner.takeSpaced(SLASH)) return undefined;
  const protocol = scanner.token().toUpperCase();
  const gap = scanner.at;
  scanner.skipSpace();
  if (protocol === '' || scanner.at === gap) return undefined;
  const host = scanner.host();
  if (host === undefined || !isHost(host)) return undefined;
  const port = scanner.takeSpaced(COLON) ? parsePort(scanner.token()) : 0;
  if (port === undefined) return undefined;
  return { version, protocol, host, port: port === 0 ? undefined : port };
}

export function parseNameAddrs(text: string): NameAddr[] | undefined {
  return parseList(text, scanNameAddr);
}

/** Route and Record-Route: bare addresses are not in their grammar, and are sent all the same. */
export const parseRoutes = parseNameAddrs;

export function parseContact(text: string): NameAddr[] | '*' | undefined {
  return text === '*' ? '*' : parseNameAddrs(text);
}

/** A Call-ID may hold any visible characters but white space. */
export function parseCallId(text: string): string | undefined {
  return text === '' || text.includes(' ') || text.includes('\t') ? undefined : text;
}

export function parseCSeq(text: string): CSeq | undefined {
  const scanner = new Scanner(text);
  const seq = parseDigits(scanner.token(), 32);
  scanner.skipSpace();
  const method = scanner.token();
  if (seq === undefined || seq > MAX_CSEQ || !isToken(method) || !scanner.done) return undefined;
  return { seq, method };
}

export function parseMaxForwards(text: string): number | undefined {
  const value = parseDigits(text, 32);
  return value !== undefined && value <= 255 ? value : undefined;
}

export function parseExpires(text: string): number | undefined {
  const value = parseDigits(text, 32);
  return value !== undefined && value <= MAX_UINT32 ? value : undefined;
}

export function parseContentLength(text: string): number | undefined {
  const value = parseDigits(text, 32);
  return value !== undefined && value <= MAX_UINT32 ? value : undefined;
}

/**
 * A challenge or credentials: `Digest name=value, name="value"`, or a scheme with one opaque value, which is then kept
 * under `token68` (RFC 7235 section 2.1). Names are in lower case, values as they stand.
 */
export function parseAuth(text: string): AuthHeader | undefined {
  const scanner = new Scanner(text);
  const auth = Object.create(null) as AuthHeader;
  auth.scheme = scanner.token();
  scanner.skipSpace();
  if (auth.scheme === '' || scanner.done) return undefined;
  const start = scanner.at;
  if (scanAuthParams(scanner, auth)) return auth;
  scanner.at = start;
  const opaque = scanner.value();
  if (opaque === undefined || !scanner.done || auth.scheme.toLowerCase() === 'digest') return undefined;
  return Object.assign(Object.create(null) as AuthHeader, { scheme: auth.scheme, token68: opaque });
}

function scanAuthParams(scanner: Scanner, auth: AuthHeader): boolean {
  let count = 0;
  do {
    const name = scanner.token().toLowerCase();
    if (name === '' || name in auth || name === 'token68' || ++count > MAX_PARAMS) return false;
    if (!scanner.takeSpaced(EQUALS)) return false;
    const value = scanner.value();
    if (value === undefined) return false;
    auth[name] = value;
  } while (scanner.takeSpaced(COMMA));
  return scanner.done;
}
