// The rows of the catalog, as queries give them.

/** `failed`: it had to be recorded and there is no audio; `reason` says why. */
export type RecordingState = 'complete' | 'partial' | 'failed';

export interface RecordingRow {
  /** UUIDv7. */
  id: string;
  sessionId: string | null;
  state: RecordingState;
  reason: string | null;
  direction: 'internal' | 'inbound' | 'outbound' | null;
  /** Wall clock, milliseconds since 1970. */
  startTime: number;
  /** Milliseconds of audio. */
  duration: number;
  caller: string;
  callee: string;
  /** The recorded DN. */
  dn: string | null;
  /** The recording's directory, relative to the archive directory; null when failed. */
  path: string | null;
  /** Bytes of the audio file. */
  size: number;
  /** The retention class that it names: '' when it names none; null or absent when that is not known. */
  retention?: string | null;
}

/** With these words reasons name the codecs that could not be decoded; after a colon why, when a decoder may come to be. */
export const NO_DECODER = 'no decoder for ';

/** One that could not be made, or not wholly because something could not be decoded. */
export interface FailedRow extends RecordingRow {
  /** Milliseconds since 1970. */
  finishedAt: number;
}

/** A recording that was deleted, as the archive's acts say. */
export interface DeletedRow {
  id: string;
  /** ISO 8601. */
  at: string;
  rule: string;
  /** The number of the act. */
  act: number;
}

/** Of the table of recordings, as {@link RecordingRow} has them. */
export const COLUMNS = `id, session_id AS sessionId, state, reason, direction, start_time AS startTime, duration, caller,
  callee, dn, path, size, retention`;

export interface RecordingFilter {
  /** A DN, caller or callee. */
  number?: string;
  /** Milliseconds since 1970. */
  since?: number;
  until?: number;
  state?: RecordingState;
  label?: string;
  /** Those under hold alone. */
  isHeld?: boolean;
  /** Newest first; default 50. */
  limit?: number;
}

export type AlarmSeverity = 'warning' | 'major';

/** Something an operator must know of: raised once per subject and cause, with the reason in words. */
export interface AlarmRow {
  id: number;
  /** Wall clock, milliseconds since 1970. */
  at: number;
  severity: AlarmSeverity;
  /** What it is about, such as `recording 0198…` or `segment 0198…`. */
  subject: string;
  message: string;
  /** When what it is about was done, milliseconds since 1970, and what it was; absent until then. */
  answeredAt?: number;
  answer?: string;
}
