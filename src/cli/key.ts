// `grec key`: the key that signs manifests. The private half is never shown, and never leaves its file.
import { existsSync } from 'node:fs';
import { readPublicKeys } from '../archive/public-keys.ts';
import {
  openSigner,
  publicKeyFile,
  readSigner,
  rotateSigningKey,
  type Signer,
} from '../archive/signing-key.ts';
import { GrecError, messageOf } from '../errors.ts';
import { note } from './audited.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';

/** @throws GrecError ARCHIVE_UNREADABLE */
export async function keyShow(context: CliContext): Promise<number> {
  const { archive, signingKey } = context.config.paths;
  const { byId, findings } = publicKeys(archive);
  const { keyId, problem } = keyInUse(signingKey);
  const keys = [...byId.keys()].sort();
  if (context.json) {
    context.printJson({ file: signingKey, key: keyId ?? null, problem: problem ?? null, keys });
    return EXIT.ok;
  }
  for (const { path, message } of findings) context.note(`${path}: ${message}`);
  if (problem !== undefined) context.note(problem);
  if (keyId !== undefined) context.print(`${keyId}  signs, with ${signingKey}`);
  for (const key of keys) if (key !== keyId) context.print(`${key}  ${publicKeyFile(archive, key)}`);
  return EXIT.ok;
}

function publicKeys(archive: string) {
  try {
    return readPublicKeys(archive);
  } catch (thrown) {
    throw new GrecError('ARCHIVE_UNREADABLE', `cannot read the keys of ${archive}: ${messageOf(thrown)}`, {
      hint: 'run it as the user of grec-procd, or as root',
      cause: thrown,
    });
  }
}

/** Only the daemon's user may read it: that others cannot say which key is in use is no mistake. */
function keyInUse(file: string): { keyId?: string; problem?: string } {
  if (!existsSync(file)) return { problem: `there is no signing key ${file} yet: grec-procd makes it` };
  try {
    return { keyId: readSigner(file).keyId };
  } catch (thrown) {
    return { problem: messageOf(thrown) };
  }
}

/** @throws GrecError FILE_EXISTS, SIGNING_KEY_UNUSABLE, FILE_UNWRITABLE */
export async function keyNew(context: CliContext): Promise<number> {
  const { archive, signingKey } = context.config.paths;
  if (existsSync(signingKey))
    throw new GrecError('FILE_EXISTS', `there is a signing key already: ${signingKey}`, {
      hint: '`grec key rotate` puts a new one in its place',
    });
  await note(context, { what: 'key', details: { action: 'new' } });
  return tell(
    context,
    inArchive(archive, () => openSigner(signingKey, archive)),
  );
}

/** @throws GrecError SIGNING_KEY_UNUSABLE, FILE_UNWRITABLE */
export async function keyRotate(context: CliContext): Promise<number> {
  const { archive, signingKey } = context.config.paths;
  await note(context, { what: 'key', details: { action: 'rotate' } });
  return tell(
    context,
    inArchive(archive, () => rotateSigningKey(signingKey, archive)),
  );
}

function inArchive(archive: string, work: () => Signer): Signer {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof GrecError) throw thrown;
    throw new GrecError(
      'FILE_UNWRITABLE',
      `cannot put the public key into ${archive}: ${messageOf(thrown)}`,
      { hint: 'run it as the user of grec-procd, or as root', cause: thrown },
    );
  }
}

function tell(context: CliContext, { keyId }: Signer): number {
  const { archive, signingKey } = context.config.paths;
  const publicKey = publicKeyFile(archive, keyId);
  if (context.json) context.printJson({ key: keyId, file: signingKey, publicKey });
  else context.print(keyId);
  context.note(`${signingKey} signs from now on; the public key is ${publicKey}`);
  return EXIT.ok;
}
