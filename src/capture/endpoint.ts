// Addresses with ports as keys: the raw bytes in a string, so that millions of packets are looked up without being printed.
import { isIP, isIPv6 } from 'node:net';

export interface EndpointText {
  address: string;
  port: number;
}

/** `address` has 4 or 16 bytes. An IPv4-mapped one (RFC 4291 section 2.5.5.2) is the IPv4 address that it means. */
export function endpointKey(address: Buffer, port: number): string {
  const plain = isMapped(address) ? address.subarray(12) : address;
  return plain.toString('latin1') + String.fromCharCode(port);
}

function isMapped(address: Buffer): boolean {
  if (address.length !== 16 || address[10] !== 0xff || address[11] !== 0xff) return false;
  return address.subarray(0, 10).every((byte) => byte === 0);
}

/** The key of an address in text; undefined for one that is none, or the unspecified one. */
export function endpointKeyOf(address: string, port: number): string | undefined {
  if (isIP(address) === 0 || port < 1 || port > 65_535) return undefined;
  const bytes = isIPv6(address) ? bytesOfV6(address) : Buffer.from(address.split('.').map(Number));
  return bytes.every((byte) => byte === 0) ? undefined : endpointKey(bytes, port);
}

export function endpointOfKey(key: string): EndpointText {
  const bytes = Buffer.from(key.slice(0, -1), 'latin1');
  const port = key.charCodeAt(key.length - 1);
  if (bytes.length === 4) return { address: bytes.join('.'), port };
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return { address: canonical(words.join(':')), port };
}

/** The text of RFC 5952, which URL knows. */
function canonical(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

/** URL turns what stands in dotted form at the end into groups, so that all are hexadecimal. */
function bytesOfV6(address: string): Buffer {
  const [head = '', tail] = canonical(address.split('%')[0] ?? '').split('::');
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')];
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...before, ...zeros, ...after].entries())
    bytes.writeUInt16BE(group, 2 * index);
  return bytes;
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}
