// The answer to a 401 or 407: which header, with what in it (RFC 3261 section 22, RFC 7616).
import { randomBytes } from 'node:crypto';
import { authorize, chooseChallenge } from './digest.ts';
import type { SipResponse } from './message.ts';
import { unquote } from './scan.ts';
import type { Credentials } from './user-agent-types.ts';

export interface ChallengeAnswer {
  header: 'authorization' | 'proxy-authorization';
  value: string;
  /** The credentials were right, only the nonce was too old: another try is worth while. */
  stale: boolean;
}

/** Undefined when no challenge of the response can be answered. */
export function answerTo(
  response: SipResponse,
  request: { credentials: Credentials; method: string; uri: string },
): ChallengeAnswer | undefined {
  const isProxy = response.status === 407;
  const { headers } = response;
  const challenge = chooseChallenge(headers[isProxy ? 'proxy-authenticate' : 'www-authenticate'] ?? []);
  if (challenge === undefined) return undefined;
  // A fresh cnonce for each answer, hence the first use of its pair with the nonce.
  const value = authorize({ ...request, challenge, nc: 1, cnonce: randomBytes(8).toString('hex') });
  if (value === undefined) return undefined;
  const stale = unquote(challenge['stale'] ?? '').toLowerCase() === 'true';
  return { header: isProxy ? 'proxy-authorization' : 'authorization', value, stale };
}
