// The fields of one captured RTP packet that a timeline needs (RFC 3550 section 5.1).

export interface RtpFields {
  payloadType: number;
  sequenceNumber: number;
  timestamp: number;
  ssrc: number;
  /** A view; padding, contributing sources and header extension are not in it. */
  payload: Uint8Array;
}

const FIXED_HEADER_BYTES = 12;

/** @returns undefined for what is no RTP: other bytes, another version, or RTCP on the same port (RFC 5761 section 4) */
export function readRtp(bytes: Buffer): RtpFields | undefined {
  const [first = 0, second = 0] = bytes;
  if (bytes.length < FIXED_HEADER_BYTES || first >> 6 !== 2 || (second >= 192 && second <= 223))
    return undefined;
  const start = headerLength(bytes, first);
  const padding = (first & 0x20) === 0 ? 0 : (bytes[bytes.length - 1] ?? 0);
  const end = bytes.length - padding;
  if (start > end) return undefined;
  return {
    payloadType: second & 0x7f,
    sequenceNumber: bytes.readUInt16BE(2),
    timestamp: bytes.readUInt32BE(4),
    ssrc: bytes.readUInt32BE(8),
    payload: bytes.subarray(start, end),
  };
}

function headerLength(bytes: Buffer, first: number): number {
  const length = FIXED_HEADER_BYTES + 4 * (first & 0x0f);
  if ((first & 0x10) === 0) return length;
  // The extension's length counts 32-bit words after its own four bytes (section 5.3.1).
  return length + 4 > bytes.length
    ? Number.POSITIVE_INFINITY
    : length + 4 + 4 * bytes.readUInt16BE(length + 2);
}
