// Addresses as the configuration writes them: hosts, ports, places to listen.
import { isIP } from 'node:net';
import * as v from 'valibot';

/** One address a daemon listens on, written `udp:127.0.0.1:5060`. */
export interface ListenAddress {
  protocol: 'udp' | 'tcp' | 'tls';
  host: string;
  port: number;
}

/** An IP address and a port, written `127.0.0.1:2223` or `[::1]:2223`. */
export interface HostPort {
  host: string;
  port: number;
}

/** An inclusive range of UDP ports. */
export interface PortRange {
  first: number;
  last: number;
}

const HOST_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/;

function readHostPort(text: string): HostPort | undefined {
  const match = HOST_PORT.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || isIP(host) === 0 || port > 65535) return undefined;
  return { host, port };
}

export const hostPort = v.pipe(
  v.string('expected "ADDRESS:PORT"'),
  v.check(
    (text) => readHostPort(text) !== undefined,
    'expected an IP address and a port, such as "127.0.0.1:2223"',
  ),
  v.transform((text): HostPort => readHostPort(text) ?? { host: '127.0.0.1', port: 0 }),
);

function readListen(text: string): ListenAddress | undefined {
  const [, protocol, place = ''] = /^(udp|tcp|tls):(.+)$/.exec(text) ?? [];
  const address = readHostPort(place);
  if (address === undefined) return undefined;
  return { protocol: protocol === 'tcp' || protocol === 'tls' ? protocol : 'udp', ...address };
}

const EXPECTED_LISTEN = 'expected "udp:ADDRESS:PORT", "tcp:ADDRESS:PORT" or "tls:ADDRESS:PORT"';

export const listenAddress = v.pipe(
  v.string(EXPECTED_LISTEN),
  v.check((text) => readListen(text) !== undefined, `${EXPECTED_LISTEN}, such as "udp:127.0.0.1:5060"`),
  v.transform((text): ListenAddress => readListen(text) ?? { protocol: 'udp', host: '127.0.0.1', port: 0 }),
);

export const portRange = v.pipe(
  v.string('expected "FIRST-LAST"'),
  v.check(
    (text) => readPortRange(text) !== undefined,
    'expected "FIRST-LAST", at least four ports within 1024-65535',
  ),
  v.transform((text): PortRange => readPortRange(text) ?? { first: 30000, last: 39999 }),
);

function readPortRange(text: string): PortRange | undefined {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  const range = { first: Number(match?.[1]), last: Number(match?.[2]) };
  if (!(range.first >= 1024 && range.last <= 65535 && range.last - range.first >= 3)) return undefined;
  return range;
}

export const ipAddress = v.pipe(
  v.string('expected an IP address'),
  v.check((text) => isIP(text) !== 0, 'expected an IP address, such as "192.0.2.10"'),
);

export const ipv6Address = v.pipe(
  v.string('expected an IPv6 address'),
  v.check((text) => isIP(text) === 6, 'expected an IPv6 address, such as "2001:db8::10"'),
);
