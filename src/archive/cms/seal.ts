// Encrypting a file: CMS AuthEnvelopedData with AES-256-GCM, in DER (RFC 5083 section 2.1, RFC 5084 section 3.2), which openssl cms opens.
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { header, integer, OCTET_STRING, oid, SEQUENCE, SET, sequence, tagged } from './der.ts';
import { type Recipient, wrapKey } from './recipient.ts';

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
export const AUTH_ENVELOPED_DATA = oid('1.2.840.113549.1.9.16.1.23');
export const DATA = oid('1.2.840.113549.1.7.1');
export const AES_256_GCM = oid('2.16.840.1.101.3.4.1.46');
/** [0] IMPLICIT OCTET STRING. */
export const ENCRYPTED_CONTENT = 0x80;
export const EXPLICIT_0 = 0xa0;
const PIECE_BYTES = 128 << 10;

/** What became of a file. */
export interface Sealed {
  /** Bytes of the file that was encrypted, and their SHA-256. */
  clearSize: number;
  clearSha256: string;
  /** Bytes of the file that was made. */
  size: number;
}

/**
 * Encrypts `source` into `target`, a new file, with a key of its own; synced when it resolves. In pieces: a file of any size takes
 * little memory. Throws Node's system errors.
 */
export async function sealFile(
  source: string,
  target: string,
  recipients: readonly Recipient[],
): Promise<Sealed> {
  const { size: clearSize } = await stat(source);
  const [key, nonce] = [randomBytes(KEY_BYTES), randomBytes(NONCE_BYTES)];
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  const clear = createHash('sha256');
  const file = await open(target, 'wx', 0o640);
  try {
    const head = headOf(key, nonce, recipients, clearSize);
    await writeAll(file, head);
    let read = 0;
    const pieces = createReadStream(source, { highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>;
    for await (const piece of pieces) {
      read += piece.length;
      clear.update(piece);
      await writeAll(file, cipher.update(piece));
    }
    if (read !== clearSize) throw new Error(`${source} has changed while it was encrypted`);
    await writeAll(file, Buffer.concat([cipher.final(), tagged(OCTET_STRING, cipher.getAuthTag())]));
    await file.sync();
    const size = head.length + clearSize + 2 + TAG_BYTES;
    return { clearSize, clearSha256: clear.digest('hex'), size };
  } finally {
    key.fill(0);
    await file.close();
  }
}

/** All before the encrypted content; behind that comes the MAC. */
function headOf(key: Buffer, nonce: Buffer, recipients: readonly Recipient[], size: number): Buffer {
  const parameters = sequence(tagged(OCTET_STRING, nonce), integer(TAG_BYTES));
  const content = header(ENCRYPTED_CONTENT, size);
  const info = Buffer.concat([DATA, sequence(AES_256_GCM, parameters), content]);
  const infos = recipients.map((recipient) => wrapKey(key, recipient)).sort(Buffer.compare);
  const before = Buffer.concat([integer(0), tagged(SET, ...infos)]);
  const encrypted = Buffer.concat([header(SEQUENCE, info.length + size), info]);
  const behind = 2 + TAG_BYTES;
  const enveloped = Buffer.concat([
    header(SEQUENCE, before.length + encrypted.length + size + behind),
    before,
    encrypted,
  ]);
  const explicit = Buffer.concat([header(EXPLICIT_0, enveloped.length + size + behind), enveloped]);
  const all = Buffer.concat([AUTH_ENVELOPED_DATA, explicit]);
  return Buffer.concat([header(SEQUENCE, all.length + size + behind), all]);
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}
