// `grec listen`: a call that is up, heard while it is spoken.
import { userInfo } from 'node:os';
import { pipeline } from 'node:stream/promises';
import { socketOf } from '../config.ts';
import { openDaemonBytes } from '../control.ts';
import { GrecError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';

/** @throws GrecError USAGE, CALL_UNKNOWN, CALL_AMBIGUOUS, DAEMON_NOT_RUNNING */
export async function listen(context: CliContext, call: string): Promise<number> {
  if (context.stdout.isTTY === true) {
    throw new GrecError('USAGE', 'it writes audio: send it into a pipe or a file', {
      hint: `\`grec listen ${call} | ffplay -\``,
    });
  }
  const path = `/listen/${encodeURIComponent(call)}?by=${encodeURIComponent(userName())}`;
  const audio = await openDaemonBytes('grec-procd', socketOf(context.config, 'grec-procd'), path);
  try {
    await pipeline(audio, context.stdout, { end: false });
  } catch (thrown) {
    // Ctrl-C of a player ends the pipe, which is how listening is ended.
    if (!isClosedPipe(thrown)) throw brokenOff(thrown);
  }
  return EXIT.ok;
}

function isClosedPipe(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPIPE';
}

function brokenOff(thrown: unknown): GrecError {
  return new GrecError('DAEMON_ENDED', 'grec-procd ended while it was listened to', { cause: thrown });
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
