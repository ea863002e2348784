// A capture that is encrypted in the spool: AES-256 in counter mode (NIST SP 800-38A section 6.5), so that whatever a crash leaves of
// its beginning can be read, and what is being written can be followed. It keeps secret, and proves nothing: that is the manifest's.
//
//   0   8  grecSEA1, in place of a pcap's header, and as long
//   8   4  which key: the beginning of its SHA-256
//   12  12 salt, at random: the key of this capture is HKDF-SHA256 (RFC 5869) of that key
//   24  …  the records of a pcap, encrypted; the counter of the first block is 0
import { type Cipheriv, createCipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { FILE_HEADER_BYTES } from './pcap.ts';

const MAGIC = Buffer.from('grecSEA1', 'latin1');
const ID_BYTES = 4;
const ID_AT = 8;
const SALT_AT = ID_AT + ID_BYTES;
const BLOCK_BYTES = 16;
export const KEY_BYTES = 32;

/** The keys of a spool: the first one encrypts, each opens what it has encrypted. */
export class SpoolKeys {
  readonly #byId: ReadonlyMap<string, Buffer>;
  readonly #first: Buffer;

  /** @param keys of 32 bytes, at least one */
  constructor(keys: readonly [Buffer, ...Buffer[]]) {
    this.#first = keys[0];
    this.#byId = new Map(keys.map((key) => [idOf(key).toString('hex'), key]));
  }

  /** For a new capture: its header and its key. */
  seal(): { header: Buffer; key: Buffer } {
    const salt = randomBytes(FILE_HEADER_BYTES - SALT_AT);
    const header = Buffer.concat([MAGIC, idOf(this.#first), salt]);
    return { header, key: derive(this.#first, salt) };
  }

  /** The key of a capture with this header; undefined when there is none that has encrypted it. */
  keyOf(header: Buffer): Buffer | undefined {
    const key = this.#byId.get(header.toString('hex', ID_AT, SALT_AT));
    return key && derive(key, header.subarray(SALT_AT, FILE_HEADER_BYTES));
  }
}

function idOf(key: Buffer): Buffer {
  return createHash('sha256').update(key).digest().subarray(0, ID_BYTES);
}

function derive(key: Buffer, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, 'grec capture', KEY_BYTES));
}

export function isSealed(header: Buffer): boolean {
  return header.length >= FILE_HEADER_BYTES && header.subarray(0, ID_AT).equals(MAGIC);
}

/** Why a capture with this header cannot be opened with these keys; undefined when it can, or is not encrypted. */
export function sealProblem(header: Buffer, keys: SpoolKeys | undefined): string | undefined {
  if (!isSealed(header) || keys?.keyOf(header) !== undefined) return undefined;
  const id = header.toString('hex', ID_AT, SALT_AT);
  return `it is encrypted with the key ${id}, which [encryption] spool-key does not have`;
}

/** What encrypts, and opens, the bytes of a capture from a place in it on, one after the other. @param position in the file */
export function keystreamAt(key: Buffer, position: number): Cipheriv {
  const offset = position - FILE_HEADER_BYTES;
  const counter = Buffer.alloc(BLOCK_BYTES);
  counter.writeBigUInt64BE(BigInt(Math.floor(offset / BLOCK_BYTES)), BLOCK_BYTES - 8);
  const stream = createCipheriv('aes-256-ctr', key, counter);
  stream.update(Buffer.alloc(offset % BLOCK_BYTES));
  return stream;
}

/** Opens bytes of a capture where they are. @param position of the first one in the file, behind the header */
export function unseal(key: Buffer | undefined, bytes: Buffer, position: number): void {
  if (key !== undefined && bytes.length > 0) keystreamAt(key, position).update(bytes).copy(bytes);
}
