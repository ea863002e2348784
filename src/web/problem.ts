// What went wrong, as RFC 9457 has it: application/problem+json. Of this machine, its files and its code it tells nothing.
import { STATUS_CODES } from 'node:http';
import * as v from 'valibot';
import { type ErrorCode, GrecError } from '../errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export const problemSchema = v.strictObject({
  /** `urn:grec:problem:` and what kind it is. */
  type: v.pipe(v.string(), v.regex(/^urn:grec:problem:[a-z0-9-]+$/)),
  title: v.string(),
  status: v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599)),
  detail: v.string(),
});
export type Problem = v.InferOutput<typeof problemSchema>;

/** @param kind lower-case words with dashes */
export function problem(status: number, kind: string, detail: string): Problem {
  return { type: `urn:grec:problem:${kind}`, title: STATUS_CODES[status] ?? 'Error', status, detail };
}

const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  USAGE: 400,
  DN_INVALID: 400,
  DN_UNKNOWN: 404,
  CALL_UNKNOWN: 404,
  CALL_AMBIGUOUS: 404,
  RECORDING_UNKNOWN: 404,
  RECORDING_AMBIGUOUS: 404,
  RECORDING_STATE: 409,
  HOLD_EXISTS: 409,
  MEDIA_NOT_MOVED: 409,
  DAEMON_NOT_RUNNING: 503,
  DAEMON_REFUSED: 503,
  CONTROL_TIMEOUT: 504,
  CATALOG_UNUSABLE: 503,
  AUDIT_UNWRITABLE: 503,
  AUDIT_UNREADABLE: 503,
  ARCHIVE_UNREADABLE: 503,
  RECORDING_UNREADABLE: 503,
  NG_TIMEOUT: 503,
  NG_REFUSED: 503,
};

/** What is told where the message names files and sockets. */
const DETAILS: Partial<Record<ErrorCode, string>> = {
  DAEMON_NOT_RUNNING: 'the part of grec that does this does not run; try again later',
  CONTROL_TIMEOUT: 'the part of grec that does this did not answer in time; it may be done all the same',
  CATALOG_UNUSABLE: 'the catalog of recordings cannot be read at the moment',
  AUDIT_UNWRITABLE: 'the audit log takes no entry at the moment, and what cannot be noted is not done',
  RECORDING_UNREADABLE: 'the files of this recording cannot be read',
};

/** The problem for whatever was thrown. */
export function problemOf(thrown: unknown): Problem {
  const code = thrown instanceof GrecError ? thrown.code : 'INTERNAL';
  const status = STATUS_BY_CODE[code] ?? 500;
  const kind = code.toLowerCase().replaceAll('_', '-');
  if (thrown instanceof GrecError && status < 500) return problem(status, kind, thrown.message);
  return problem(
    status,
    kind,
    DETAILS[code] ?? 'this went wrong here; the log of grec-webd says what it was',
  );
}
