// Opening what seal.ts has encrypted, with a private key. Nothing that the file says is believed before its MAC is checked.
import { createDecipheriv, createHash, createPrivateKey, type KeyObject } from 'node:crypto';
import { closeSync, createReadStream, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { GrecError, messageOf } from '../../errors.ts';
import { children, expect, type Found, OCTET_STRING, read, SEQUENCE, SET, whole } from './der.ts';
import { unwrapKey } from './recipient.ts';
import {
  AES_256_GCM,
  AUTH_ENVELOPED_DATA,
  DATA,
  ENCRYPTED_CONTENT,
  EXPLICIT_0,
  KEY_BYTES,
  NONCE_BYTES,
  TAG_BYTES,
} from './seal.ts';

/** In it are the recipients; a hundred take half of it. */
const LONGEST_HEAD_BYTES = 128 << 10;
const PIECE_BYTES = 128 << 10;
const OTHERS = 0o077;

/** A sealed file, taken apart. Content and MAC are places in the file. */
interface Envelope {
  recipients: Buffer[];
  nonce: Buffer;
  content: Found;
  mac: Found;
}

/**
 * The private keys of PEM files.
 * @param passphraseFile whose first line opens those that are encrypted
 * @throws GrecError DECRYPTION_KEY
 */
export function readPrivateKeys(files: readonly string[], passphraseFile?: string): KeyObject[] {
  return files.map((file) => {
    try {
      if ((statSync(file).mode & OTHERS) !== 0) throw new Error('others than its owner may use it');
      const [passphrase] =
        passphraseFile === undefined ? [] : readFileSync(passphraseFile, 'utf8').split('\n');
      const key = createPrivateKey({
        key: readFileSync(file),
        ...(passphrase !== undefined && { passphrase }),
      });
      if (key.asymmetricKeyType !== 'rsa') throw new Error(`it is a key for ${key.asymmetricKeyType}`);
      return key;
    } catch (thrown) {
      throw new GrecError('DECRYPTION_KEY', `cannot use the private key ${file}: ${messageOf(thrown)}`, {
        hint: 'it must be an RSA key in PEM, with mode 0600; [encryption] passphrase-file opens one that is encrypted',
        cause: thrown,
      });
    }
  });
}

/**
 * Decrypts `source` into `target`, a new file, which is gone again when anything is wrong.
 * @returns size and SHA-256 of what was encrypted
 * @throws GrecError DECRYPTION_KEY when none of the keys opens it, RECORDING_UNREADABLE when it is damaged; Node's system errors
 */
export async function openSealed(
  source: string,
  target: string,
  keys: readonly KeyObject[],
): Promise<{ size: number; sha256: string }> {
  const file = await open(target, 'wx', 0o600);
  try {
    const opened = await decrypt(source, keys, (bytes) => writeAll(file, bytes));
    await file.close();
    return opened;
  } catch (thrown) {
    await file.close().catch(() => undefined);
    await rm(target, { force: true });
    throw thrown;
  }
}

/** The same, without keeping it: whether it can be opened. Throws as above. */
export function proveSealed(
  source: string,
  keys: readonly KeyObject[],
): Promise<{ size: number; sha256: string }> {
  return decrypt(source, keys, async () => undefined);
}

async function decrypt(source: string, keys: readonly KeyObject[], write: (bytes: Buffer) => Promise<void>) {
  const { envelope, tag } = takeApart(source);
  const key = findKey(envelope.recipients, keys);
  if (key === undefined)
    throw new GrecError('DECRYPTION_KEY', `${source} is encrypted, and not to ${named(keys.length)}`, {
      hint: 'name the private key with --private-key, or in [encryption] private-key; `grec show` names the certificates it is encrypted to',
    });
  const decipher = createDecipheriv('aes-256-gcm', key, envelope.nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(tag);
  const hash = createHash('sha256');
  const { from, to } = envelope.content;
  const pieces = readPieces(source, from, to);
  for await (const piece of pieces) {
    const clear = decipher.update(piece);
    hash.update(clear);
    await write(clear);
  }
  try {
    decipher.final();
  } catch (thrown) {
    throw damaged(source, 'its authentication tag is not that of its content', thrown);
  }
  return { size: to - from, sha256: hash.digest('hex') };
}

function named(keys: number): string {
  if (keys === 0) return 'any private key that is known here: none is';
  return keys === 1
    ? 'the private key that is known here'
    : `one of the ${keys} private keys that are known here`;
}

function findKey(recipients: readonly Buffer[], keys: readonly KeyObject[]): Buffer | undefined {
  for (const key of keys)
    for (const info of recipients) {
      const found = unwrapKey(info, key);
      if (found?.length === KEY_BYTES) return found;
    }
  return undefined;
}

async function* readPieces(source: string, from: number, to: number): AsyncGenerator<Buffer> {
  if (to === from) return;
  yield* createReadStream(source, {
    start: from,
    end: to - 1,
    highWaterMark: PIECE_BYTES,
  }) as AsyncIterable<Buffer>;
}

function takeApart(source: string): { envelope: Envelope; tag: Buffer } {
  const fd = openSync(source, 'r');
  try {
    const { size } = fstatSync(fd);
    const head = Buffer.alloc(Math.min(size, LONGEST_HEAD_BYTES));
    readSync(fd, head, 0, head.length, 0);
    const envelope = readEnvelope(head, size, (at) => {
      const bytes = Buffer.alloc(Math.min(2 + TAG_BYTES, Math.max(0, size - at)));
      readSync(fd, bytes, 0, bytes.length, at);
      return bytes;
    });
    const tag = Buffer.alloc(TAG_BYTES);
    readSync(fd, tag, 0, TAG_BYTES, envelope.mac.from);
    return { envelope, tag };
  } catch (thrown) {
    throw damaged(source, `it is no CMS AuthEnvelopedData as grec makes it: ${messageOf(thrown)}`, thrown);
  } finally {
    closeSync(fd);
  }
}

/** @param behind the bytes at the end of the content */
function readEnvelope(head: Buffer, size: number, behind: (at: number) => Buffer): Envelope {
  const outer = expect(head, 0, SEQUENCE, size);
  const type = read(head, outer.from, outer.to);
  if (!whole(head, type).equals(AUTH_ENVELOPED_DATA)) throw new Error('it is of another type');
  const enveloped = expect(head, expect(head, type.to, EXPLICIT_0, size).from, SEQUENCE, size);
  const version = read(head, enveloped.from, size);
  const recipients = expect(head, version.to, SET, head.length);
  const info = expect(head, recipients.to, SEQUENCE, size);
  const data = read(head, info.from, head.length);
  if (!whole(head, data).equals(DATA)) throw new Error('its content is of another type');
  const algorithm = expect(head, data.to, SEQUENCE, head.length);
  const content = expect(head, algorithm.to, ENCRYPTED_CONTENT, size);
  const mac = expect(behind(content.to), 0, OCTET_STRING);
  if (mac.to - mac.from !== TAG_BYTES) throw new Error('its authentication tag has another length');
  return {
    recipients: children(head, recipients).map((found) => whole(head, found)),
    nonce: nonceOf(head, algorithm),
    content,
    mac: { ...mac, at: content.to, from: content.to + mac.from, to: content.to + mac.to },
  };
}

function nonceOf(head: Buffer, algorithm: Found): Buffer {
  const [id, parameters] = children(head, algorithm);
  if (id === undefined || !whole(head, id).equals(AES_256_GCM)) throw new Error('it is not AES-256-GCM');
  const [nonce] = parameters === undefined ? [] : children(head, parameters);
  if (nonce?.tag !== OCTET_STRING || nonce.to - nonce.from !== NONCE_BYTES)
    throw new Error('its nonce is none');
  return Buffer.from(head.subarray(nonce.from, nonce.to));
}

function damaged(source: string, what: string, cause: unknown): GrecError {
  return new GrecError('RECORDING_UNREADABLE', `cannot decrypt ${source}: ${what}`, {
    hint: 'the file is damaged or was tampered with; a backup of the archive has it whole',
    cause,
  });
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}
