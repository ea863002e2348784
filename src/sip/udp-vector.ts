// The mmsghdr, iovec and sockaddr_in of many datagrams, laid out once as 64-bit Linux has them (recvmmsg(2), sendmmsg(2)).
import type { Kernel } from './kernel.ts';

/** Of struct mmsghdr. */
export const HEADER_BYTES = 64;
const IOVEC_BYTES = 16;
const NAME_BYTES = 16;
const AF_INET = 2;

/** In 32-bit words: where a struct mmsghdr has its fields. */
const NAME_LENGTH = 2;
const LENGTH = 14;
const WORDS_OF_HEADER = HEADER_BYTES / 4;
const WORDS_OF_IOVEC = IOVEC_BYTES / 4;

export class MessageVector {
  /** Of the first header. */
  readonly address: number;
  readonly data: Buffer;
  readonly #count: number;
  readonly #names: Buffer;
  readonly #headers: Uint32Array;
  readonly #iovecs: Uint32Array;
  readonly #dataAddress: number;

  constructor(kernel: Pick<Kernel, 'addressOf'>, count: number, bytes: number) {
    // Memory of its own each, which stays where it is for as long as it is referred to.
    const headers = Buffer.allocUnsafeSlow(count * HEADER_BYTES).fill(0);
    const iovecs = Buffer.allocUnsafeSlow(count * IOVEC_BYTES).fill(0);
    this.#names = Buffer.allocUnsafeSlow(count * NAME_BYTES).fill(0);
    this.data = Buffer.allocUnsafeSlow(bytes);
    this.#count = count;
    this.#headers = new Uint32Array(headers.buffer);
    this.#iovecs = new Uint32Array(iovecs.buffer);
    this.address = kernel.addressOf(headers);
    this.#dataAddress = kernel.addressOf(this.data);
    const [names, first] = [kernel.addressOf(this.#names), kernel.addressOf(iovecs)];
    for (let index = 0; index < count; index++) {
      headers.writeBigUInt64LE(BigInt(names + index * NAME_BYTES), index * HEADER_BYTES);
      headers.writeBigUInt64LE(BigInt(first + index * IOVEC_BYTES), index * HEADER_BYTES + 16);
      headers.writeBigUInt64LE(1n, index * HEADER_BYTES + 24);
    }
    this.resetNames();
  }

  resetNames(): void {
    for (let index = 0; index < this.#count; index++)
      this.#headers[index * WORDS_OF_HEADER + NAME_LENGTH] = NAME_BYTES;
  }

  /** Where a datagram stands in {@link data}. */
  place(index: number, start: number, length: number): void {
    const address = this.#dataAddress + start;
    const at = index * WORDS_OF_IOVEC;
    this.#iovecs[at] = address % 2 ** 32;
    this.#iovecs[at + 1] = Math.floor(address / 2 ** 32);
    this.#iovecs[at + 2] = length;
  }

  /** Where it goes to. @param word the address as it stands in memory */
  name(index: number, word: number, port: number): void {
    const at = index * NAME_BYTES;
    this.#names.writeUInt16LE(AF_INET, at);
    this.#names.writeUInt16BE(port, at + 2);
    this.#names.writeUInt32LE(word, at + 4);
  }

  wordAt(index: number): number {
    return this.#names.readUInt32LE(index * NAME_BYTES + 4);
  }

  portAt(index: number): number {
    return this.#names.readUInt16BE(index * NAME_BYTES + 2);
  }

  /** Bytes of a datagram that came. */
  lengthAt(index: number): number {
    return this.#headers[index * WORDS_OF_HEADER + LENGTH] ?? 0;
  }

  /** The first ones have gone: the others, up to `end`, take their places. What they hold stays where it is. */
  drop(first: number, end: number): void {
    this.#iovecs.copyWithin(0, first * WORDS_OF_IOVEC, end * WORDS_OF_IOVEC);
    this.#names.copyWithin(0, first * NAME_BYTES, end * NAME_BYTES);
  }
}
