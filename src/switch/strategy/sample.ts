// Sampling: the same call is always in a sample, or always out of it.
import { createHash } from 'node:crypto';

/**
 * True for `percent` of all calls.
 * @param sessionId the call's identifier (RFC 7989)
 * @param salt makes samples independent of one another: the rule's name
 */
export function isSampled(sessionId: string, salt: string, percent: number): boolean {
  const hash = createHash('sha256').update(`${sessionId}\n${salt}`).digest();
  return (hash.readUIntBE(0, 6) / 2 ** 48) * 100 < percent;
}
