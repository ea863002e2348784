// How long a session lasts without a refresh, and who refreshes it: the negotiation (RFC 4028 sections 4, 5, 7.1 and 9).
import type { SipRequest } from './message.ts';
import { supports } from './option-tags.ts';
import { parseDigits } from './scan.ts';
import type { ExtraHeaders } from './user-agent-types.ts';

export type Refresher = 'uac' | 'uas';

/** A Session-Expires header, seconds. */
export interface SessionExpires {
  seconds: number;
  refresher: Refresher | undefined;
}

/** What is agreed, as seen in the request and response that agreed it. */
export interface Agreement {
  seconds: number;
  refresher: Refresher;
}

/** What this side wants, in seconds; without `expires` it asks for no timer of its own accord. */
export interface IntervalPolicy {
  expires: number | undefined;
  minSe: number;
}

/** The interval at which no side may be asked to refresh more often, in seconds (section 5). */
export const LEAST_MIN_SE = 90;

/** Undefined when the header is missing or malformed: a malformed one asks for nothing. */
export function parseSessionExpires(header: unknown): SessionExpires | undefined {
  if (typeof header !== 'string') return undefined;
  const [number = '', ...params] = header.split(';').map((part) => part.trim().toLowerCase());
  const seconds = parseDigits(number, 9);
  if (seconds === undefined || seconds === 0) return undefined;
  const refresher = params.map((param) => /^refresher *= *(ua[cs])$/.exec(param)?.[1]).find(Boolean);
  return { seconds, refresher: refresher as Refresher | undefined };
}

/** The seconds of a Min-SE header; 0 when it is missing or malformed. */
export function parseMinSe(header: unknown): number {
  if (typeof header !== 'string') return 0;
  return parseDigits((header.split(';', 1)[0] ?? '').trim(), 9) ?? 0;
}

export function printSessionExpires({ seconds, refresher }: SessionExpires): string {
  return refresher === undefined ? `${seconds}` : `${seconds};refresher=${refresher}`;
}

export type IntervalAnswer =
  | { kind: 'too-small'; headers: ExtraHeaders }
  | { kind: 'none' }
  | { kind: 'agreed'; agreement: Agreement; headers: ExtraHeaders };

/** What a session refresh request is answered (section 9): a 422, nothing, or the headers of its 2xx. */
export function answerInterval(request: SipRequest, { expires, minSe }: IntervalPolicy): IntervalAnswer {
  const { headers } = request;
  const asked = parseSessionExpires(headers['session-expires']);
  const speaks = supports(request, 'timer');
  if (asked !== undefined && asked.seconds < minSe && speaks)
    return { kind: 'too-small', headers: { 'min-se': `${minSe}` } };
  const wanted = Math.min(asked?.seconds ?? Number.POSITIVE_INFINITY, expires ?? Number.POSITIVE_INFINITY);
  if (wanted === Number.POSITIVE_INFINITY) return { kind: 'none' };
  const seconds = Math.max(wanted, minSe, parseMinSe(headers['min-se']));
  // A caller that does not know the extension cannot refresh (table 2).
  const refresher = speaks ? (asked?.refresher ?? 'uac') : 'uas';
  return { kind: 'agreed', agreement: { seconds, refresher }, headers: answerHeaders(seconds, refresher) };
}

function answerHeaders(seconds: number, refresher: Refresher): ExtraHeaders {
  const value = printSessionExpires({ seconds, refresher });
  return { 'session-expires': value, ...(refresher === 'uac' ? { require: 'timer' } : {}) };
}
