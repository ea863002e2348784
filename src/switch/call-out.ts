// The INVITE to one place where a call may be answered (RFC 3261 section 13.2).
import type { Body, ExtraHeaders, OutgoingInvite, OutgoingInviteOptions, Peer } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import type { CallParty, CallTarget } from './call-model.ts';
import { numberUri, type TrunkTerms } from './route.ts';
import { type Showing, shownFrom, shownHeaders } from './shown-caller.ts';

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
  const terms = route.kind === 'trunk' ? route.terms : undefined;
  let isThere = false;
  return call.context.userAgent.invite({
    uri: route.uri,
    peer: route.peer,
    flow: route.flow,
    from: fromTo(terms, showing),
    to: { uri: isTrunk ? route.uri : numberUri(to.number, local), name: undefined },
    credentials: terms?.credentials,
    contactUser: terms?.contactUser,
    patienceMs: terms?.patienceMs,
    headers: {
      ...(options.headers ?? call.headersTo('b')),
      ...shownHeaders(showing),
      ...assertedTo(terms, showing),
      'max-forwards': String(maxForwards),
      ...(body === undefined && !mayOfferEarly ? WITHOUT_100REL : {}),
      ...(route.kind === 'dn' && route.path !== undefined ? { route: route.path } : {}),
    },
    body,
    ...handlers,
    onProvisional: (response, progress) => {
      isThere = true;
      handlers.onProvisional?.(response, progress);
    },
    onRejected: (response) => {
      const { status } = response;
      if (!isThere && (status === 408 || status === 503)) terms?.noteFailure(status);
      handlers.onRejected(response);
    },
  });
}

/** From, as a trunk wants it: the caller in its domain, or the number that all callers have there. */
function fromTo(terms: TrunkTerms | undefined, showing: Showing): ReturnType<typeof shownFrom> {
  const shown = shownFrom(showing);
  if (terms === undefined || showing.shown?.isHidden) return shown;
  const { from, local } = showing;
  return { uri: terms.from ?? numberUri(from.number, local, terms.domain), name: shown.name };
}

/** A trunk at which all callers have one number knows no other. */
function assertedTo(terms: TrunkTerms | undefined, { from }: Showing): ExtraHeaders {
  return terms?.from === undefined || from.trunk !== undefined
    ? {}
    : { 'p-asserted-identity': `<${terms.from}>` };
}
