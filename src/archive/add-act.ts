// Adding an act to the chain of an archive: signed, synced, and then there at once, by one rename.
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { VERSION } from '../version.ts';
import { type Act, actFile, type By, type Deed, encodeAct, linkIdOf, signatureOf } from './act.ts';
import { addToChain, type NextLink } from './chain.ts';
import { sha256 } from './digest.ts';
import { CHAIN_FOLDER } from './links.ts';
import { openSigner } from './signing-key.ts';
import { syncUpTo } from './sync.ts';
import { type ArchiveTarget, writeSynced } from './write.ts';

/** Of the act that is being made, in the folder of the chain. */
const STAGING_NAME = '.act.tmp';

/**
 * Decides and does: nothing else is added to the chain between the two.
 * @param decide what is to be done; undefined when nothing is
 * @returns what was done, durably
 * @throws GrecError SIGNING_KEY_UNUSABLE, what `decide` throws; Node's system errors, and nothing is done then
 */
export async function addAct(
  { directory: archive, signingKey }: ArchiveTarget,
  by: By,
  decide: () => Promise<Deed | undefined>,
): Promise<Act | undefined> {
  const signer = openSigner(signingKey, archive);
  const staging = join(archive, CHAIN_FOLDER, STAGING_NAME);
  let made: { act: Act; file: string; signature: Uint8Array } | undefined;
  const prepare = async (next: NextLink) => {
    const deed = await decide();
    if (deed === undefined) return undefined;
    const act = describe(deed, by, signer.keyId, next);
    const bytes = encodeAct(act);
    const path = actFile(deed, next.sequence);
    made = { act, file: join(archive, path), signature: signer.sign(bytes) };
    await mkdir(dirname(staging), { recursive: true, mode: 0o750 });
    await writeSynced(staging, bytes);
    return { id: linkIdOf(deed), path, sha256: sha256(bytes) };
  };
  const place = async () => {
    if (made === undefined) return;
    const { file, signature } = made;
    await mkdir(dirname(file), { recursive: true, mode: 0o750 });
    await writeSynced(signatureOf(file), signature);
    await rename(staging, file);
    await syncUpTo(archive, dirname(file));
  };
  await addToChain(archive, { prepare, place });
  return made?.act;
}

function describe(act: Deed, by: By, key: string, { sequence, previous }: NextLink): Act {
  const createdAt = new Date().toISOString();
  return { version: 1, sequence, createdAt, software: `grec ${VERSION}`, key, previous, by, act };
}
