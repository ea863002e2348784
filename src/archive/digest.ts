// What proves the bytes of a file: its SHA-256, and one for each block, so that a change can be placed.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** Bytes of a block; the last one of a file is shorter. */
export const BLOCK_BYTES = 1 << 20;
/** Each piece is fresh memory: an hour of audio is read quickly enough, and a short call leaves little garbage. */
const PIECE_BYTES = 128 << 10;

/** Hashes are SHA-256 in lower-case hex. */
export interface FileDigest {
  /** Bytes. */
  size: number;
  sha256: string;
  /** Of each block of {@link BLOCK_BYTES}; absent when the file is but one. */
  blocks?: string[];
}

/** Takes the bytes of a file as they come. */
export class Digest {
  readonly #whole: Hash = createHash('sha256');
  readonly #blocks: string[] = [];
  /** Of the block under way; that of the first one is the hash of the whole so far. */
  #block: Hash = this.#whole;
  #filled = 0;
  #size = 0;

  update(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const part = bytes.subarray(from, from + BLOCK_BYTES - this.#filled);
      this.#whole.update(part);
      if (this.#block !== this.#whole) this.#block.update(part);
      from += part.length;
      this.#size += part.length;
      this.#filled += part.length;
      if (this.#filled === BLOCK_BYTES) this.#endBlock();
    }
  }

  #endBlock(): void {
    this.#blocks.push((this.#block === this.#whole ? this.#whole.copy() : this.#block).digest('hex'));
    this.#block = createHash('sha256');
    this.#filled = 0;
  }

  /** To be called once, at the end. */
  finish(): FileDigest {
    if (this.#size > BLOCK_BYTES && this.#filled > 0) this.#endBlock();
    const whole = { size: this.#size, sha256: this.#whole.digest('hex') };
    return this.#size > BLOCK_BYTES ? { ...whole, blocks: this.#blocks } : whole;
  }
}

/** Reads a file once, with other work in between: an hour of audio has 115 MB. Throws Node's system errors. */
export async function digestFile(file: string): Promise<FileDigest> {
  const digest = new Digest();
  const pieces = createReadStream(file, { highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>;
  for await (const piece of pieces) digest.update(piece);
  return digest.finish();
}

/** SHA-256 in lower-case hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
