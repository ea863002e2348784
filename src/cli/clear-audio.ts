// The audio of a recording as it can be heard, whether it is encrypted in the archive or not.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SEALED_ENDING } from '../archive/audio-format.ts';
import type { CliContext } from './context.ts';

export interface KeyOptions {
  privateKey?: string[];
}

export function isSealed(audio: string): boolean {
  return audio.endsWith(SEALED_ENDING);
}

/** What its name is in clear. */
export function clearName(audio: string): string {
  return isSealed(audio) ? audio.slice(0, -SEALED_ENDING.length) : audio;
}

/**
 * Runs `work` on the file itself, or on a private copy that is decrypted, which is removed afterwards.
 * @throws GrecError DECRYPTION_KEY, RECORDING_UNREADABLE
 */
export async function withClear<T>(
  context: CliContext,
  audio: string,
  options: KeyOptions,
  work: (file: string) => T | Promise<T>,
): Promise<T> {
  if (!isSealed(audio)) return work(audio);
  // mkdtemp makes it readable by this user alone.
  const directory = mkdtempSync(join(tmpdir(), 'grec-clear-'));
  try {
    const file = join(directory, basename(clearName(audio)));
    const { openSealed } = await import('../archive/cms/open.ts');
    await openSealed(audio, file, await privateKeys(context, options));
    return await work(file);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Those of the command line, or else those of the environment and the configuration. @throws GrecError DECRYPTION_KEY */
export async function privateKeys({ config }: CliContext, { privateKey }: KeyOptions) {
  const { readPrivateKeys } = await import('../archive/cms/open.ts');
  const { privateKeys: configured, passphrase } = config.paths.encryption;
  return readPrivateKeys(privateKey ?? configured, passphrase);
}
