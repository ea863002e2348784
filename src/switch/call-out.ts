// The INVITE to one place where a call may be answered (RFC 3261 section 13.2).
import type { Body, OutgoingInvite, OutgoingInviteOptions, Peer } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import type { CallTarget } from './call-model.ts';
import { numberUri } from './route.ts';
import { shownFrom, shownHeaders } from './shown-caller.ts';

type Handlers = Pick<OutgoingInviteOptions, 'onProvisional' | 'onAccepted' | 'onRejected'>;

/** For a callee whose offer, in a provisional response, nobody could answer yet. */
const WITHOUT_100REL = { supported: 'timer, replaces, norefersub' };

export interface CallOutOptions {
  /** Our own address at which the call came: the host of the caller's number. */
  local: Peer;
  body: Body | undefined;
  /** The callee may describe its media in a provisional response, for the caller to answer (RFC 3262 section 5). */
  mayOfferEarly: boolean;
}

/** Places `call` at `target`. */
export function callOut(
  call: Call,
  { route, to, shown }: CallTarget,
  { local, body, mayOfferEarly }: CallOutOptions,
  handlers: Handlers,
): OutgoingInvite {
  const { from, maxForwards } = call.plan;
  const isTrunk = route.kind === 'trunk';
  const showing = { from, shown: shown ?? call.plan.shown, isTrunk, local };
  return call.context.userAgent.invite({
    uri: route.uri,
    peer: route.peer,
    flow: route.flow,
    from: shownFrom(showing),
    to: { uri: numberUri(to.number, isTrunk ? route.peer : local), name: undefined },
    headers: {
      ...call.headersTo('b'),
      ...shownHeaders(showing),
      'max-forwards': String(maxForwards),
      ...(body === undefined && !mayOfferEarly ? WITHOUT_100REL : {}),
    },
    body,
    ...handlers,
  });
}
