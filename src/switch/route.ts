// Where a call goes: the dialled number against the DN table, then the trunk.
import type { TrunkConfig } from '../config.ts';
import type { SettingDefaults } from '../dn-settings.ts';
import { askedFor, transportParams } from '../sip/protocol.ts';
import { formatUri } from '../sip/uri.ts';
import type { Flow, Peer } from '../sip/user-agent.ts';
import { type Dn, typeOf } from './dn.ts';
import type { DnStore, Registration } from './dn-store.ts';
import type { Identity } from './identity.ts';
import { firstHop } from './path.ts';
import type { RouteWord } from './strategy/strategy.ts';

export type Destination =
  /** `path`: the proxies between, as a Route header says them. */
  | { kind: 'dn'; dn: Dn; uri: string; peer: Peer; flow: Flow | undefined; path?: string }
  | { kind: 'trunk'; trunk: TrunkConfig; uri: string; peer: Peer; flow: undefined };

/** `reason`: the status' own phrase when it is left out. */
export interface RefusedRoute {
  kind: 'refused';
  status: number;
  reason: string | undefined;
}

export type Route = Destination | RefusedRoute;

export interface RouteOptions {
  store: DnStore;
  trunks: readonly TrunkConfig[];
  /** The connection over which a contact registered, while it is open. */
  flowOf(registration: Registration): Flow | undefined;
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
  if (dialled === undefined || dialled === '')
    return { kind: 'refused', status: 404, reason: 'No Number Dialled' };
  const dn = options.store.dn(dialled);
  if (dn !== undefined) return routeToNumber(dn, options);
  const trunk = options.trunks[0];
  if (caller.kind === 'dn' && trunk !== undefined && isDiallable(dialled))
    return routeToTrunk(trunk, dialled);
  return { kind: 'refused', status: 404, reason: 'Unknown Number' };
}

/** Routes a call as a strategy says: to one destination, or to several DNs that are to be tried. */
export function routeAsDecided(
  word: RouteWord,
  caller: Exclude<Identity, { kind: 'refused' }>,
  dialled: string,
  options: RouteOptions,
): Destination[] | RefusedRoute {
  switch (word.kind) {
    case 'dialled': {
      const route = routeCall(caller, dialled, options);
      return route.kind === 'refused' ? route : [route];
    }
    case 'dn':
      return routeToDns(word.dns, options);
    case 'trunk':
      return routeToNamedTrunk(word.trunk, caller, dialled, options);
    case 'reject':
      return { kind: 'refused', status: word.status, reason: word.reason };
    case 'external':
      return { kind: 'refused', status: 500, reason: undefined };
  }
}

/** Those DNs that can be reached. */
function routeToDns(numbers: readonly string[], options: RouteOptions): Destination[] | RefusedRoute {
  const routes = numbers.map((number): Route => {
    const dn = options.store.dn(number);
    if (dn === undefined) return { kind: 'refused', status: 480, reason: 'Unknown DN In Strategy' };
    return routeToNumber(dn, options);
  });
  const reachable = uniqueOf(routes.filter((route) => route.kind !== 'refused'));
  const [refused] = routes.filter((route) => route.kind === 'refused');
  return reachable.length === 0 && refused !== undefined ? refused : reachable;
}

/** Whatever a strategy says, who comes from a trunk reaches no trunk (toll fraud). */
function routeToNamedTrunk(
  name: string,
  caller: Exclude<Identity, { kind: 'refused' }>,
  dialled: string,
  { trunks }: RouteOptions,
): Destination[] | RefusedRoute {
  const trunk = trunks.find((candidate) => candidate.name === name);
  if (trunk === undefined) return { kind: 'refused', status: 480, reason: 'Unknown Trunk In Strategy' };
  if (caller.kind !== 'dn') return { kind: 'refused', status: 403, reason: 'From Trunk To Trunk' };
  if (!isDiallable(dialled)) return { kind: 'refused', status: 404, reason: 'Unknown Number' };
  return [routeToTrunk(trunk, dialled)];
}

/** An agent is where they are logged in; a DN and its agent, both named, are one place. */
function uniqueOf(routes: readonly Destination[]): Destination[] {
  const seen = new Set<string>();
  return routes.filter(({ uri }) => !seen.has(uri) && seen.add(uri));
}

/** To the phone of a DN, or to that where an agent is logged in. */
function routeToNumber(dn: Dn, options: RouteOptions): Route {
  const type = typeOf(dn);
  if (type === 'routing-point')
    return { kind: 'refused', status: 480, reason: `No Rule At Routing Point ${dn.number}` };
  if (type !== 'agent-login') return routeToDn(dn, options);
  const login = options.store.logins.ofAgent(dn.number);
  const place = login && options.store.dn(login.dn);
  if (place === undefined) return { kind: 'refused', status: 480, reason: 'Agent Not Logged In' };
  return routeToDn(place, options);
}

function routeToDn(dn: Dn, { store, now, flowOf }: RouteOptions): Route {
  const registration = store.registrations(dn.number, now())[0];
  if (registration === undefined) return { kind: 'refused', status: 480, reason: 'Not Registered' };
  const { contact, path } = registration;
  const way = { uri: contact, peer: firstHop(registration), flow: flowOf(registration) };
  return { kind: 'dn', dn, ...way, ...(path ? { path } : {}) };
}

function isDiallable(number: string): boolean {
  return /^[0-9A-Za-z+*#_.-]{1,64}$/.test(number);
}

function routeToTrunk(trunk: TrunkConfig, number: string): Destination {
  const place: Peer = { protocol: trunk.transport, address: trunk.host, port: trunk.port };
  const peer = askedFor(trunk['tls-name'] ?? trunk.host, place);
  return { kind: 'trunk', trunk, uri: numberUri(number, peer), peer, flow: undefined };
}

/** The SIP URI of a number at an address: `sip:+4930123@192.0.2.1:5060;transport=tcp`. */
export function numberUri(number: string, at: Peer): string {
  const params = transportParams(at.protocol);
  const host = at.address.includes(':') ? `[${at.address}]` : at.address;
  return formatUri({ scheme: 'sip', user: number, host, port: at.port, params, headers: undefined });
}
