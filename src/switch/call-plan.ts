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
const LONGEST_NAME = 128;
/** Longer than any that is in use, and short enough for a request to the media server with all of a call's facts in it. */
const LONGEST_URI = 1024;

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
  const shown = printable(unquote(from.name) ?? '', LONGEST_NAME) || undefined;
  const uri = from.uri.slice(0, LONGEST_URI);
  if (caller.kind === 'dn') {
    const { number, name } = caller.dn;
    return { number, uri, name: name ?? shown, dn: number, trunk: undefined };
  }
  const number = printable(userOf(from.uri) ?? '', LONGEST_NUMBER) || ANONYMOUS;
  return { number, uri, name: shown, dn: undefined, trunk: caller.trunk.name };
}

function calleeOf(route: Exclude<Route, { kind: 'refused' }>, dialled: string): CallParty {
  if (route.kind === 'trunk')
    return { number: dialled, uri: route.uri, name: undefined, dn: undefined, trunk: route.trunk.name };
  const { number, name } = route.dn;
  return { number, uri: route.uri, name: name ?? undefined, dn: number, trunk: undefined };
}

/**
 * What a stranger wrote, as it may stand on a terminal, in a file and in a message: without control characters, marks that
 * turn the direction of writing, and bytes that were no UTF-8.
 */
function printable(text: string, longest: number): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '')
    .slice(0, longest)
    .trim();
}

/** A display name without its quotes and escapes (RFC 3261 section 25.1, quoted-string). */
function unquote(name: string | undefined): string | undefined {
  const text = name?.trim();
  if (text === undefined || text === '') return undefined;
  return text.startsWith('"') ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : text;
}
