// Frames of a classic pcap in either byte order, microseconds or nanoseconds (draft-ietf-opsawg-pcap).
//
//   file   | magic | version 2.4 | zone | sigfigs | snaplen | link type |     24 bytes
//   record | seconds | fraction | captured | original | bytes …             16 bytes and what was captured
import { type Frame, LARGEST_RECORD_BYTES } from './frame.ts';

export const PCAP_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;

/** What the first 24 bytes say of all records. */
export interface PcapFormat {
  isLittleEndian: boolean;
  /** Parts of a microsecond that the fraction counts: 1, or 1000 for nanoseconds. */
  fractions: number;
  linkType: number;
}

/** The format that these bytes begin, or undefined when they are no pcap. Needs {@link PCAP_HEADER_BYTES}. */
export function pcapFormat(bytes: Buffer): PcapFormat | undefined {
  for (const isLittleEndian of [true, false]) {
    const read = isLittleEndian ? bytes.readUInt32LE : bytes.readUInt32BE;
    const magic = read.call(bytes, 0);
    if (magic !== MICROSECONDS && magic !== NANOSECONDS) continue;
    // The upper bits hold the length of a frame check sequence.
    const linkType = read.call(bytes, 20) & 0xffff;
    return { isLittleEndian, fractions: magic === NANOSECONDS ? 1000 : 1, linkType };
  }
  return undefined;
}

/** The record at `offset`: how many bytes it takes, and its frame; `short` when it is not all there. */
export function pcapRecord(
  bytes: Buffer,
  offset: number,
  format: PcapFormat,
): { length: number; frame: Frame } | 'short' | { problem: string } {
  if (offset + RECORD_HEADER_BYTES > bytes.length) return 'short';
  const read = format.isLittleEndian ? bytes.readUInt32LE : bytes.readUInt32BE;
  const captured = read.call(bytes, offset + 8);
  const original = read.call(bytes, offset + 12);
  if (captured > LARGEST_RECORD_BYTES) return { problem: `a frame of ${captured} bytes cannot be` };
  const start = offset + RECORD_HEADER_BYTES;
  if (start + captured > bytes.length) return 'short';
  const fraction = Math.floor(read.call(bytes, offset + 4) / format.fractions);
  const frame = {
    at: read.call(bytes, offset) * 1e6 + fraction,
    linkType: format.linkType,
    bytes: bytes.subarray(start, start + captured),
    cut: Math.max(0, original - captured),
  };
  return { length: RECORD_HEADER_BYTES + captured, frame };
}
