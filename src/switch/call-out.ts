// The INVITE to one place where a call may be answered (RFC 3261 section 13.2).
import type { Body, ExtraHeaders, OutgoingInvite, OutgoingInviteOptions, Peer } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import type { CallParty, CallTarget } from './call-model.ts';
import { numberUri } from './route.ts';
import { shownFrom, shownHeaders } from './shown-caller.ts';

type Handlers = Pick<OutgoingInviteOptions, 'onProvisional' | 'onAccepted' | 'onRejected'>;

/** For a callee whose offer, in a provisional response, nobody could answer yet. */
const WITHOUT_100REL = { supported: 'timer, replaces, norefersub' };

export interface CallOutOptions {
  /** Who calls, when it is not the caller of the plan; headers and hops go with it. */
  from?: CallParty;
  headers?: ExtraHeaders;
  maxForwards?: number;
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
  options: CallOutOptions,
  handlers: Handlers,
): OutgoingInvite {
  const { local, body, mayOfferEarly, from = call.plan.from, maxForwards = call.plan.maxForwards } = options;
  const isTrunk = route.kind === 'trunk';
  const showing = { from, shown: shown ?? (options.from ? undefined : call.plan.shown), isTrunk, local };
  return call.context.userAgent.invite({
    uri: route.uri,
    peer: route.peer,
    flow: route.flow,
    from: shownFrom(showing),
    to: { uri: numberUri(to.number, isTrunk ? route.peer : local), name: undefined },
    headers: {
      ...(options.headers ?? call.headersTo('b')),
      ...shownHeaders(showing),
      'max-forwards': String(maxForwards),
      ...(body === undefined && !mayOfferEarly ? WITHOUT_100REL : {}),
      ...(route.kind === 'dn' && route.path !== undefined ? { route: route.path } : {}),
    },
    body,
    ...handlers,
  });
}
