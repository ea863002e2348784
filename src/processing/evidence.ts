// At the start of the processor: keys and certificates are there, and the chain of the archive is whole as far as a crash broke it.
import { existsSync } from 'node:fs';
import { repairChain } from '../archive/chain.ts';
import { readRecipients } from '../archive/cms/recipient.ts';
import { openSigner } from '../archive/signing-key.ts';
import type { Paths } from '../config.ts';
import { GrecError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';

/** What fails here is tried again with every recording, which waits in the spool until then: it is only told. */
export async function prepareEvidence(
  { archive, signingKey, encryption }: Paths,
  log: Logger,
): Promise<void> {
  try {
    const isNew = !existsSync(signingKey);
    const { keyId } = openSigner(signingKey, archive);
    if (isNew) log.info({ key: keyId, file: signingKey }, 'a signing key was made');
    const head = await repairChain(archive);
    readRecipients(encryption.certificates);
    log.debug({ key: keyId, sequence: head?.sequence ?? 0 }, 'manifests are signed');
  } catch (thrown) {
    const hint = thrown instanceof GrecError ? thrown.hint : undefined;
    log.error({ hint }, `recordings cannot be archived: ${messageOf(thrown)}`);
  }
}
