// The audio of a recording, encrypted before the recording takes its place in the archive.
import { rm } from 'node:fs/promises';
import { SEALED_ENDING } from './audio-format.ts';
import { readRecipients } from './cms/recipient.ts';
import { sealFile } from './cms/seal.ts';
import type { MediaFile, Metadata } from './metadata.ts';

/** What encryption changes of a media file. */
export type SealedMedia = Pick<MediaFile, 'size'> & Required<Pick<MediaFile, 'encryption'>>;

/**
 * Puts the encrypted file in the place of `file`, under its name and {@link SEALED_ENDING}.
 * @param certificates files, in PEM
 * @throws GrecError CERTIFICATE_UNUSABLE; Node's system errors
 */
export async function sealAudio(file: string, certificates: readonly string[]): Promise<SealedMedia> {
  const recipients = readRecipients(certificates);
  const target = `${file}${SEALED_ENDING}`;
  await rm(target, { force: true });
  const { size, clearSize, clearSha256 } = await sealFile(file, target, recipients);
  await rm(file);
  return {
    size,
    encryption: {
      format: 'CMS AuthEnvelopedData, AES-256-GCM',
      size: clearSize,
      sha256: clearSha256,
      recipients: recipients.map(({ subject, fingerprint }) => ({ subject, fingerprint })),
    },
  };
}

/** The metadata of a recording whose audio is encrypted. */
export function withSealedMedia(metadata: Metadata, sealed: SealedMedia): Metadata {
  const mediaFiles = metadata.mediaFiles.map((media) => {
    return { ...media, ...sealed, mediaPath: `${media.mediaPath}${SEALED_ENDING}` };
  });
  return { ...metadata, mediaFiles };
}
