// Link layers: where the IP packet begins in a frame (www.tcpdump.org/linktypes.html, IEEE 802.1Q, RFC 2516).

const NULL = 0;
const ETHERNET = 1;
const LOOP = 108;
const LINUX_SLL = 113;
const LINUX_SLL2 = 276;
const RAW = new Set([12, 14, 101, 228, 229]);

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const PPPOE_SESSION = 0x8864;
const VLAN = new Set([0x8100, 0x88a8, 0x9100]);
/** Tags on one frame: provider and customer, and what a mirror port adds. */
const MOST_TAGS = 4;
/** AF_INET6 of the BSDs and macOS beside Linux's 10. */
const IPV6_FAMILIES = new Set([10, 24, 28, 30]);

/** Whether frames of this link type can be read. */
export function isKnownLink(linkType: number): boolean {
  return [NULL, ETHERNET, LOOP, LINUX_SLL, LINUX_SLL2].includes(linkType) || RAW.has(linkType);
}

/** The offset of the IPv4 or IPv6 header; undefined when the frame carries something else. */
export function ipOffset(linkType: number, bytes: Buffer): number | undefined {
  if (RAW.has(linkType)) return 0;
  if (linkType === ETHERNET) return behindType(bytes, 12);
  if (linkType === LINUX_SLL) return behindType(bytes, 14);
  // SLL2 has its type at the front of its 20 bytes.
  if (linkType === LINUX_SLL2)
    return bytes.length >= 20 ? behind(bytes, bytes.readUInt16BE(0), 20) : undefined;
  if (linkType === NULL || linkType === LOOP) return isIpFamily(bytes) ? 4 : undefined;
  return undefined;
}

/** In host order of whoever captured, or in network order. */
function isIpFamily(bytes: Buffer): boolean {
  if (bytes.length < 4) return false;
  return [bytes.readUInt32LE(0), bytes.readUInt32BE(0)].some(
    (family) => family === 2 || IPV6_FAMILIES.has(family),
  );
}

function behindType(bytes: Buffer, at: number): number | undefined {
  return at + 2 <= bytes.length ? behind(bytes, bytes.readUInt16BE(at), at + 2) : undefined;
}

function behind(bytes: Buffer, firstType: number, start: number): number | undefined {
  let type = firstType;
  let at = start;
  for (let tags = 0; VLAN.has(type); tags += 1) {
    if (tags === MOST_TAGS || at + 4 > bytes.length) return undefined;
    type = bytes.readUInt16BE(at + 2);
    at += 4;
  }
  if (type === IPV4 || type === IPV6) return at;
  return type === PPPOE_SESSION ? behindPpp(bytes, at) : undefined;
}

/** PPPoE: six bytes, then the protocol of PPP. */
function behindPpp(bytes: Buffer, at: number): number | undefined {
  if (at + 8 > bytes.length) return undefined;
  const protocol = bytes.readUInt16BE(at + 6);
  return protocol === 0x0021 || protocol === 0x0057 ? at + 8 : undefined;
}
