// A callee that sends the call elsewhere (3xx): to whom it may (RFC 3261 section 8.1.3.4).
import { hostOf } from '../sip/compose.ts';
import type { NameAddr, SipResponse } from '../sip/message.ts';
import { parseUri } from '../sip/uri.ts';
import { type Destination, numberUri, type RouteOptions, routeCall } from './route.ts';

/** Where a call goes next, and the number there. */
export interface Redirected {
  route: Destination;
  number: string;
}

/** Contacts of one response that are tried, in their order. */
const MOST_CONTACTS = 4;

/**
 * The places that a redirection leads to: DNs of ours, and from a trunk other numbers on the same trunk. Nothing else is
 * followed: a phone that can send a call to any number would let a stranger call at our cost.
 */
export function routeRedirected(
  from: Destination,
  response: SipResponse,
  options: RouteOptions,
): Redirected[] {
  const { contact } = response.headers;
  if (response.status < 300 || response.status >= 400 || !Array.isArray(contact)) return [];
  return contact.slice(0, MOST_CONTACTS).flatMap((one) => routeTo(from, one, options) ?? []);
}

function routeTo(from: Destination, { uri }: NameAddr, options: RouteOptions): Redirected[] | undefined {
  const to = parseUri(uri);
  const number = to?.user;
  if (to === undefined || number === undefined || number === '') return undefined;
  const dn = options.store.dn(number);
  if (dn !== undefined) {
    const route = routeCall({ kind: 'dn', dn }, number, options);
    return 'kind' in route ? undefined : route.flat().map((one) => ({ route: one, number }));
  }
  if (from.kind !== 'trunk' || !isThere(to.host, from)) return undefined;
  if (options.trunks.find(from.trunk.name)?.allowsOut(number) !== true) return undefined;
  return [{ route: { ...from, uri: numberUri(number, from.peer, from.terms?.domain) }, number }];
}

/** The host of the trunk, or its domain. */
function isThere(host: string, { peer, terms }: Extract<Destination, { kind: 'trunk' }>): boolean {
  return host === hostOf(peer.address) || host.toLowerCase() === terms?.domain?.toLowerCase();
}
