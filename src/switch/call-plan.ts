// From an INVITE to the plan of a call: the parties, the route, and whether it is recorded.
import { isSips } from '../sip/compose.ts';
import type { IncomingInvite } from '../sip/user-agent.ts';
import type { CallParty, CallPlan, CallTarget } from './call-model.ts';
import type { Dn } from './dn.ts';
import { type DnPolicy, policyOf } from './dn-policy.ts';
import { isOneParty } from './hunt-plan.ts';
import { dialledBy, type Identity, userOf } from './identity.ts';
import type { Label } from './leg.ts';
import { decideRecording, type RecordingDecision, type Side } from './recording-decision.ts';
import {
  type Destination,
  numberUri,
  type RefusedRoute,
  type RouteOptions,
  routeAsDecided,
} from './route.ts';
import { readShownCaller } from './shown-caller.ts';
import type { Decision, RouteWord } from './strategy/strategy.ts';

const DEFAULT_MAX_FORWARDS = 70;
/** What a telephone would show of a caller that gives no number. */
const ANONYMOUS = 'anonymous';
const LONGEST_NUMBER = 64;
const LONGEST_NAME = 128;
/** Longer than any that is in use, and short enough for a request to the media server with all of a call's facts in it. */
const LONGEST_URI = 1024;

type Caller = Exclude<Identity, { kind: 'refused' }>;

/** What is said of a call before it is planned. */
export interface Ruling {
  /** 32 hexadecimal digits (RFC 7989). */
  sessionId: string;
  decision: Decision;
}

/** Plans the call of an authenticated caller as the strategy decided, or says why it cannot be. */
export function planCall(
  invite: Pick<IncomingInvite, 'message'>,
  caller: Caller,
  options: RouteOptions,
  { sessionId, decision }: Ruling,
): { kind: 'call'; plan: CallPlan } | RefusedRoute {
  const { message } = invite;
  const dialled = dialledBy(message, caller);
  if (dialled === undefined || dialled === '')
    return { kind: 'refused', status: 404, reason: 'No Number Dialled' };
  const routes = routeAsDecided(decision.route, caller, dialled, options);
  if ('kind' in routes) return routes;
  // What is asked for as SIPS goes by TLS on every hop (RFC 5630 section 5.3).
  const secured = isSips(message.uri) ? overTls(routes) : routes;
  if (secured.length === 0 && routes.length > 0)
    return { kind: 'refused', status: 480, reason: 'Not Reachable By TLS' };
  const consult = caller.kind === 'dn' && options.isEngaged?.(caller.dn.number) === true;
  const source = sideOf(caller, options);
  const targetOf = (route: Destination, number: string): CallTarget => {
    const destination = sideOf(route, options);
    return {
      route,
      to: { ...calleeOf(route, number), agentId: destination.dn?.agentId },
      decision: keptAs(decision.retention, decideRecording(source, destination, decision.record, consult)),
    };
  };
  const rounds = secured.map((round) => round.map((route) => targetOf(route, dialled)));
  const [first, ...others] = rounds.flat();
  if (first === undefined) return { kind: 'refused', status: 480, reason: 'Nobody There' };
  const plan: CallPlan = {
    ...(others.length > 0 ? severalPlaces(rounds, first, dialled, decision.route) : first),
    sessionId,
    from: { ...callerOf(invite, caller), agentId: source.dn?.agentId },
    shown: readShownCaller(message, caller.kind === 'trunk'),
    targetOf,
    consult,
    rule: decision.rules.length === 0 ? undefined : decision.rules.join(' / '),
    maxForwards: (message.headers['max-forwards'] ?? DEFAULT_MAX_FORWARDS) - 1,
    attached: attachedBy(decision),
  };
  return { kind: 'call', plan: dialled === plan.to.number ? plan : { ...plan, dialled } };
}

/** The strategy's word on how long a recording is kept goes before that of the DN. */
function keptAs(retention: string | undefined, decision: RecordingDecision): RecordingDecision {
  if (retention === undefined) return decision;
  return { ...decision, terms: { 'recording-filename': decision.terms?.['recording-filename'], retention } };
}

function overTls(rounds: readonly Destination[][]): Destination[][] {
  const secured = rounds.map((round) => round.filter(({ peer }) => peer.protocol === 'tls'));
  return secured.filter(({ length }) => length > 0);
}

function sideOf(place: Caller | Destination, options: RouteOptions): Side & { dn?: DnPolicy | undefined } {
  return place.kind === 'dn' ? { dn: policyAt(place.dn, options) } : { trunk: place.trunk };
}

/**
 * The decision for the sake of a party that comes into an answered call by another way than a call to it: full-time recording,
 * of its DN or its trunk. Undefined when it need not be recorded.
 */
export function decideForNewcomer(
  { dn, trunk }: CallParty,
  label: Label,
  options: RouteOptions,
): RecordingDecision | undefined {
  const known = dn === undefined ? undefined : options.store.dn(dn);
  const side = {
    dn: known && policyAt(known, options),
    trunk: trunk === undefined ? undefined : options.trunks.find(trunk)?.config,
  };
  const decision = decideRecording({}, side);
  return decision.record ? { ...decision, side: label === 'a' ? 'source' : 'destination' } : undefined;
}

function policyAt(dn: Dn, { store, defaults }: RouteOptions): DnPolicy {
  const login = store.logins.at(dn.number);
  return policyOf(dn, login && store.dn(login.agent), defaults);
}

/** Unless they are all one party's, the callee of DNs is the number that was dialled until one answers, of trunks the first. */
function severalPlaces(rounds: CallTarget[][], first: CallTarget, dialled: string, word: RouteWord) {
  const hunt = { rounds, ringTimeMs: word.kind === 'dn' ? word.ringTimeMs : undefined };
  if (isOneParty(rounds.flat())) return { ...first, hunt };
  const { route } = first;
  const nobody = { number: dialled, uri: numberUri(dialled, route.peer), name: undefined };
  return {
    route,
    to: route.kind === 'trunk' ? first.to : { ...nobody, dn: undefined, trunk: undefined },
    decision: {
      record: false,
      side: 'destination' as const,
      dn: undefined,
      reason: 'whoever answers decides it',
    },
    hunt,
  };
}

function attachedBy({ attach, rules }: Decision): CallPlan['attached'] {
  if (Object.keys(attach).length === 0) return undefined;
  return { data: attach, rule: rules.join(' / ') };
}

export function callerOf(invite: Pick<IncomingInvite, 'message'>, caller: Caller): CallParty {
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

function calleeOf(route: Destination, dialled: string): CallParty {
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
