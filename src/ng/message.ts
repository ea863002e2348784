// An ng message: a cookie, one space and a bencoded dictionary (rtpengine, docs/ng_control_protocol).
import { type BencodableDict, type BencodeDict, decodeBencode, encodeBencode } from './bencode.ts';

/** Of one UDP datagram over IPv4. */
export const LARGEST_DATAGRAM_BYTES = 65507;
const LONGEST_COOKIE_BYTES = 256;
const SPACE = 0x20;

export type DecodedNg =
  | { ok: true; cookie: string; dict: BencodeDict }
  /** The cookie is there when it could be read, so that an error can be sent back. */
  | { ok: false; reason: string; cookie?: string };

/** Takes a datagram apart. The dictionary's strings share its memory. */
export function decodeNg(bytes: Buffer): DecodedNg {
  const space = bytes.subarray(0, LONGEST_COOKIE_BYTES + 1).indexOf(SPACE);
  if (space < 1) return { ok: false, reason: 'no cookie' };
  const cookie = bytes.toString('latin1', 0, space);
  if (!/^[!-~]+$/.test(cookie)) return { ok: false, reason: 'a cookie with unprintable bytes' };
  const decoded = decodeBencode(bytes.subarray(space + 1));
  if (!decoded.ok) return { ok: false, reason: decoded.reason, cookie };
  const { value } = decoded;
  if (typeof value === 'number' || Buffer.isBuffer(value) || Array.isArray(value)) {
    return { ok: false, reason: 'not a dictionary', cookie };
  }
  return { ok: true, cookie, dict: value };
}

/** @param cookie printable ASCII without spaces, up to 256 bytes */
export function encodeNg(cookie: string, dict: BencodableDict): Buffer {
  return Buffer.concat([Buffer.from(`${cookie} `, 'latin1'), encodeBencode(dict)]);
}
