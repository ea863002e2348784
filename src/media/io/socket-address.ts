// Socket addresses as the kernel has them: struct sockaddr_in and sockaddr_in6, the same on every Linux.
import { isIPv6 } from 'node:net';
import { bytesOfV4, bytesOfV6, type Endpoint, showAddress } from '../../spool/pcap.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCKADDR_BYTES = 28;
const SOCKADDR_IN_BYTES = 16;

/** Writes one of these at `offset`. @returns its length */
export function writeSocketAddress(target: Buffer, offset: number, { address, port }: Endpoint): number {
  target.fill(0, offset, offset + SOCKADDR_BYTES);
  target.writeUInt16BE(port, offset + 2);
  if (isIPv6(address)) {
    target.writeUInt16LE(AF_INET6, offset);
    target.set(bytesOfV6(address), offset + 8);
    return SOCKADDR_BYTES;
  }
  target.writeUInt16LE(AF_INET, offset);
  target.set(bytesOfV4(address), offset + 4);
  return SOCKADDR_IN_BYTES;
}

/** In the one text form that node:dgram shows, too. */
export function readSocketAddress(bytes: Buffer, offset: number): Endpoint {
  const isV6 = bytes.readUInt16LE(offset) === AF_INET6;
  const address = isV6 ? showAddress(bytes, offset + 8, 16) : showAddress(bytes, offset + 4, 4);
  return { address, port: bytes.readUInt16BE(offset + 2) };
}
