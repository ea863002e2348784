// Digest authentication: the server's challenges and checks, the client's answers (RFC 7616, RFC 8760, RFC 3261 section 22).
import { createHash, timingSafeEqual } from 'node:crypto';
import type { AuthHeader } from './message.ts';
import { type NonceOptions, Nonces } from './nonces.ts';
import { quote, unquote } from './scan.ts';
import { parseUri } from './uri.ts';
import { uriEquals } from './uri-equals.ts';

/** Hash names by the lower-case `algorithm` of RFC 8760. */
const HASHES: Record<string, string> = { md5: 'md5', 'sha-256': 'sha256' };

export type DigestAlgorithm = 'MD5' | 'SHA-256';

function hash(algorithm: string, ...parts: string[]): string {
  return createHash(HASHES[algorithm.toLowerCase()] ?? 'md5')
    .update(parts.join(':'), 'utf8')
    .digest('hex');
}

/** H(username:realm:password) in lower-case hexadecimal: all that a registrar stores (RFC 7616 section 3.4.2). */
export function ha1(
  username: string,
  realm: string,
  password: string,
  algorithm: DigestAlgorithm = 'MD5',
): string {
  return hash(algorithm, username, realm, password);
}

/** Strongest first. */
export const DIGEST_ALGORITHMS = ['SHA-256', 'MD5'] as const satisfies readonly DigestAlgorithm[];

export interface ChallengerOptions extends NonceOptions {
  realm: string;
  /** Those that are taken; by default all. */
  algorithms?: readonly DigestAlgorithm[];
}

export type DigestFailure =
  /** The nonce is out of date; challenge with `stale`, and the client tries again without asking anybody. */
  | 'stale'
  /** The same nonce count again: answer as for `stale`, but count it. */
  | 'replay'
  | 'wrong'
  | 'unknown-user'
  | 'malformed'
  | 'wrong-realm'
  | 'wrong-uri'
  /** Not a nonce of ours, or of ours before a restart: answer as for `stale`. */
  | 'forged-nonce';

export type Verdict = { ok: true; username: string } | { ok: false; reason: DigestFailure };

export interface Attempt {
  header: AuthHeader;
  method: string;
  requestUri: string;
  /** The address of who sends it; the nonce must have been given to it. */
  from?: string;
  /** The stored H(username:realm:password), or undefined for an unknown user. */
  ha1: (username: string, algorithm: DigestAlgorithm) => string | undefined;
}

export interface ChallengeOptions {
  stale?: boolean;
  /** The address of who is challenged: the nonce is good for it alone. */
  from?: string;
  /** Those to offer, in this order: the client takes the first that it knows (RFC 8760 section 2.4). */
  algorithms?: readonly DigestAlgorithm[];
}

export interface Challenger {
  /** The values of WWW-Authenticate or Proxy-Authenticate: one header for each algorithm. */
  challenges(options?: ChallengeOptions): AuthHeader[];
  verify(attempt: Attempt): Verdict;
}

/** The server side of one realm. Keeps no more than `capacity` nonces in memory, whoever asks for how many. */
export function createChallenger(options: ChallengerOptions): Challenger {
  const { realm, algorithms = DIGEST_ALGORITHMS } = options;
  const nonces = new Nonces(options);
  return {
    challenges: ({ stale = false, from, algorithms: offered = algorithms } = {}) => {
      const nonce = `"${nonces.issue(from)}"`;
      return offered.map((algorithm) => ({
        scheme: 'Digest',
        realm: quote(realm),
        nonce,
        qop: '"auth"',
        algorithm,
        ...(stale ? { stale: 'true' } : {}),
      }));
    },
    verify: (attempt) => verify(attempt, realm, algorithms, nonces),
  };
}

function verify(
  attempt: Attempt,
  realm: string,
  algorithms: readonly DigestAlgorithm[],
  nonces: Nonces,
): Verdict {
  const fields = readCredentials(attempt.header);
  const algorithm = algorithms.find((one) => one.toLowerCase() === fields?.algorithm);
  if (fields === undefined || algorithm === undefined) return failure('malformed');
  if (fields.realm !== realm) return failure('wrong-realm');
  const age = nonces.check(fields.nonce, attempt.from);
  if (age !== undefined) return failure(age);
  const known = attempt.ha1(fields.username, algorithm);
  // An unknown user costs the same work as a wrong password.
  const expected = responseOf(
    algorithm,
    known ?? hash(algorithm, fields.username, realm, ''),
    attempt.method,
    fields,
  );
  const equal = sameText(expected, fields.response);
  if (known === undefined) return failure('unknown-user');
  if (!equal) return failure('wrong');
  if (!sameUri(fields.uri, attempt.requestUri)) return failure('wrong-uri');
  return nonces.use(fields.nonce, fields.count) ? { ok: true, username: fields.username } : failure('replay');
}

function failure(reason: DigestFailure): Verdict {
  return { ok: false, reason };
}

interface Credentials {
  username: string;
  realm: string;
  nonce: string;
  uri: string;
  response: string;
  algorithm: string;
  /** Undefined for a client of RFC 2069, which knows neither qop nor a count. */
  qop: string | undefined;
  nc: string;
  cnonce: string;
  count: number | undefined;
}

function readCredentials(header: AuthHeader): Credentials | undefined {
  if (header.scheme.toLowerCase() !== 'digest') return undefined;
  const field = (name: string) => unquote(header[name] ?? '');
  const { username, realm, nonce, uri, response, nc, cnonce } = {
    username: field('username'),
    realm: field('realm'),
    nonce: field('nonce'),
    uri: field('uri'),
    response: field('response').toLowerCase(),
    nc: field('nc'),
    cnonce: field('cnonce'),
  };
  const qop = header['qop'] === undefined ? undefined : field('qop').toLowerCase();
  const algorithm = (field('algorithm') || 'MD5').toLowerCase();
  if (username === '' || nonce === '' || uri === '' || response === '') return undefined;
  if (qop === undefined)
    return { username, realm, nonce, uri, response, algorithm, qop, nc, cnonce, count: undefined };
  const count = parseCount(nc);
  if (qop !== 'auth' || count === undefined || cnonce === '') return undefined;
  return { username, realm, nonce, uri, response, algorithm, qop, nc, cnonce, count };
}

/** `nc`: eight hexadecimal digits, from 1. */
function parseCount(nc: string): number | undefined {
  if (!/^[0-9a-f]{8}$/i.test(nc)) return undefined;
  return Number.parseInt(nc, 16) || undefined;
}

function responseOf(
  algorithm: string,
  secret: string,
  method: string,
  fields: Pick<Credentials, 'nonce' | 'nc' | 'cnonce' | 'qop' | 'uri'>,
): string {
  const ha2 = hash(algorithm, method, fields.uri);
  if (fields.qop === undefined) return hash(algorithm, secret, fields.nonce, ha2);
  return hash(algorithm, secret, fields.nonce, fields.nc, fields.cnonce, fields.qop, ha2);
}

function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a, 'utf8');
  const right = Buffer.from(b, 'utf8');
  return left.length === right.length && timingSafeEqual(left, right);
}

function sameUri(a: string, b: string): boolean {
  if (a === b) return true;
  const left = parseUri(a);
  const right = parseUri(b);
  return left !== undefined && right !== undefined && uriEquals(left, right);
}

export interface Authorization {
  challenge: AuthHeader;
  credentials: { username: string; password: string };
  method: string;
  uri: string;
  /** How often this nonce has been used, this time included: from 1. */
  nc: number;
  cnonce: string;
}

/** The first challenge that can be answered; a server lists them in the order of its preference (RFC 8760 section 2.4). */
export function chooseChallenge(challenges: AuthHeader[]): AuthHeader | undefined {
  return challenges.find((challenge) => challengeOf(challenge) !== undefined);
}

/** The value of Authorization or Proxy-Authorization; undefined when the challenge asks for what is not known here. */
export function authorize(authorization: Authorization): string | undefined {
  const challenge = challengeOf(authorization.challenge);
  if (challenge === undefined) return undefined;
  const { credentials, method, uri, cnonce } = authorization;
  const { realm, nonce, algorithm, opaque, qop } = challenge;
  const nc = authorization.nc.toString(16).padStart(8, '0');
  const secret = hash(algorithm, credentials.username, realm, credentials.password);
  const response = responseOf(algorithm, secret, method, { nonce, nc, cnonce, qop, uri });
  const parts = [`username=${quote(credentials.username)}`, `realm=${quote(realm)}`, `nonce=${quote(nonce)}`];
  parts.push(`uri=${quote(uri)}`, `response="${response}"`, `algorithm=${algorithm}`);
  if (qop !== undefined) parts.push(`qop=${qop}`, `nc=${nc}`, `cnonce=${quote(cnonce)}`);
  if (opaque !== undefined) parts.push(`opaque=${quote(opaque)}`);
  return `Digest ${parts.join(', ')}`;
}

interface Challenge {
  realm: string;
  nonce: string;
  algorithm: string;
  opaque: string | undefined;
  qop: 'auth' | undefined;
}

function challengeOf(header: AuthHeader): Challenge | undefined {
  const { realm, nonce, opaque } = header;
  const algorithm = unquote(header['algorithm'] ?? 'MD5');
  if (header.scheme.toLowerCase() !== 'digest' || realm === undefined || nonce === undefined)
    return undefined;
  if (!Object.hasOwn(HASHES, algorithm.toLowerCase())) return undefined;
  const qops = header['qop'] === undefined ? undefined : unquote(header['qop']).toLowerCase().split(',');
  if (qops !== undefined && !qops.some((qop) => qop.trim() === 'auth')) return undefined;
  const qop = qops === undefined ? undefined : 'auth';
  return { realm: unquote(realm), nonce: unquote(nonce), algorithm, qop, opaque: opaque && unquote(opaque) };
}
