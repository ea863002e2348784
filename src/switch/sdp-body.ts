// The session description in a message's body, if there is one.
import type { SipMessage } from '../sip/message.ts';
import type { Body } from '../sip/user-agent.ts';

const SDP = 'application/sdp';

/** The SDP of a message; undefined when its body is empty or something else. */
export function sdpOf(message: SipMessage): Buffer | undefined {
  return message.body.length > 0 && contentType(message) === SDP ? message.body : undefined;
}

/** True for a message whose body is something else than SDP. */
export function hasForeignBody(message: SipMessage): boolean {
  return message.body.length > 0 && contentType(message) !== SDP;
}

export function withSdp(sdp: Buffer): Body {
  return { type: SDP, bytes: sdp };
}

function contentType(message: SipMessage): string {
  const header = message.headers['content-type'];
  if (header === SDP) return SDP;
  return typeof header === 'string' ? (header.split(';')[0] ?? '').trim().toLowerCase() : '';
}
