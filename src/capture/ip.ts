// IPv4 and IPv6 packets: addresses, what they carry, and which part of it when they are fragments (RFC 791, RFC 8200).

export const UDP = 17;
export const TCP = 6;
const FRAGMENT_HEADER = 44;
const AUTHENTICATION_HEADER = 51;
/** Hop-by-hop options, routing, destination options. */
const EXTENSIONS = new Set([0, 43, 60]);
const MOST_EXTENSIONS = 8;

export interface Fragment {
  /** What all fragments of one packet share besides addresses and protocol. */
  id: number;
  /** Bytes of the whole packet's payload before this part. */
  offset: number;
  isLast: boolean;
}

export interface IpPacket {
  /** 4 or 16 bytes. */
  source: Buffer;
  destination: Buffer;
  protocol: number;
  /** A view; of a fragment, its part. */
  payload: Buffer;
  /** Undefined when the packet is whole. */
  fragment: Fragment | undefined;
  /** The capture holds less than the packet's length says. */
  isCut: boolean;
}

/** The packet that begins at `start`; undefined when there is none that could be. */
export function readIp(bytes: Buffer, start: number): IpPacket | undefined {
  const version = (bytes[start] ?? 0) >> 4;
  if (version === 4) return readV4(bytes, start);
  return version === 6 ? readV6(bytes, start) : undefined;
}

function readV4(bytes: Buffer, start: number): IpPacket | undefined {
  const headerBytes = ((bytes[start] ?? 0) & 15) * 4;
  if (headerBytes < 20 || start + headerBytes > bytes.length) return undefined;
  const stated = bytes.readUInt16BE(start + 2);
  // Offloaded segments are captured before the card has filled in their length.
  const end = start + (stated === 0 ? bytes.length - start : stated);
  if (end < start + headerBytes) return undefined;
  const flags = bytes.readUInt16BE(start + 6);
  const offset = (flags & 0x1fff) * 8;
  const isLast = (flags & 0x2000) === 0;
  return {
    source: bytes.subarray(start + 12, start + 16),
    destination: bytes.subarray(start + 16, start + 20),
    protocol: bytes[start + 9] ?? 0,
    payload: bytes.subarray(start + headerBytes, end),
    fragment: offset === 0 && isLast ? undefined : { id: bytes.readUInt16BE(start + 4), offset, isLast },
    isCut: end > bytes.length,
  };
}

function readV6(bytes: Buffer, start: number): IpPacket | undefined {
  if (start + 40 > bytes.length) return undefined;
  const stated = bytes.readUInt16BE(start + 4);
  const end = stated === 0 ? bytes.length : start + 40 + stated;
  const upper = skipExtensions(bytes, start + 40, bytes[start + 6] ?? 0);
  if (upper === undefined || upper.at > end) return undefined;
  return {
    source: bytes.subarray(start + 8, start + 24),
    destination: bytes.subarray(start + 24, start + 40),
    protocol: upper.protocol,
    payload: bytes.subarray(upper.at, end),
    fragment: upper.fragment,
    isCut: end > bytes.length,
  };
}

interface Upper {
  at: number;
  protocol: number;
  fragment: Fragment | undefined;
}

function skipExtensions(bytes: Buffer, start: number, first: number): Upper | undefined {
  let [at, protocol] = [start, first];
  let fragment: Fragment | undefined;
  for (let seen = 0; seen < MOST_EXTENSIONS; seen += 1) {
    const length = extensionLength(bytes, at, protocol);
    if (length === 0) return { at, protocol, fragment };
    if (at + 8 > bytes.length) return undefined;
    if (protocol === FRAGMENT_HEADER) fragment = readFragment(bytes, at);
    protocol = bytes[at] ?? 0;
    at += length;
    // What follows a later fragment is no header.
    if (fragment !== undefined && fragment.offset > 0) return { at, protocol, fragment };
  }
  return undefined;
}

/** 0 when it is none. */
function extensionLength(bytes: Buffer, at: number, protocol: number): number {
  if (protocol === FRAGMENT_HEADER) return 8;
  if (EXTENSIONS.has(protocol)) return ((bytes[at + 1] ?? 0) + 1) * 8;
  return protocol === AUTHENTICATION_HEADER ? ((bytes[at + 1] ?? 0) + 2) * 4 : 0;
}

/** An "atomic" fragment is the whole packet (RFC 6946). */
function readFragment(bytes: Buffer, at: number): Fragment | undefined {
  const field = bytes.readUInt16BE(at + 2);
  const [offset, isLast] = [field & 0xfff8, (field & 1) === 0];
  return offset === 0 && isLast ? undefined : { id: bytes.readUInt32BE(at + 4), offset, isLast };
}
