// Recordings that have turned out to be part of another one of the same conversation: what stays of them in the archive.
import { join } from 'node:path';
import { readMetadata } from '../archive/read.ts';
import { stageRecording } from '../archive/write.ts';
import { GrecError } from '../errors.ts';

/**
 * Leaves of an archived recording its metadata alone, which say where its audio is now, as its next revision: the chain
 * of the archive goes on. Again is no harm. Throws Node's system errors, and GrecError SIGNING_KEY_UNUSABLE.
 * @param path of the recording, relative to the archive
 */
export async function leavePointer(
  target: { directory: string; signingKey: string },
  path: string,
  joinedInto: string,
): Promise<void> {
  const metadata = readIfPossible(join(target.directory, path));
  if (metadata === undefined || metadata.joinedInto === joinedInto) return;
  const { startTime, id } = metadata;
  const staging = await stageRecording(target, id, Date.parse(startTime));
  try {
    await staging.publish({ ...metadata, mediaFiles: [], joinedInto });
  } catch (thrown) {
    await staging.discard().catch(() => undefined);
    throw thrown;
  }
}

/** What cannot be read stays as it is: `grec verify` tells of it. */
function readIfPossible(directory: string) {
  try {
    return readMetadata(directory);
  } catch (thrown) {
    if (thrown instanceof GrecError) return undefined;
    throw thrown;
  }
}
