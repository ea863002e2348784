// [encryption]: to whom recordings are encrypted, and with what commands open them.
import { resolve } from 'node:path';
import * as v from 'valibot';
import { section, text } from './toml-schema.ts';

const MOST_FILES = 16;
const FILES = `expected the path of a file, or a list of up to ${MOST_FILES}`;

/** One or several, a list in the end. */
const files = v.pipe(
  v.union(
    [
      text('the path of a file'),
      v.pipe(v.array(text('the path of a file'), FILES), v.maxLength(MOST_FILES, FILES)),
    ],
    FILES,
  ),
  v.transform((value): string[] => (Array.isArray(value) ? value : [value])),
);

export const encryptionSection = section({
  certificate: v.optional(files, []),
  'private-key': v.optional(files, []),
  'passphrase-file': v.optional(text('the path of a file')),
  'spool-key': v.optional(text('the path of a file')),
});

export interface EncryptionFiles {
  /** To each of which recordings are encrypted; none: they are not. */
  certificates: string[];
  /** Of commands alone: no daemon reads them. */
  privateKeys: string[];
  passphrase: string | undefined;
  /** Of the keys with which captures are encrypted in the spool. */
  spoolKey: string | undefined;
}

/**
 * The files as absolute paths.
 * @param base the directory of the configuration
 * @param named the private key that the environment names
 */
export function placeEncryptionFiles(
  base: string,
  written: v.InferOutput<typeof encryptionSection>,
  named: string | undefined,
): EncryptionFiles {
  const { 'passphrase-file': passphrase, 'spool-key': spoolKey } = written;
  return {
    certificates: written.certificate.map((file) => resolve(base, file)),
    privateKeys: [
      ...(named ? [resolve(named)] : []),
      ...written['private-key'].map((file) => resolve(base, file)),
    ],
    passphrase: passphrase && resolve(base, passphrase),
    spoolKey: spoolKey && resolve(base, spoolKey),
  };
}
