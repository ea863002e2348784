// What the caller is told when the callee's side refuses (RFC 3261 section 16.7 in spirit).
import type { SipResponse } from '../sip/message.ts';

/**
 * Most refusals pass through. Those that speak of the switch's own dealings with the callee's side do not: a challenge
 * to us is not one to the caller, and a redirection is not followed.
 */
export function statusForCaller(response: SipResponse): { status: number; reason: string } {
  const { status, reason } = response;
  if (status < 400) return { status: 480, reason: 'Moved' };
  if (status === 401 || status === 407) return { status: 403, reason: 'Forbidden' };
  if (status === 420 || status === 421 || status === 494)
    return { status: 488, reason: 'Not Acceptable Here' };
  if (status === 481) return { status: 500, reason: 'Server Internal Error' };
  return { status, reason };
}

/** A call that ends before its answer ends with a failure: a BYE that overtook the answer counts as one. */
export function failureStatus(status: number): number {
  return status >= 300 ? status : 480;
}

/** A reason as it may stand in a status line. */
export function phrase(reason: string): string {
  return reason.replaceAll(/[^\x20-\x7e]/g, ' ');
}
