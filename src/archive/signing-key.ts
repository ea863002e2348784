// The key that signs manifests: Ed25519 (RFC 8032), a PKCS #8 PEM file of grec-procd's own (RFC 8410); public keys in the archive.
//
//   archive/keys/ID.pem    ID: SHA-256 of the key's SubjectPublicKeyInfo in DER, lower-case hex
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { syncPathNow } from '../sync.ts';
import { sha256 } from './digest.ts';

export const KEYS_FOLDER = 'keys';
const OTHERS = 0o077;

/** Signs with one private key. */
export interface Signer {
  /** The id of its public key. */
  keyId: string;
  publicPem: string;
  /** 64 bytes. */
  sign(bytes: Uint8Array): Buffer;
}

/** @throws TypeError when it is not a public key */
export function keyIdOf(publicKey: KeyObject): string {
  return sha256(publicKey.export({ type: 'spki', format: 'der' }));
}

/** Where the archive has the public key. */
export function publicKeyFile(archive: string, keyId: string): string {
  return join(archive, KEYS_FOLDER, `${keyId}.pem`);
}

/**
 * The signer of a key file.
 * @throws GrecError SIGNING_KEY_UNUSABLE
 */
export function readSigner(file: string): Signer {
  try {
    const { mode } = statSync(file);
    if ((mode & OTHERS) !== 0) throw new Error('others than its owner may use it');
    return signerOf(createPrivateKey(readFileSync(file)));
  } catch (thrown) {
    throw unusable(file, thrown);
  }
}

function signerOf(key: KeyObject): Signer {
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`it is a key for ${key.asymmetricKeyType}`);
  const publicKey = createPublicKey(key);
  const publicPem = String(publicKey.export({ type: 'spki', format: 'pem' }));
  return { keyId: keyIdOf(publicKey), publicPem, sign: (bytes) => sign(null, bytes, key) };
}

function unusable(file: string, thrown: unknown): GrecError {
  return new GrecError('SIGNING_KEY_UNUSABLE', `cannot use the signing key ${file}: ${messageOf(thrown)}`, {
    hint: 'it must be an Ed25519 key in PKCS #8 PEM, with mode 0600, of the user that runs grec-procd; `grec key new` makes one where there is none',
    cause: thrown,
  });
}

/**
 * The signer of a key file, which is made when it is missing; its public key is in the archive then.
 * @throws GrecError SIGNING_KEY_UNUSABLE; Node's system errors when the archive refuses
 */
export function openSigner(file: string, archive: string): Signer {
  if (!existsSync(file)) createSigningKey(file);
  const signer = readSigner(file);
  publishKey(archive, signer);
  return signer;
}

/**
 * Makes a key file; of two that make it at once, one wins.
 * @throws GrecError SIGNING_KEY_UNUSABLE
 */
function createSigningKey(file: string): void {
  try {
    makeFolder(dirname(file));
    const fresh = `${file}.${process.pid}.new`;
    writeSynced(fresh, privatePem(), 0o600);
    giveToOwnerOf(dirname(file), fresh);
    try {
      linkSync(fresh, file);
    } catch (thrown) {
      if (systemCode(thrown) !== 'EEXIST') throw thrown;
    }
    rmSync(fresh);
    syncPathNow(dirname(file));
  } catch (thrown) {
    throw unusable(file, thrown);
  }
}

function privatePem(): string {
  return String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

/**
 * Puts a new key in the place of the one in use, which is gone then; the archive keeps its public key.
 * @returns the new one
 * @throws GrecError SIGNING_KEY_UNUSABLE; Node's system errors when the archive refuses
 */
export function rotateSigningKey(file: string, archive: string): Signer {
  publishKey(archive, readSigner(file));
  const fresh = `${file}.${process.pid}.new`;
  try {
    writeSynced(fresh, privatePem(), 0o600);
    const signer = readSigner(fresh);
    publishKey(archive, signer);
    giveToOwnerOf(file, fresh);
    renameSync(fresh, file);
    syncPathNow(dirname(file));
    return signer;
  } catch (thrown) {
    rmSync(fresh, { force: true });
    throw thrown instanceof GrecError ? thrown : unusable(file, thrown);
  }
}

function publishKey(archive: string, { keyId, publicPem }: Signer): void {
  const file = publicKeyFile(archive, keyId);
  if (existsSync(file)) return;
  makeFolder(dirname(file));
  const fresh = join(dirname(file), `.${keyId}.${process.pid}.tmp`);
  writeSynced(fresh, publicPem, 0o644);
  renameSync(fresh, file);
  syncPathNow(dirname(file));
  syncPathNow(archive);
}

/** What root makes here is for the daemon, which has the folder around it. */
function giveToOwnerOf(place: string, file: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(place);
  chownSync(file, uid, gid);
}

function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  giveToOwnerOf(dirname(folder), folder);
}

function writeSynced(file: string, text: string, mode: number): void {
  rmSync(file, { force: true });
  const fd = openSync(file, 'wx', mode);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
