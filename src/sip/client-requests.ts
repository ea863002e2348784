// Requests that follow from an INVITE of ours: the ACK to its failure and its CANCEL (RFC 3261 sections 17.1.1.3 and 9.1).
import type { Headers, SipRequest, SipResponse } from './message.ts';

/** The ACK to a final response of 300 and above: same branch, same Route, the response's To. */
export function buildAckToFailure(invite: SipRequest, response: SipResponse): SipRequest {
  return hopRequest('ACK', invite, response.headers.to);
}

/** @param reason the value of a Reason header (RFC 3326), as it shall stand */
export function buildCancel(invite: SipRequest, reason?: string): SipRequest {
  const cancel = hopRequest('CANCEL', invite, invite.headers.to);
  if (reason !== undefined) cancel.headers['reason'] = reason;
  return cancel;
}

/** A request to the next hop alone: it carries the INVITE's top Via and nothing that the next hop does not need. */
function hopRequest(method: string, invite: SipRequest, to: Headers['to']): SipRequest {
  const { via, from, cseq, route } = invite.headers;
  const headers: Headers = {
    via: via.slice(0, 1),
    'max-forwards': 70,
    from,
    to,
    'call-id': invite.headers['call-id'],
    cseq: { seq: cseq.seq, method },
  };
  if (route !== undefined) headers.route = route;
  return { version: '2.0', method, uri: invite.uri, headers, body: Buffer.alloc(0) };
}
