// The one mapped region of an engine: memory with a known address, handed out once, in pieces that are checked to lie within it.
import type { Kernel } from './kernel.ts';

const PAGE = 4096;

export class Region {
  readonly bytes: Buffer;
  /** The same in 32-bit words, by `offset / 4`. */
  readonly words: Int32Array;
  readonly #base: number;
  #taken = 0;

  /** Costs nothing before it is written to. @throws GrecError ENGINE_UNUSABLE */
  constructor(kernel: Kernel, size: number) {
    const { address, memory } = kernel.map(size);
    this.#base = address;
    this.bytes = Buffer.from(memory);
    this.words = new Int32Array(memory);
  }

  /** @returns the offset of a piece that begins at a page, or -1 when there is no room */
  take(size: number): number {
    const offset = this.#taken;
    if (offset + size > this.bytes.length) return -1;
    this.#taken = Math.ceil((offset + size) / PAGE) * PAGE;
    return offset;
  }

  /** The address of `length` bytes from `offset`. @throws RangeError when they are not within */
  address(offset: number, length: number): number {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.bytes.length))
      throw new RangeError(`${length} bytes from ${offset} do not lie in the region`);
    return this.#base + offset;
  }

  /** The offset of bytes that were made from it, or -1 for others. */
  offsetOf(bytes: Buffer): number {
    return bytes.buffer === this.bytes.buffer ? bytes.byteOffset : -1;
  }
}
