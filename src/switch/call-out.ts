// The INVITE to one place where a call may be answered (RFC 3261 section 13.2).
import type { Body, OutgoingInvite, OutgoingInviteOptions, Peer } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import type { CallTarget } from './call-model.ts';
import { numberUri } from './route.ts';

type Handlers = Pick<OutgoingInviteOptions, 'onProvisional' | 'onAccepted' | 'onRejected'>;

/** For a callee that is asked for an offer: one in a provisional response would need its answer before the caller has given any. */
const WITHOUT_100REL = { supported: 'timer, replaces, norefersub' };

/**
 * Places `call` at `target`.
 * @param local our own address at which the call came: the host of the caller's number
 */
export function callOut(
  call: Call,
  { route, to }: CallTarget,
  local: Peer,
  body: Body | undefined,
  handlers: Handlers,
): OutgoingInvite {
  const { from, maxForwards } = call.plan;
  return call.context.userAgent.invite({
    uri: route.uri,
    peer: route.peer,
    flow: route.flow,
    from: { uri: numberUri(from.number, local), name: from.name },
    to: { uri: numberUri(to.number, route.kind === 'trunk' ? route.peer : local), name: undefined },
    headers: {
      ...call.headers,
      'max-forwards': String(maxForwards),
      ...(body === undefined ? WITHOUT_100REL : {}),
    },
    body,
    ...handlers,
  });
}
