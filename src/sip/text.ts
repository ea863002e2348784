// Header bytes as text and back, without losing one: UTF-8, and a stand-in for bytes that are not (RFC 3261 section 7).
import { isUtf8 } from 'node:buffer';

/**
 * A byte that is no part of valid UTF-8 becomes the lone surrogate 0xDC00 + byte, so that any header text goes out
 * as the bytes in which it came. UTF-8 itself never decodes to a lone surrogate, hence the mapping is unambiguous.
 */
const STRAY_BYTE = 0xdc00;

/** The text of header bytes. Total: every byte sequence has a text, and a text of its own. */
export function textOf(all: Buffer, from = 0, to = all.length): string {
  if (isAsciiFrom(all, from, to)) return all.toString('latin1', from, to);
  const bytes = all.subarray(from, to);
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let text = '';
  let start = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      text += bytes.toString('utf8', start, at) + String.fromCharCode(STRAY_BYTE + (bytes[at] ?? 0));
      start = at + 1;
    }
    at += length || 1;
  }
  return text + bytes.toString('utf8', start);
}

function isAsciiFrom(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if ((bytes[at] as number) > 127) return false;
  return true;
}

/** The bytes of a text: the inverse of textOf; plain UTF-8 for text that we made. */
export function bytesOf(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.codePointAt(at) ?? 0;
    if (code > 0xffff) at++;
    if (code < STRAY_BYTE + 0x80 || code > STRAY_BYTE + 0xff) continue;
    parts.push(Buffer.from(text.slice(start, at), 'utf8'), Buffer.of(code - STRAY_BYTE));
    start = at + 1;
  }
  parts.push(Buffer.from(text.slice(start), 'utf8'));
  return Buffer.concat(parts);
}

/** The length of the valid UTF-8 sequence at `at`, 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
