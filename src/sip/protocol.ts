// The transport protocols, by what sets them apart (RFC 3261 sections 18, 19.1.2 and 26.2.2).
import { isIP } from 'node:net';
import type { Params } from './message.ts';
import { emptyParams } from './scan.ts';
import type { Peer, Protocol } from './user-agent-types.ts';

/** True for the protocols of connections, over which a peer can be reached where it has come from and nowhere else. */
export function isStream(protocol: Protocol): boolean {
  return protocol !== 'udp';
}

/** The port of a protocol when none is said. */
export function defaultPort(protocol: Protocol): number {
  return protocol === 'tls' ? 5061 : 5060;
}

/** The `transport` parameter that a SIP URI needs to be reached so; none for UDP, which is the default. */
export function transportParams(protocol: Protocol): Params {
  const params = emptyParams();
  if (protocol !== 'udp') params['transport'] = protocol;
  return params;
}

/** The protocol of a `transport` parameter; undefined when it is none of ours. Null and undefined mean that there is none. */
export function protocolNamed(transport: string | null | undefined): Protocol | undefined {
  const name = transport?.toLowerCase() ?? 'udp';
  return name === 'udp' || name === 'tcp' || name === 'tls' ? name : undefined;
}

/**
 * A peer that was asked for by `host`. In TLS it has to show that name, not the address that a name server gave for it (RFC
 * 5922 section 4).
 */
export function askedFor(host: string, peer: Peer): Peer {
  return peer.protocol === 'tls' && isIP(unbracketed(host)) === 0 ? { ...peer, name: host } : peer;
}

/** A host of a URI or Via as an address or name. */
export function unbracketed(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host;
}
