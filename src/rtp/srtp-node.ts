// The primitives of SRTP with node:crypto, everywhere (RFC 3711 section 4, RFC 7714 section 8).
//
// To make a Cipher costs 20 microseconds, so one AES-ECB cipher stays open and encrypts counter blocks, which is counter mode;
// HMAC is two one-shot hashes over pads that are made once. AES-GCM cannot be had so and pays the price. bench/README.md has figures.
import { type Cipheriv, createCipheriv, createDecipheriv, hash } from 'node:crypto';
import {
  type AeadCipher,
  type CounterModeCipher,
  IV_AT,
  LONGEST_PACKET,
  type SrtpLibrary,
  TAG_AT,
  WORK,
} from './srtp-cipher.ts';
import type { SrtpSessionKeys } from './srtp-keys.ts';

export const nodeLibrary: SrtpLibrary = {
  name: 'node:crypto',
  counterMode: (keys) => new NodeCounterMode(keys),
  aead: (keys) => new NodeAead(keys),
};

const BLOCK = 16;
const PAD_BYTES = 64;
const TAG_BYTES = 16;
const BLOCKS = Buffer.alloc(LONGEST_PACKET);
const INNER = Buffer.alloc(PAD_BYTES + LONGEST_PACKET + PAD_BYTES);

class NodeCounterMode implements CounterModeCipher {
  readonly #ecb: Cipheriv;
  readonly #innerPad: Buffer;
  /** The outer pad, and room for the inner hash. */
  readonly #outer: Buffer;

  constructor({ key, authenticationKey }: SrtpSessionKeys) {
    this.#ecb = createCipheriv(key.length === 32 ? 'aes-256-ecb' : 'aes-128-ecb', key, null);
    this.#ecb.setAutoPadding(false);
    this.#innerPad = pad(authenticationKey, 0x36);
    this.#outer = Buffer.concat([pad(authenticationKey, 0x5c), Buffer.alloc(20)]);
  }

  crypt(from: number, to: number): boolean {
    const blocks = Math.ceil((to - from) / BLOCK);
    if (blocks === 0) return true;
    for (let block = 0; block < blocks; block += 1) {
      WORK.copy(BLOCKS, block * BLOCK, IV_AT, IV_AT + BLOCK);
      // The last 16 bits of an IV are 0 and count the blocks: a packet has fewer than 65,536 (RFC 3711 section 4.1.1).
      BLOCKS.writeUInt16BE(block, block * BLOCK + 14);
    }
    const stream = this.#ecb.update(BLOCKS.subarray(0, blocks * BLOCK));
    for (let at = from; at < to; at += 1) WORK[at] = (WORK[at] ?? 0) ^ (stream[at - from] ?? 0);
    return true;
  }

  authenticate(to: number): boolean {
    this.#innerPad.copy(INNER);
    WORK.copy(INNER, PAD_BYTES, 0, to);
    hash('sha1', INNER.subarray(0, PAD_BYTES + to), 'buffer').copy(this.#outer, PAD_BYTES);
    hash('sha1', this.#outer, 'buffer').copy(WORK, TAG_AT);
    return true;
  }

  close(): void {
    this.#ecb.destroy();
    this.#innerPad.fill(0);
    this.#outer.fill(0);
  }
}

/** RFC 2104: the key, filled up with zeros, XOR a byte. */
function pad(key: Buffer, byte: number): Buffer {
  const padded = Buffer.alloc(PAD_BYTES, byte);
  for (const [at, value] of key.entries()) padded[at] = value ^ byte;
  return padded;
}

class NodeAead implements AeadCipher {
  readonly #key: Buffer;
  readonly #name: 'aes-128-gcm' | 'aes-256-gcm';

  constructor({ key }: SrtpSessionKeys) {
    this.#key = Buffer.from(key);
    this.#name = key.length === 32 ? 'aes-256-gcm' : 'aes-128-gcm';
  }

  seal(from: number, to: number, aadAt: number, aadBytes: number): boolean {
    const cipher = createCipheriv(this.#name, this.#key, WORK.subarray(IV_AT, IV_AT + 12));
    cipher.setAAD(WORK.subarray(aadAt, aadAt + aadBytes));
    cipher.update(WORK.subarray(from, to)).copy(WORK, from);
    cipher.final();
    cipher.getAuthTag().copy(WORK, TAG_AT);
    return true;
  }

  open(from: number, to: number, aadAt: number, aadBytes: number): boolean {
    const iv = WORK.subarray(IV_AT, IV_AT + 12);
    const decipher = createDecipheriv(this.#name, this.#key, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(WORK.subarray(aadAt, aadAt + aadBytes));
    decipher.setAuthTag(WORK.subarray(TAG_AT, TAG_AT + TAG_BYTES));
    const clear = decipher.update(WORK.subarray(from, to));
    try {
      decipher.final();
    } catch {
      return false;
    }
    clear.copy(WORK, from);
    return true;
  }

  close(): void {
    this.#key.fill(0);
  }
}
