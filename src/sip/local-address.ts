// Our own address as a peer sees it, for sockets that are bound to every address (RFC 3261 section 18.1.1).
import { createSocket } from 'node:dgram';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

const NOT_ONE_HOST = new BlockList();
for (const [net, prefix, family] of [
  ['0.0.0.0', 8, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
] as const)
  NOT_ONE_HOST.addSubnet(net, prefix, family);

/** False for unspecified, multicast and broadcast addresses: a peer that names one wants others to be written to. */
export function isUnicast(address: string): boolean {
  return !NOT_ONE_HOST.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

export function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

export function sameFamily(a: string, b: string): boolean {
  return isIP(a) === isIP(b);
}

/** Addresses of documentation (RFC 5737, RFC 3849): a route to them is the default route; nothing is sent. */
const ELSEWHERE = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
const REFRESH_MS = 10_000;

interface Subnet {
  address: string;
  members: BlockList;
}

/** Tells which of our addresses a peer reaches: that in its own network, else that of the default route. */
export class LocalAddresses {
  #subnets: Subnet[] = [];
  #readAt = 0;
  readonly #outward = new Map<number, string>();

  /** Asks the kernel for the address of the default route of each family. Never rejects. */
  async learn(): Promise<void> {
    for (const family of [4, 6] as const) {
      const address = await sourceAddress(family);
      if (address !== undefined) this.#outward.set(family, address);
    }
  }

  /** @param peer a numeric address */
  reaching(peer: string): string {
    const family = isIPv6(peer) ? 6 : 4;
    const near = this.#read().find(({ members }) => members.check(peer, family === 6 ? 'ipv6' : 'ipv4'));
    return near?.address ?? this.#outward.get(family) ?? (family === 6 ? '::1' : '127.0.0.1');
  }

  #read(): Subnet[] {
    const now = Date.now();
    if (this.#readAt !== 0 && now - this.#readAt < REFRESH_MS) return this.#subnets;
    this.#readAt = now;
    this.#subnets = Object.values(networkInterfaces()).flatMap((entries) =>
      (entries ?? []).flatMap(subnetOf),
    );
    return this.#subnets;
  }
}

function subnetOf(entry: { address: string; cidr: string | null; family: string }): Subnet[] {
  const prefix = Number(entry.cidr?.split('/')[1]);
  if (!Number.isInteger(prefix)) return [];
  const members = new BlockList();
  members.addSubnet(entry.address, prefix, entry.family === 'IPv6' ? 'ipv6' : 'ipv4');
  return [{ address: entry.address, members }];
}

function sourceAddress(family: 4 | 6): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    const finish = (address: string | undefined) => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => finish(undefined));
    socket.once('connect', () => finish(socket.address().address));
    socket.connect(9, ELSEWHERE[family]);
  });
}
