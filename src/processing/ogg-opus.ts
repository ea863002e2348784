// Opus packets in an Ogg stream (RFC 7845, RFC 3533), each on a page of its own: what carries them into a decoder. Pure.

const VERSION = 1;
const FIRST_PAGE = 0x02;
const PAGE_HEADER_BYTES = 27;
const LACING = 255;
/** What one page holds of one packet. */
export const LONGEST_OGG_PACKET = LACING * LACING - 1;
const CRC_POLYNOMIAL = 0x04c11db7;

/** CRC-32 of each byte, most significant bit first, as Ogg has it (RFC 3533 section 6). */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 0x80000000 ? (rest << 1) ^ CRC_POLYNOMIAL : rest << 1;
  return rest >>> 0;
});

/** One Ogg stream of a mono decoder, without pre-skip: every sample comes out, so that packets can be told by counting them. */
export class OggOpus {
  #sequence = 0;
  #granule = 0;

  /** The two header pages (RFC 7845 section 5). */
  head(): Buffer {
    const head = Buffer.alloc(19);
    head.write('OpusHead', 0, 'latin1');
    head.writeUInt8(VERSION, 8);
    head.writeUInt8(1, 9);
    head.writeUInt32LE(48_000, 12);
    const tags = Buffer.alloc(16);
    tags.write('OpusTags', 0, 'latin1');
    return Buffer.concat([this.#page(head, FIRST_PAGE), this.#page(tags, 0)]);
  }

  /** @param ticks its length at 48 kHz */
  wrap(packet: Uint8Array, ticks: number): Buffer {
    this.#granule += ticks;
    return this.#page(packet, 0);
  }

  #page(packet: Uint8Array, flags: number): Buffer {
    const full = Math.floor(packet.length / LACING);
    const page = Buffer.alloc(PAGE_HEADER_BYTES + full + 1 + packet.length);
    page.write('OggS', 0, 'latin1');
    page.writeUInt8(flags, 5);
    page.writeBigUInt64LE(BigInt(this.#granule), 6);
    page.writeUInt32LE(1, 14);
    page.writeUInt32LE(this.#sequence++, 18);
    page.writeUInt8(full + 1, 26);
    page.fill(LACING, PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + full);
    page.writeUInt8(packet.length % LACING, PAGE_HEADER_BYTES + full);
    page.set(packet, PAGE_HEADER_BYTES + full + 1);
    page.writeUInt32LE(crcOf(page), 22);
    return page;
  }
}

function crcOf(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) crc = ((crc << 8) ^ (CRC_TABLE[((crc >>> 24) ^ byte) & 0xff] ?? 0)) >>> 0;
  return crc;
}
