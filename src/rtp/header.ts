// RTP header fields, read in place; RTP told from RTCP and from noise (RFC 3550 section 5.1, RFC 5761 section 4).
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//   |                           timestamp                           |
//   |                             SSRC                              |
//   |              CSRC, CC times; then, with X, the extension      |

export const RTP_HEADER_BYTES = 12;
const RTCP_HEADER_BYTES = 4;
const VERSION_2 = 0x80;
const PADDING = 0x20;
const EXTENSION = 0x10;

/** What a datagram on a media port is; the last three are reasons to drop it. */
export type PacketKind = 'rtp' | 'rtcp' | 'too-short' | 'not-rtp' | 'truncated';

/**
 * What a datagram is, without reading further than it needs to. Allocates nothing.
 * `too-short` and `truncated`: it has fewer bytes than its header speaks of; `not-rtp`: another version or protocol.
 * @param start where it begins in `bytes`, and `end` where it is over: by default it is all of them
 */
export function classifyPacket(bytes: Uint8Array, start = 0, end = bytes.length): PacketKind {
  const length = end - start;
  if (length < RTCP_HEADER_BYTES) return 'too-short';
  if (((bytes[start] ?? 0) & 0xc0) !== VERSION_2) return 'not-rtp';
  if (isRtcpType(bytes[start + 1] ?? 0)) return rtcpFits(bytes, start, length) ? 'rtcp' : 'truncated';
  if (length < RTP_HEADER_BYTES) return 'too-short';
  return rtpPayloadEnd(bytes, start, end) >= 0 ? 'rtp' : 'truncated';
}

/** RTCP packet types, 192 to 223, are what RTP payload types 64 to 95 with the marker would be: none are used so. */
function isRtcpType(secondByte: number): boolean {
  return secondByte >= 192 && secondByte <= 223;
}

function rtcpFits(bytes: Uint8Array, start: number, length: number): boolean {
  const words = ((bytes[start + 2] ?? 0) << 8) | (bytes[start + 3] ?? 0);
  return (words + 1) * 4 <= length;
}

/** Bytes before the payload, with CSRC list and extension; may exceed the length of a truncated packet. */
export function rtpHeaderLength(bytes: Uint8Array, start = 0): number {
  const first = bytes[start] ?? 0;
  const fixed = RTP_HEADER_BYTES + 4 * (first & 0x0f);
  if ((first & EXTENSION) === 0) return fixed;
  const words = ((bytes[start + fixed + 2] ?? 0) << 8) | (bytes[start + fixed + 3] ?? 0);
  return fixed + 4 + 4 * words;
}

/** The offset after the payload, that is before any padding; -1 when header and padding do not fit. */
export function rtpPayloadEnd(bytes: Uint8Array, start: number, end: number): number {
  const payload = start + rtpHeaderLength(bytes, start);
  if (payload > end) return -1;
  if (((bytes[start] ?? 0) & PADDING) === 0) return end;
  const padding = bytes[end - 1] ?? 0;
  return padding === 0 || end - padding < payload ? -1 : end - padding;
}

export function rtpMarker(bytes: Uint8Array): boolean {
  return ((bytes[1] ?? 0) & 0x80) !== 0;
}

export function rtpPayloadType(bytes: Uint8Array, start = 0): number {
  return (bytes[start + 1] ?? 0) & 0x7f;
}

/** 0 to 65535 */
export function rtpSequenceNumber(bytes: Uint8Array): number {
  return ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
}

/** 0 to 2^32-1, in units of the payload's clock. */
export function rtpTimestamp(bytes: Uint8Array): number {
  return readUint32(bytes, 4);
}

export function rtpSsrc(bytes: Uint8Array): number {
  return readUint32(bytes, 8);
}

function readUint32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return high * 0x10000 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
}

/** The fields of one RTP packet, for whoever does not stand on the packet path. */
export interface RtpPacket {
  payloadType: number;
  sequenceNumber: number;
  timestamp: number;
  ssrc: number;
  marker: boolean;
  /** A view, without padding. */
  payload: Buffer;
}

/** @returns the fields, or undefined when the bytes are not one whole RTP packet */
export function readRtp(bytes: Buffer): RtpPacket | undefined {
  if (classifyPacket(bytes) !== 'rtp') return undefined;
  return {
    payloadType: rtpPayloadType(bytes),
    sequenceNumber: rtpSequenceNumber(bytes),
    timestamp: rtpTimestamp(bytes),
    ssrc: rtpSsrc(bytes),
    marker: rtpMarker(bytes),
    payload: bytes.subarray(rtpHeaderLength(bytes), rtpPayloadEnd(bytes, 0, bytes.length)),
  };
}
