// The public keys of an archive: each by its id, which is the hash of the key itself.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, systemCode } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import type { Finding } from './finding.ts';
import { KEYS_FOLDER, keyIdOf } from './signing-key.ts';

const KEY_NAME = /^([0-9a-f]{64})\.pem$/;
const LARGEST_KEY_BYTES = 4096;

export interface PublicKeys {
  byId: ReadonlyMap<string, KeyObject>;
  findings: Finding[];
}

/** Reads all keys of an archive. Throws Node's system errors, but for an archive that has no keys. */
export function readPublicKeys(archive: string): PublicKeys {
  const byId = new Map<string, KeyObject>();
  const findings: Finding[] = [];
  for (const name of names(archive)) {
    const path = join(KEYS_FOLDER, name);
    const id = KEY_NAME.exec(name)?.[1];
    try {
      if (id === undefined) throw new Error('it is not named like a key');
      byId.set(id, readKey(join(archive, path), id));
    } catch (thrown) {
      findings.push({ code: 'key-wrong', path, message: messageOf(thrown) });
    }
  }
  return { byId, findings };
}

function names(archive: string): string[] {
  try {
    return readdirSync(join(archive, KEYS_FOLDER)).filter((name) => !name.startsWith('.'));
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

function readKey(file: string, id: string): KeyObject {
  const bytes = readRegularFile(file, LARGEST_KEY_BYTES) ?? Buffer.alloc(0);
  const key = parseKey(bytes);
  const isWhole = key !== undefined && bytes.equals(Buffer.from(key.export({ type: 'spki', format: 'pem' })));
  if (!isWhole || key.asymmetricKeyType !== 'ed25519')
    throw new Error('it is not an Ed25519 key as it was written');
  if (keyIdOf(key) !== id) throw new Error('it is another key than its name says');
  return key;
}

function parseKey(bytes: Buffer): KeyObject | undefined {
  try {
    return createPublicKey(bytes);
  } catch {
    return undefined;
  }
}
