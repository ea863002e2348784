// The exit statuses of `grec`, in one place; grec.1 documents them.
import { type ErrorCode, GrecError } from '../errors.ts';

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  notRunning: 4,
  exists: 5,
  missingProgram: 6,
  /** EX_CONFIG of sysexits.h. */
  config: 78,
  /** 128 + SIGINT: stopped by force. */
  interrupted: 130,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  USAGE: EXIT.usage,
  DN_INVALID: EXIT.usage,
  DN_UNKNOWN: EXIT.notFound,
  CALL_UNKNOWN: EXIT.notFound,
  CALL_AMBIGUOUS: EXIT.notFound,
  RECORDING_UNKNOWN: EXIT.notFound,
  RECORDING_AMBIGUOUS: EXIT.notFound,
  STORAGE_UNKNOWN: EXIT.notFound,
  TRANSCRIPT_MISSING: EXIT.notFound,
  USER_UNKNOWN: EXIT.notFound,
  TOKEN_UNKNOWN: EXIT.notFound,
  DAEMON_NOT_RUNNING: EXIT.notRunning,
  CONTROL_TIMEOUT: EXIT.notRunning,
  DN_EXISTS: EXIT.exists,
  AGENT_LOGGED_IN: EXIT.exists,
  FILE_EXISTS: EXIT.exists,
  HOLD_EXISTS: EXIT.exists,
  USER_EXISTS: EXIT.exists,
  FFMPEG_MISSING: EXIT.missingProgram,
  PLAYER_MISSING: EXIT.missingProgram,
  INTERRUPTED: EXIT.interrupted,
  CONFIG_INVALID: EXIT.config,
  CONFIG_UNREADABLE: EXIT.config,
};

/** The exit status for anything that was thrown. */
export function exitCodeOf(thrown: unknown): number {
  return (thrown instanceof GrecError ? BY_CODE[thrown.code] : undefined) ?? EXIT.failure;
}
