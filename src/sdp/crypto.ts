// a=crypto: the keys of SRTP in a description, one line for each suite that is offered (RFC 4568 sections 4, 6 and 9).
//
// What stands there is secret. A reason for a refusal never quotes it.
import type { Attribute, MediaDescription, SessionDescription } from './session-description.ts';

/** One of the master keys of a line. */
export interface CryptoKey {
  /** Master key and salt. */
  keyAndSalt: Buffer;
  /** By which packets name it; left out when they do not. */
  mki?: Buffer;
}

export interface CryptoLine {
  /** Names the line in offer and answer. */
  tag: number;
  /** AES_CM_128_HMAC_SHA1_80 … */
  suite: string;
  keys: CryptoKey[];
}

export type ParsedCrypto = { ok: true; line: CryptoLine } | { ok: false; reason: string };

/** Lines that are looked at. */
const MOST_LINES = 32;
const LONGEST_LINE = 2048;
const MOST_KEYS = 16;
const LONGEST_MKI_BYTES = 128;
const LINE = /^([0-9]{1,9})[ \t]+([A-Za-z0-9_]{1,64})[ \t]+(\S+)((?:[ \t]+\S+)*)[ \t]*$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
const LONGEST_BASE64 = 128;
const LIFETIME = /^(?:2\^([0-9]{1,3})|0*[1-9][0-9]{0,19})$/;
/** Of the index: 48 bits. */
const LONGEST_LIFETIME_BITS = 48;
const MKI = /^([0-9]{1,309}):([0-9]{1,3})$/;

/** @param value what follows `a=crypto:` */
export function parseCrypto(value: string): ParsedCrypto {
  if (value.length > LONGEST_LINE) return refuse(`over ${LONGEST_LINE} characters`);
  const match = LINE.exec(value);
  if (match === null) return refuse('not tag, suite and key');
  const [, tag, suite = '', keyParams = '', parameters = ''] = match;
  const parameter = parameters
    .split(/[ \t]+/)
    .find((text) => text !== '' && parameterProblem(text) !== undefined);
  if (parameter !== undefined) return refuse(parameterProblem(parameter) ?? '');
  const keys = parseKeys(keyParams);
  if (typeof keys === 'string') return refuse(keys);
  return { ok: true, line: { tag: Number(tag), suite, keys } };
}

function refuse(reason: string): ParsedCrypto {
  return { ok: false, reason };
}

/** Why a session parameter cannot be had (RFC 4568 section 6.3); undefined when it changes nothing here. */
function parameterProblem(text: string): string | undefined {
  // A window of replay protection is the receiver's own affair, and one that begins with - may be ignored.
  if (text.startsWith('-')) return undefined;
  if (text.startsWith('WSH=')) return /^WSH=[0-9]{2,6}$/.test(text) ? undefined : 'an impossible window size';
  const name = (/^[A-Za-z0-9_]{1,32}/.exec(text) ?? ['one'])[0];
  return `the session parameter ${name}, which cannot be had`;
}

/** @returns the keys, or why there are none */
function parseKeys(text: string): CryptoKey[] | string {
  const keys: CryptoKey[] = [];
  const params = text.split(';');
  if (params.length > MOST_KEYS) return `over ${MOST_KEYS} keys`;
  for (const param of params) {
    if (!/^inline:/i.test(param)) return 'a key that is not inline';
    const key = parseKey(param.slice('inline:'.length));
    if (typeof key === 'string') return key;
    keys.push(key);
  }
  // Without MKI nobody knows which of several is meant (RFC 4568 section 6.1).
  const lengths = new Set(keys.map(({ mki }) => mki?.length ?? 0));
  if (lengths.size > 1 || (keys.length > 1 && lengths.has(0)))
    return 'several keys without MKIs of one length';
  const names = new Set(keys.map(({ mki }) => mki?.toString('hex')));
  return names.size < keys.length ? 'two keys with one MKI' : keys;
}

function parseKey(text: string): CryptoKey | string {
  const [base64 = '', ...rest] = text.split('|');
  if (base64 === '' || base64.length > LONGEST_BASE64 || !BASE64.test(base64))
    return 'a key that is not Base64';
  const keyAndSalt = Buffer.from(base64, 'base64');
  const last = rest.at(-1);
  const hasMki = last?.includes(':') === true;
  const lifetimes = hasMki ? rest.slice(0, -1) : rest;
  if (lifetimes.length > 1) return 'more than lifetime and MKI';
  const [lifetime] = lifetimes;
  if (lifetime !== undefined && !isLifetime(lifetime)) return 'an impossible lifetime';
  if (!hasMki) return { keyAndSalt };
  const mki = parseMki(last ?? '');
  return mki === undefined ? 'an impossible MKI' : { keyAndSalt, mki };
}

/** In packets. Its end is the sender's to keep: it must bring a new key before (RFC 3711 section 9.2). */
function isLifetime(text: string): boolean {
  const match = LIFETIME.exec(text);
  return match !== null && Number(match[1] ?? 0) <= LONGEST_LIFETIME_BITS;
}

/** `VALUE:LENGTH`, the value in decimal, the length in bytes. */
function parseMki(text: string): Buffer | undefined {
  const match = MKI.exec(text);
  const length = Number(match?.[2]);
  if (match === null || length < 1 || length > LONGEST_MKI_BYTES) return undefined;
  const digits = BigInt(match[1] ?? '0').toString(16);
  return digits.length > length * 2 ? undefined : Buffer.from(digits.padStart(length * 2, '0'), 'hex');
}

/** The value of `a=crypto` for one key without lifetime and MKI. */
export function printCrypto({ tag, suite, keyAndSalt }: Omit<CryptoLine, 'keys'> & CryptoKey): string {
  return `${tag} ${suite} inline:${keyAndSalt.toString('base64')}`;
}

/** The lines of one media description that can be read, in their order, and why others cannot. */
export function cryptoLines({ attributes }: MediaDescription): { lines: CryptoLine[]; refused: string[] } {
  const lines: CryptoLine[] = [];
  const refused: string[] = [];
  const values = attributes.filter(isCrypto).slice(0, MOST_LINES);
  for (const { value = '' } of values) {
    const parsed = parseCrypto(value);
    if (!parsed.ok) refused.push(parsed.reason);
    else if (lines.some(({ tag }) => tag === parsed.line.tag)) refused.push(`tag ${parsed.line.tag} twice`);
    else lines.push(parsed.line);
  }
  return { lines, refused };
}

export function isCrypto({ name }: Attribute): boolean {
  return name === 'crypto';
}

/**
 * A copy whose active audio runs over `protocol`, with these attributes besides its own. To be used on a description that was
 * redirected: one audio line is active in it.
 */
export function withProtocol(
  sdp: SessionDescription,
  audio: MediaDescription | undefined,
  protocol: string,
  attributes: readonly Attribute[],
): SessionDescription {
  const hasFeedback = /F$/i.test(protocol);
  const media = sdp.media.map((one) => {
    if (one !== audio) return one;
    // Feedback is of AVPF and SAVPF alone (RFC 4585 section 4).
    const kept = one.attributes.filter(({ name }) => hasFeedback || name !== 'rtcp-fb');
    return { ...one, protocol, attributes: [...kept, ...attributes] };
  });
  return { ...sdp, media };
}
