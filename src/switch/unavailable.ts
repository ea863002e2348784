// The answer to who comes at a bad moment: 503, and when to come again (RFC 3261 section 21.5.4).
import type { Refusal } from '../sip/user-agent.ts';

/** Seconds: those who are told to come again shall not come all at once. */
const RETRY_AFTER = { least: 5, most: 30 };

export function unavailable(reason?: string): Refusal {
  const { least, most } = RETRY_AFTER;
  const seconds = least + Math.floor(Math.random() * (most - least + 1));
  return { status: 503, ...(reason && { reason }), headers: { 'retry-after': `${seconds}` } };
}
