// From an INVITE to the plan of a call: the parties, the route, and whether it is recorded.
import type { IncomingInvite } from '../sip/user-agent.ts';
import type { CallParty, CallPlan } from './call.ts';
import { type Identity, userOf } from './identity.ts';
import { decideRecording } from './recording-decision.ts';
import { type Route, type RouteOptions, routeCall } from './route.ts';
import { sessionIdOf } from './session-id.ts';

const DEFAULT_MAX_FORWARDS = 70;
/** What a telephone would show of a caller that gives no number. */
const ANONYMOUS = 'anonymous';
const LONGEST_NUMBER = 64;

type Caller = Exclude<Identity, { kind: 'refused' }>;

/** Plans the call of an authenticated caller, or says why it cannot be. */
export function planCall(
  invite: IncomingInvite,
  caller: Caller,
  options: RouteOptions,
): { kind: 'call'; plan: CallPlan } | { kind: 'refused'; status: number; reason: string } {
  const { message } = invite;
  const dialled = userOf(message.uri);
  const route = routeCall(caller, dialled, options);
  if (route.kind === 'refused') return route;
  const decision = decideRecording(
    caller.kind === 'dn' ? { dn: caller.dn } : { trunk: caller.trunk },
    route.kind === 'dn' ? { dn: route.dn } : { trunk: route.trunk },
  );
  const plan = {
    sessionId: sessionIdOf(message.headers['session-id']),
    from: callerOf(invite, caller),
    to: calleeOf(route, dialled ?? ''),
    route,
    decision,
    maxForwards: (message.headers['max-forwards'] ?? DEFAULT_MAX_FORWARDS) - 1,
  };
  return { kind: 'call', plan };
}

function callerOf(invite: IncomingInvite, caller: Caller): CallParty {
  const { from } = invite.message.headers;
  const shown = unquote(from.name);
  if (caller.kind === 'dn') {
    const { number, name } = caller.dn;
    return { number, uri: from.uri, name: name ?? shown, dn: number, trunk: undefined };
  }
  const number = (userOf(from.uri) ?? ANONYMOUS).slice(0, LONGEST_NUMBER);
  return { number, uri: from.uri, name: shown, dn: undefined, trunk: caller.trunk.name };
}

function calleeOf(route: Exclude<Route, { kind: 'refused' }>, dialled: string): CallParty {
  if (route.kind === 'trunk')
    return { number: dialled, uri: route.uri, name: undefined, dn: undefined, trunk: route.trunk.name };
  const { number, name } = route.dn;
  return { number, uri: route.uri, name: name ?? undefined, dn: number, trunk: undefined };
}

/** A display name without its quotes and escapes (RFC 3261 section 25.1, quoted-string). */
function unquote(name: string | undefined): string | undefined {
  const text = name?.trim();
  if (text === undefined || text === '') return undefined;
  return text.startsWith('"') ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : text;
}
