// Where a call goes: the dialled number against the DN table, then the trunk.
import type { TrunkConfig } from '../config.ts';
import { askedFor, transportParams } from '../sip/protocol.ts';
import { formatUri } from '../sip/uri.ts';
import type { Flow, Peer } from '../sip/user-agent.ts';
import type { Dn } from './dn.ts';
import type { DnStore, Registration } from './dn-store.ts';
import type { Identity } from './identity.ts';
import type { RouteWord } from './strategy/strategy.ts';

export type Destination =
  | { kind: 'dn'; dn: Dn; uri: string; peer: Peer; flow: Flow | undefined }
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
  if (dn !== undefined) return routeToDn(dn, options);
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
    return routeToDn(dn, options);
  });
  const reachable = routes.filter((route) => route.kind !== 'refused');
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

function routeToDn(dn: Dn, { store, now, flowOf }: RouteOptions): Route {
  const registration = store.registrations(dn.number, now())[0];
  if (registration === undefined) return { kind: 'refused', status: 480, reason: 'Not Registered' };
  const { contact, protocol, address, port } = registration;
  return { kind: 'dn', dn, uri: contact, peer: { protocol, address, port }, flow: flowOf(registration) };
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
