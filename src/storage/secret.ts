// Secrets of storages: in files of their own, which not everybody may read, looked at each time, so that they can be changed.
import { readFile, stat } from 'node:fs/promises';
import { GrecError, messageOf } from '../errors.ts';

/** Read and write, for everybody. */
const OTHERS = 0o006;

/** The first line of the file. @throws GrecError CONFIG_INVALID, which never tells what is in it */
export async function readSecret(file: string): Promise<string> {
  const invalid = (problem: string, hint: string, cause?: unknown) =>
    new GrecError('CONFIG_INVALID', `the file ${file} ${problem}`, { hint, cause });
  let text: string;
  try {
    if (((await stat(file)).mode & OTHERS) !== 0)
      throw invalid('is open to everybody', `close it: chmod o-rw ${file}`);
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    if (thrown instanceof GrecError) throw thrown;
    throw invalid(
      `cannot be read: ${messageOf(thrown)}`,
      'it must be readable for the user that runs grec-procd; systemd can place it by LoadCredential',
      thrown,
    );
  }
  const secret = text.split(/\r?\n/, 1)[0] ?? '';
  if (secret === '') throw invalid('is empty', 'its first line is the secret');
  return secret;
}
