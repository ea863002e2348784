// The file of the keys with which captures are encrypted in the spool: 64 hexadecimal digits a line, the newest first.
import { statSync } from 'node:fs';
import { GrecError, messageOf } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import { KEY_BYTES, SpoolKeys } from './sealed-capture.ts';

const LARGEST_BYTES = 65_536;
const OTHERS = 0o077;

/**
 * @param file undefined when captures are not encrypted
 * @throws GrecError SPOOL_KEY_UNUSABLE
 */
export function readSpoolKeys(file: string | undefined): SpoolKeys | undefined {
  if (file === undefined) return undefined;
  const [first, ...others] = linesOf(file)
    .map((line, index) => keyOf(file, line, index + 1))
    .filter((key) => key !== undefined);
  if (first === undefined) throw unusable(file, 'it has no key');
  return new SpoolKeys([first, ...others]);
}

function linesOf(file: string): string[] {
  try {
    if ((statSync(file).mode & OTHERS) !== 0) throw new Error('others than its owner may read it');
    return (readRegularFile(file, LARGEST_BYTES) ?? Buffer.alloc(0)).toString('latin1').split('\n');
  } catch (thrown) {
    throw unusable(file, messageOf(thrown), thrown);
  }
}

function keyOf(file: string, line: string, number: number): Buffer | undefined {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) return undefined;
  // What stands there is not told: it may be a key with a slip in it.
  if (!/^[0-9a-f]{64}$/i.test(text))
    throw unusable(file, `line ${number} is no key of ${KEY_BYTES * 2} hexadecimal digits`);
  return Buffer.from(text, 'hex');
}

function unusable(file: string, problem: string, cause?: unknown): GrecError {
  return new GrecError('SPOOL_KEY_UNUSABLE', `cannot use the spool key ${file}: ${problem}`, {
    hint: '`umask 077; openssl rand -hex 32 >FILE`, as the user that runs the daemons, makes one',
    cause,
  });
}
