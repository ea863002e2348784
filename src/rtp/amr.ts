// AMR and AMR-WB payloads (RFC 4867 section 4) as the frames of their storage format (section 5.3). Pure.

/** Bits of a frame by its type; the last one is comfort noise (3GPP TS 26.101 table 1a, 26.201 table 1a). */
const NARROW_BITS = [95, 103, 118, 134, 148, 159, 204, 244, 39];
const WIDE_BITS = [132, 177, 253, 285, 317, 365, 397, 461, 477, 40];
/** From here on a type says what is missing, and has no bits. */
const FIRST_EMPTY = 14;

export interface AmrOptions {
  isWide: boolean;
  isOctetAligned: boolean;
  /** Each frame has a check of one byte (section 4.4.2.1). */
  hasCrc: boolean;
}

/** What `a=fmtp` says of the payload; undefined for interleaving and sorting, which nobody uses. */
export function amrOptions(isWide: boolean, fmtp = ''): AmrOptions | undefined {
  const parameters = new Map(
    fmtp.split(';').map((part) => {
      const [name = '', value = ''] = part.split('=');
      return [name.trim().toLowerCase(), value.trim()] as const;
    }),
  );
  const isSet = (name: string) => parameters.get(name) === '1';
  if (parameters.has('interleaving') || isSet('robust-sorting')) return undefined;
  return { isWide, hasCrc: isSet('crc'), isOctetAligned: isSet('octet-align') || isSet('crc') };
}

/** A frame in its storage format; undefined in the place of one that holds no speech: comfort noise, lost or damaged. */
export type AmrFrame = Uint8Array | undefined;

/** @returns the frames of a payload, each of 20 ms; undefined when it is none */
export function readAmr(payload: Uint8Array, options: AmrOptions): AmrFrame[] | undefined {
  const bits = new BitReader(payload);
  bits.skip(options.isOctetAligned ? 8 : 4);
  const entries: { type: number; isGood: boolean }[] = [];
  for (let isMore = true; isMore; ) {
    isMore = bits.read(1) === 1;
    entries.push({ type: bits.read(4), isGood: bits.read(1) === 1 });
    if (options.isOctetAligned) bits.skip(2);
    if (bits.isBeyond) return undefined;
  }
  if (options.hasCrc) bits.skip(8 * entries.filter(({ type }) => type < FIRST_EMPTY).length);
  return readFrames(bits, entries, options);
}

function readFrames(
  bits: BitReader,
  entries: { type: number; isGood: boolean }[],
  { isWide, isOctetAligned }: AmrOptions,
): AmrFrame[] | undefined {
  const sizes = isWide ? WIDE_BITS : NARROW_BITS;
  const frames: AmrFrame[] = [];
  for (const { type, isGood } of entries) {
    const size = sizes[type] ?? (type >= FIRST_EMPTY ? 0 : undefined);
    if (size === undefined) return undefined;
    const data = bits.readBytes(size);
    if (isOctetAligned) bits.skip(-size & 7);
    if (bits.isBeyond) return undefined;
    const isSpeech = isGood && type < sizes.length - 1;
    frames.push(isSpeech ? Uint8Array.of((type << 3) | 4, ...data) : undefined);
  }
  return frames;
}

class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** More was asked for than there is; what was read is zero. */
  get isBeyond(): boolean {
    return this.#at > this.#bytes.length * 8;
  }

  skip(bits: number): void {
    this.#at += bits;
  }

  read(bits: number): number {
    let value = 0;
    for (let count = 0; count < bits; count += 1, this.#at += 1) {
      const byte = this.#bytes[this.#at >> 3] ?? 0;
      value = (value << 1) | ((byte >> (7 - (this.#at & 7))) & 1);
    }
    return value;
  }

  /** Left-justified in whole bytes. */
  readBytes(bits: number): Uint8Array {
    return Uint8Array.from({ length: Math.ceil(bits / 8) }, (_, index) => {
      const count = Math.min(8, bits - index * 8);
      return this.read(count) << (8 - count);
    });
  }
}
