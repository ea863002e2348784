// The password of a trunk: in a file of its own, which not everybody may read.
import { readFileSync, statSync } from 'node:fs';
import type { TrunkConfig } from '../config.ts';
import { GrecError, messageOf } from '../errors.ts';

/** Read and write, for everybody. */
const OTHERS = 0o006;

/** The first line of the file; undefined for a trunk without one. @throws GrecError CONFIG_INVALID */
export function readTrunkPassword(trunk: TrunkConfig): string | undefined {
  const file = trunk['password-file'];
  if (file === undefined) return undefined;
  const invalid = (problem: string, hint: string, cause?: unknown) =>
    new GrecError('CONFIG_INVALID', `the password file ${file} of trunk ${trunk.name} ${problem}`, {
      hint,
      cause,
    });
  let text: string;
  try {
    if ((statSync(file).mode & OTHERS) !== 0)
      throw invalid('is open to everybody', `close it: chmod o-rw ${file}`);
    text = readFileSync(file, 'utf8');
  } catch (thrown) {
    if (thrown instanceof GrecError) throw thrown;
    throw invalid(
      `cannot be read: ${messageOf(thrown)}`,
      'it must be readable for the user that runs grec-sipd; systemd can place it by LoadCredential',
      thrown,
    );
  }
  const password = text.split(/\r?\n/, 1)[0] ?? '';
  if (password === '') throw invalid('is empty', 'its first line is the password');
  return password;
}
