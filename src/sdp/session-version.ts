// The origin of a session that goes on: same identity, version counted up with each change (RFC 3264 section 8).
import { isDeepStrictEqual } from 'node:util';
import type { SessionDescription } from './session-description.ts';

/**
 * The description with the origin that an earlier one of the same session had: version kept when nothing else
 * changed, one more otherwise (RFC 3264 section 8). Without an earlier one it is returned as it is.
 */
export function continueSession(
  previous: SessionDescription | undefined,
  next: SessionDescription,
): SessionDescription {
  if (previous === undefined) return next;
  const same = { ...next, origin: previous.origin };
  return isDeepStrictEqual(same, previous) ? same : bumpVersion(same);
}

/** A copy with the session version one higher. */
export function bumpVersion(sdp: SessionDescription): SessionDescription {
  const sessionVersion = `${BigInt(sdp.origin.sessionVersion) + 1n}`;
  return { ...sdp, origin: { ...sdp.origin, sessionVersion } };
}
