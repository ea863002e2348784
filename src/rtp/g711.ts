// G.711: companded bytes to and from linear samples of 16 bits (ITU-T G.711, tables 1a to 2b).
//
// The Recommendation's 14 bits (mu-law) and 13 bits (A-law) stand in the upper bits of the 16: mu-law spans ±32124,
// A-law ±32256.

/** Added before the logarithm of the mu-law, so that each segment starts at a power of two: 33 in 14 bits. */
const MULAW_BIAS = 33 << 2;
const MULAW_LARGEST = 32767 - MULAW_BIAS;
/** Every other bit of an A-law byte is inverted on the line (G.711 table 1a, note 2). */
const ALAW_INVERSION = 0x55;

/** The linear sample of each mu-law byte. */
export const MULAW_TO_LINEAR: Int16Array = Int16Array.from({ length: 256 }, (_, byte) => expandMulaw(byte));

/** The linear sample of each A-law byte. */
export const ALAW_TO_LINEAR: Int16Array = Int16Array.from({ length: 256 }, (_, byte) => expandAlaw(byte));

/** @param byte 0 to 255; further bits are passed over */
export function decodeMulaw(byte: number): number {
  return MULAW_TO_LINEAR[byte & 0xff] ?? 0;
}

/** @param byte 0 to 255; further bits are passed over */
export function decodeAlaw(byte: number): number {
  return ALAW_TO_LINEAR[byte & 0xff] ?? 0;
}

/**
 * The mu-law byte of a linear sample, -32768 to 32767. Decoding and encoding again gives the same byte, but for the
 * negative zero 0x7f, which becomes the positive one, 0xff.
 */
export function encodeMulaw(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(sample), MULAW_LARGEST) + MULAW_BIAS;
  const segment = 24 - Math.clz32(magnitude);
  const step = (magnitude >> (segment + 3)) & 0x0f;
  return ~(sign | (segment << 4) | step) & 0xff;
}

/** The A-law byte of a linear sample, -32768 to 32767. Decoding and encoding again gives the same byte. */
export function encodeAlaw(sample: number): number {
  const sign = sample < 0 ? 0 : 0x80;
  const magnitude = sample < 0 ? ~sample : sample;
  const segment = Math.max(0, 24 - Math.clz32(magnitude));
  const step = (magnitude >> Math.max(4, segment + 3)) & 0x0f;
  return (sign | (segment << 4) | step) ^ ALAW_INVERSION;
}

function expandMulaw(byte: number): number {
  const bits = ~byte & 0xff;
  const segment = (bits >> 4) & 0x07;
  const magnitude = ((((bits & 0x0f) << 3) + MULAW_BIAS) << segment) - MULAW_BIAS;
  return (bits & 0x80) === 0 ? magnitude : -magnitude;
}

function expandAlaw(byte: number): number {
  const bits = byte ^ ALAW_INVERSION;
  const segment = (bits >> 4) & 0x07;
  const inSegment = ((bits & 0x0f) << 4) + 8;
  const magnitude = segment === 0 ? inSegment : (inSegment + 0x100) << (segment - 1);
  return (bits & 0x80) === 0 ? -magnitude : magnitude;
}
