// Which configuration and which strategy are in force: noted when a daemon has read them.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import { GrecError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type Note, ofDaemon } from './by-daemon.ts';

/** What a daemon has just done. */
export type Why = 'start' | 'reload' | 'strategy';

/** Notes the hashes of the files. That it cannot be noted keeps no call from being recorded: the log says so. Never rejects. */
export async function noteConfiguration(
  { note, log, daemon }: { note: Note; log: Logger; daemon: string },
  { file, paths }: Pick<Config, 'file' | 'paths'>,
  why: Why,
): Promise<void> {
  const details = { why, ...hashOf('file', file), ...hashOf('strategy', paths.strategy) };
  try {
    await note(ofDaemon(daemon), { what: 'configuration', details });
  } catch (thrown) {
    const hint = thrown instanceof GrecError ? thrown.hint : undefined;
    log.error({ alarm: 'audit-write', hint }, messageOf(thrown));
  }
}

function hashOf(key: string, file: string | undefined): Record<string, string> {
  if (file === undefined) return {};
  try {
    return { [key]: file, [`${key}Sha256`]: createHash('sha256').update(readFileSync(file)).digest('hex') };
  } catch {
    return {};
  }
}
