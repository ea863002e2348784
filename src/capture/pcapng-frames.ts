// Frames of a pcapng: sections, interfaces, enhanced packets (draft-ietf-opsawg-pcapng sections 3 and 4).
//
//   block | type | total length | body, padded to 32 bits | total length |
import { type Frame, LARGEST_RECORD_BYTES } from './frame.ts';

export const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const INTERFACE = 1;
const PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const SMALLEST_BLOCK_BYTES = 12;
const MOST_INTERFACES = 4096;
const OPTION_END = 0;
const OPTION_RESOLUTION = 9;
const OPTION_OFFSET = 14;

interface Interface {
  linkType: number;
  /** Ticks in a second. */
  resolution: bigint;
  /** Microseconds to be added to each time. */
  offset: number;
}

/** What a block was: its length and, when it is a packet with a time, its frame. */
export type Block = { length: number; frame?: Frame; isUnusable?: boolean } | 'short' | { problem: string };

/** The blocks of one file, in order. */
export class PcapngBlocks {
  #isLittleEndian = true;
  #interfaces: Interface[] = [];

  /** The block at `offset`. */
  read(bytes: Buffer, offset: number): Block {
    if (offset + SMALLEST_BLOCK_BYTES > bytes.length) return 'short';
    const isSection = bytes.readUInt32BE(offset) === SECTION_HEADER;
    if (isSection && !this.#beginSection(bytes.readUInt32LE(offset + 8)))
      return { problem: 'a section without its byte-order magic' };
    const length = this.#u32(bytes, offset + 4);
    if (length < SMALLEST_BLOCK_BYTES || length % 4 !== 0 || length > LARGEST_RECORD_BYTES)
      return { problem: `a block of ${length} bytes cannot be` };
    if (offset + length > bytes.length) return 'short';
    if (isSection) return { length };
    const body = bytes.subarray(offset + 8, offset + length - 4);
    return { length, ...this.#readBody(this.#u32(bytes, offset), body) };
  }

  #beginSection(magic: number): boolean {
    this.#isLittleEndian = magic === BYTE_ORDER_MAGIC;
    this.#interfaces = [];
    return this.#isLittleEndian || magic === 0x4d3c2b1a;
  }

  #readBody(type: number, body: Buffer): { frame?: Frame; isUnusable?: boolean } {
    if (type === INTERFACE) return this.#addInterface(body);
    // It says nothing of when it was captured.
    if (type === SIMPLE_PACKET) return { isUnusable: true };
    if (type !== ENHANCED_PACKET && type !== PACKET) return {};
    const frame = body.length < 20 ? undefined : this.#frame(type, body);
    return frame === undefined ? { isUnusable: true } : { frame };
  }

  #addInterface(body: Buffer): { isUnusable?: boolean } {
    if (body.length < 8 || this.#interfaces.length >= MOST_INTERFACES) return { isUnusable: true };
    const added: Interface = { linkType: this.#u16(body, 0), resolution: 1_000_000n, offset: 0 };
    this.#interfaces.push(added);
    for (let at = 8; at + 4 <= body.length; ) {
      const code = this.#u16(body, at);
      const length = this.#u16(body, at + 2);
      if (code === OPTION_END || at + 4 + length > body.length) break;
      if (code === OPTION_RESOLUTION && length === 1) added.resolution = resolutionOf(body[at + 4] ?? 6);
      if (code === OPTION_OFFSET && length === 8) added.offset = this.#seconds(body, at + 4) * 1e6;
      at += 4 + length + ((4 - (length % 4)) % 4);
    }
    return {};
  }

  #frame(type: number, body: Buffer): Frame | undefined {
    const from = this.#interfaces[type === PACKET ? this.#u16(body, 0) : this.#u32(body, 0)];
    const captured = this.#u32(body, 12);
    if (from === undefined || 20 + captured > body.length) return undefined;
    return {
      at: this.#micros(this.#u32(body, 4), this.#u32(body, 8), from),
      linkType: from.linkType,
      bytes: body.subarray(20, 20 + captured),
      cut: Math.max(0, this.#u32(body, 16) - captured),
    };
  }

  #micros(high: number, low: number, { resolution, offset }: Interface): number {
    if (resolution === 1_000_000n) return high * 2 ** 32 + low + offset;
    // Nanoseconds since 1970 have more digits than a double.
    const ticks = (BigInt(high) << 32n) | BigInt(low);
    return Number((ticks * 1_000_000n) / resolution) + offset;
  }

  #seconds(body: Buffer, at: number): number {
    return Number(this.#isLittleEndian ? body.readBigInt64LE(at) : body.readBigInt64BE(at));
  }

  #u32(bytes: Buffer, at: number): number {
    return this.#isLittleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  }

  #u16(bytes: Buffer, at: number): number {
    return this.#isLittleEndian ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
  }
}

/** `if_tsresol`: a power of ten, or of two when its highest bit is set. */
function resolutionOf(value: number): bigint {
  const exponent = BigInt(value & 0x7f);
  return value & 0x80 ? 2n ** exponent : 10n ** exponent;
}
