// Where a call goes: the dialled number against the DN table, then the trunks.
import type { SettingDefaults } from '../dn-settings.ts';
import { hostOf } from '../sip/compose.ts';
import { defaultPort, transportParams } from '../sip/protocol.ts';
import { formatUri, parseUri } from '../sip/uri.ts';
import type { Credentials, Flow, Peer } from '../sip/user-agent.ts';
import { type Dn, typeOf } from './dn.ts';
import type { DnStore, Registration } from './dn-store.ts';
import type { Identity, TrunkFacts } from './identity.ts';
import { firstHop } from './path.ts';
import type { Ring, RouteWord } from './strategy/strategy.ts';

export type Destination =
  /** `path`: the proxies between, as a Route header says them. */
  | { kind: 'dn'; dn: Dn; uri: string; peer: Peer; flow: Flow | undefined; path?: string }
  | { kind: 'trunk'; trunk: TrunkFacts; uri: string; peer: Peer; flow: undefined; terms?: TrunkTerms };

/** The way to a contact; `path` as in {@link Destination}. */
interface Place {
  peer: Peer;
  flow: Flow | undefined;
  path?: string;
}

/** How a trunk wants to be called. */
export interface TrunkTerms {
  credentials: Credentials | undefined;
  /** The user part of our Contact, when we have registered one there. */
  contactUser: string | undefined;
  /** How long it may say nothing at all, in milliseconds. */
  patienceMs: number;
  /** The URI that stands in From, in the place of the caller's. */
  from: string | undefined;
  /** The host of the caller's number in From, in the place of our address. */
  domain: string | undefined;
  /** It has neither taken nor refused the call. */
  noteFailure(status: number): void;
}

/** `reason`: the status' own phrase when it is left out. */
export interface RefusedRoute {
  kind: 'refused';
  status: number;
  reason: string | undefined;
}

/** The places of a call, in rounds: those of one round ring together. */
export type Route = Destination[][] | RefusedRoute;

interface KnownTrunk {
  config: TrunkFacts;
  allowsIn(number: string): boolean;
  allowsOut(number: string): boolean;
}

/** What the routing of a call asks of the trunks. */
export interface TrunkRoutes {
  find(name: string): KnownTrunk | undefined;
  readonly names: readonly string[];
  /** Where a call to `number` may go out, in the order in which it is tried: by all trunks, or by that of this name. */
  placesOf(number: string, name?: string): Destination[];
}

export interface RouteOptions {
  store: DnStore;
  trunks: TrunkRoutes;
  /** The connection over which a contact registered, while it is open. */
  flowOf(registration: Registration): Flow | undefined;
  /** False for a contact that has lately not answered. */
  isReachable(registration: Registration): boolean;
  now(): number;
  /** Settings that hold where neither a DN nor its agent says anything; the built-in ones when left out. */
  defaults?: SettingDefaults;
  /** Whether a DN has a call that is answered, held or not. */
  isEngaged?(number: string): boolean;
}

/**
 * Routes a call from `caller` to the dialled number. Only the number counts, never the host of the Request-URI: the
 * switch calls no address that it does not know itself. A trunk reaches DNs and nothing else (toll fraud).
 */
export function routeCall(
  caller: Exclude<Identity, { kind: 'refused' }>,
  dialled: string | undefined,
  options: RouteOptions,
): Route {
  if (dialled === undefined || dialled === '') return refused(404, 'No Number Dialled');
  const dn = options.store.dn(dialled);
  if (dn !== undefined) return inRounds([routeToNumber(dn, options)], 'in-order');
  if (caller.kind === 'dn' && options.trunks.names.length > 0 && isDiallable(dialled))
    return oneByOne(options.trunks.placesOf(dialled));
  return refused(404, 'Unknown Number');
}

/** Routes a call as a strategy says. */
export function routeAsDecided(
  word: RouteWord,
  caller: Exclude<Identity, { kind: 'refused' }>,
  dialled: string,
  options: RouteOptions,
): Route {
  const trunk = caller.kind === 'trunk' ? options.trunks.find(caller.trunk.name) : undefined;
  if (trunk?.allowsIn(dialled) === false) return refused(403, 'Number Not Allowed');
  switch (word.kind) {
    case 'dialled':
      return routeCall(caller, dialled, options);
    case 'dn':
      return routeToDns(word, options);
    case 'trunk':
      return routeToNamedTrunk(word.trunk, caller, dialled, options);
    case 'reject':
      return { kind: 'refused', status: word.status, reason: word.reason };
    case 'external':
      return { kind: 'refused', status: 500, reason: undefined };
  }
}

function routeToDns(word: Extract<RouteWord, { kind: 'dn' }>, options: RouteOptions): Route {
  const routes = word.dns.map((number) => {
    const dn = options.store.dn(number);
    if (dn === undefined) return refused(480, 'Unknown DN In Strategy');
    return routeToNumber(dn, options);
  });
  return inRounds(routes, word.ring);
}

/** Of those DNs that can be reached, each is a round of its contacts, or all are one. */
function inRounds(routes: (Destination[] | RefusedRoute)[], ring: Ring): Route {
  const reachable = uniqueOf(routes.filter(isReachable));
  const refusal = routes.find((route): route is RefusedRoute => !isReachable(route));
  if (reachable.length === 0 && refusal !== undefined) return refusal;
  return ring === 'together' ? [reachable.flat()] : reachable;
}

/** Whatever a strategy says, who comes from a trunk reaches no trunk (toll fraud). */
function routeToNamedTrunk(
  name: string,
  caller: Exclude<Identity, { kind: 'refused' }>,
  dialled: string,
  { trunks }: RouteOptions,
): Route {
  if (!trunks.names.includes(name)) return refused(480, 'Unknown Trunk In Strategy');
  if (caller.kind !== 'dn') return refused(403, 'From Trunk To Trunk');
  if (!isDiallable(dialled)) return refused(404, 'Unknown Number');
  return oneByOne(trunks.placesOf(dialled, name));
}

/** An agent is where they are logged in; a DN and its agent, both named, are one place. */
function uniqueOf(rounds: readonly Destination[][]): Destination[][] {
  const seen = new Set<string>();
  const unique = rounds.map((round) => round.filter(({ uri }) => !seen.has(uri) && seen.add(uri)));
  return unique.filter(({ length }) => length > 0);
}

/** To the phones of a DN, or to those of the DN where an agent is logged in. */
function routeToNumber(dn: Dn, options: RouteOptions): Destination[] | RefusedRoute {
  const type = typeOf(dn);
  if (type === 'routing-point') return refused(480, `No Rule At Routing Point ${dn.number}`);
  if (type !== 'agent-login') return routeToDn(dn, options);
  const login = options.store.logins.ofAgent(dn.number);
  const place = login && options.store.dn(login.dn);
  if (place === undefined) return refused(480, 'Agent Not Logged In');
  return routeToDn(place, options);
}

/** Every contact that can be reached, the freshest first; those that have lately not answered only when no other is left. */
function routeToDn(dn: Dn, options: RouteOptions): Destination[] | RefusedRoute {
  const registrations = options.store.registrations(dn.number, options.now());
  if (registrations.length === 0) return refused(480, 'Not Registered');
  const connected = registrations.flatMap((registration) => {
    const place = placeOf(registration, options);
    if (place === undefined) return [];
    const isAnswering = options.isReachable(registration);
    return [{ isAnswering, to: { kind: 'dn' as const, dn, uri: registration.contact, ...place } }];
  });
  const answering = connected.filter(({ isAnswering }) => isAnswering);
  const places = answering.length > 0 ? answering : connected;
  return places.length === 0 ? refused(480, 'Not Connected') : places.map(({ to }) => to);
}

/**
 * The way to a contact. When the connection over which it registered has ended, its port is nobody's: then the contact's own
 * port is one to connect to, unless the phone sits behind NAT.
 */
export function placeOf(
  registration: Registration,
  { flowOf }: Pick<RouteOptions, 'flowOf'>,
): Place | undefined {
  const { contact, protocol, address, port, path } = registration;
  const by = path ? { path } : {};
  if (protocol === 'udp') return { peer: { protocol, address, port }, flow: undefined, ...by };
  const flow = flowOf(registration);
  if (flow !== undefined) return { peer: { protocol, address, port }, flow, ...by };
  // A proxy takes connections, at the port that it names.
  if (path) return { peer: firstHop(registration), flow: undefined, ...by };
  const own = parseUri(contact);
  if (own?.host !== hostOf(address)) return undefined;
  return { peer: { protocol, address, port: own.port ?? defaultPort(protocol) }, flow: undefined };
}

function isReachable(route: Destination[] | RefusedRoute): route is Destination[] {
  return Array.isArray(route);
}

function refused(status: number, reason: string): RefusedRoute {
  return { kind: 'refused', status, reason };
}

function isDiallable(number: string): boolean {
  return /^[0-9A-Za-z+*#_.-]{1,64}$/.test(number);
}

function oneByOne(places: Destination[]): Route {
  return places.length === 0 ? refused(403, 'Number Not Allowed') : places.map((place) => [place]);
}

/** The SIP URI of a number at an address, `sip:+4930123@192.0.2.1:5060;transport=tcp`, or in a domain. */
export function numberUri(number: string, at: Peer, domain?: string): string {
  const params = transportParams(at.protocol);
  const place =
    domain === undefined ? { host: hostOf(at.address), port: at.port } : { host: domain, port: undefined };
  return formatUri({ scheme: 'sip', user: number, ...place, params, headers: undefined });
}
