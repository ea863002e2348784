// The one error class of grec and the list of every code it can carry.

/** Every code a GrecError can carry. The first word names the door at which it arose. */
export const ERROR_CODES = [
  'CONFIG_INVALID',
  'CONFIG_UNREADABLE',
  'STATE_UNUSABLE',
  'STATE_IN_USE',
  'PORT_IN_USE',
  'PORT_UNUSABLE',
  'PORTS_EXHAUSTED',
  'TLS_UNUSABLE',
  'DAEMON_NOT_RUNNING',
  'DAEMON_REFUSED',
  'DAEMON_ENDED',
  'CONTROL_TIMEOUT',
  'USAGE',
  'DN_INVALID',
  'DN_EXISTS',
  'DN_UNKNOWN',
  'CALL_UNKNOWN',
  'CALL_AMBIGUOUS',
  'MEDIA_NOT_MOVED',
  'RECORDING_STATE',
  'AGENT_LOGGED_IN',
  'RECORDING_UNKNOWN',
  'RECORDING_AMBIGUOUS',
  'RECORDING_UNREADABLE',
  'RECORDING_SEALED',
  'HOLD_EXISTS',
  'CLOCK_DOUBTFUL',
  'AUDIT_UNWRITABLE',
  'AUDIT_UNREADABLE',
  'ARCHIVE_UNREADABLE',
  'SIGNING_KEY_UNUSABLE',
  'CERTIFICATE_UNUSABLE',
  'DECRYPTION_KEY',
  'CATALOG_UNUSABLE',
  'STORAGE_UNKNOWN',
  'STORAGE_UNREACHABLE',
  'STORAGE_REFUSED',
  'STORAGE_REJECTED',
  'STORAGE_DIFFERS',
  'INDEX_UNUSABLE',
  'USER_UNKNOWN',
  'USER_EXISTS',
  'TOKEN_UNKNOWN',
  'NG_TIMEOUT',
  'NG_REFUSED',
  'SDP_INVALID',
  'SIP_INVALID',
  'SIP_TIMEOUT',
  'WORKER_LOST',
  'ENGINE_UNUSABLE',
  'CAPTURE_UNREADABLE',
  'SPOOL_INVALID',
  'SPOOL_WRITE',
  'SPOOL_KEY_UNUSABLE',
  'SOUND_UNUSABLE',
  'JOURNAL_INVALID',
  'AUDIO_UNDECODABLE',
  'TRANSCRIBER_UNUSABLE',
  'TRANSCRIBER_FAILED',
  'TRANSCRIPT_MISSING',
  'FFMPEG_MISSING',
  'FFMPEG_FAILED',
  'PLAYER_MISSING',
  'PLAYER_FAILED',
  'FILE_EXISTS',
  'FILE_UNWRITABLE',
  'DEMO_FAILED',
  'INTERRUPTED',
  'INTERNAL',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * An error that an operator may read: `message` says what was wrong, `hint` what to do next.
 * Bytes from the network never raise one through a socket handler.
 */
export class GrecError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GrecError';
    this.code = code;
    this.hint = options.hint;
  }
}

/** The text of anything that was thrown, without its stack. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The `code` of a Node system error (ENOENT, EADDRINUSE …), or undefined. */
export function systemCode(thrown: unknown): string | undefined {
  if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string') return thrown.code;
  return undefined;
}
