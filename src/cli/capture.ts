// `grec capture`: a capture of the spool in the clear, for Wireshark and its like.
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { GrecError } from '../errors.ts';
import { clearPieces } from '../spool/clear-capture.ts';
import { CAPTURE_FILE } from '../spool/segment.ts';
import { readSpoolKeys } from '../spool/spool-keys.ts';
import { note } from './audited.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { NewFile } from './new-file.ts';

export interface CaptureOptions {
  output: string;
  force?: boolean;
}

/**
 * @param file a capture, or the folder of its segment
 * @throws GrecError USAGE, SPOOL_INVALID, SPOOL_KEY_UNUSABLE, FILE_EXISTS, FILE_UNWRITABLE, AUDIT_UNWRITABLE
 */
export async function clearCapture(
  context: CliContext,
  file: string,
  { output, force = false }: CaptureOptions,
): Promise<number> {
  if (output === '-' && context.stdout.isTTY === true)
    throw new GrecError('USAGE', '-o - writes packets: send it into a pipe or a file');
  const keys = readSpoolKeys(context.config.paths.encryption.spoolKey);
  const source = resolve(file);
  const capture = basename(source) === CAPTURE_FILE ? source : join(source, CAPTURE_FILE);
  await note(context, {
    what: 'capture',
    details: { capture, output: output === '-' ? '-' : resolve(output) },
  });
  const pieces = clearPieces(capture, keys);
  if (output === '-') await pour(context, pieces);
  else writeClear(output, force, pieces);
  return EXIT.ok;
}

async function pour({ stdout }: CliContext, pieces: Iterable<Buffer>): Promise<void> {
  for (const piece of pieces) if (!stdout.write(piece)) await once(stdout, 'drain');
}

function writeClear(output: string, force: boolean, pieces: Iterable<Buffer>): void {
  const target = new NewFile(resolve(output), force);
  try {
    for (const piece of pieces) appendFileSync(target.path, piece, { mode: 0o600 });
    target.keep();
  } finally {
    target.discard();
  }
}
