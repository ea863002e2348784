// What the bytes of a capture hold, which may end anywhere and be anything; the format is in pcap.ts.
import {
  type Endpoint,
  FILE_HEADER_BYTES,
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  LINKTYPE_RAW,
  MAGIC_MICROSECONDS,
  RECORD_HEADER_BYTES,
  SNAPLEN,
  showAddress,
  UDP,
  UDP_HEADER_BYTES,
} from './pcap.ts';

/** Flows a reader remembers before it starts over: a call has four, a hostile file any number. */
const REMEMBERED_FLOWS = 1024;

/** One datagram as it arrived. */
export interface CapturedPacket {
  /** Wall clock, microseconds since 1970. */
  at: number;
  source: Endpoint;
  destination: Endpoint;
  /** A view into the bytes that were read; it stays valid. */
  payload: Buffer;
}

/** What is wrong with the first 24 bytes of a file, or undefined when they begin a capture of ours. */
export function checkFileHeader(bytes: Buffer): string | undefined {
  if (bytes.length < FILE_HEADER_BYTES) return `${bytes.length} bytes are too few for a capture's header`;
  if (bytes.readUInt32LE(0) !== MAGIC_MICROSECONDS)
    return 'no little-endian pcap with microseconds (magic a1b2c3d4)';
  const major = bytes.readUInt16LE(4);
  if (major !== 2) return `pcap version ${major} is not 2`;
  const linkType = bytes.readUInt32LE(20) & 0x0fffffff;
  if (linkType !== LINKTYPE_RAW) return `link type ${linkType} is not ${LINKTYPE_RAW} (raw IP)`;
  return undefined;
}

/**
 * Bytes of the record at `offset`, its header included: `short` when they are not all there (a cut), `nonsense` when
 * no record of ours can stand here.
 */
function measureRecord(bytes: Buffer, offset: number): number | 'short' | 'nonsense' {
  if (offset + RECORD_HEADER_BYTES > bytes.length) return 'short';
  const captured = bytes.readUInt32LE(offset + 8);
  // Zeros, too, are what a power failure leaves of a file's end.
  if (captured < IPV4_HEADER_BYTES || captured > SNAPLEN + IPV6_HEADER_BYTES) return 'nonsense';
  if (captured > bytes.readUInt32LE(offset + 12)) return 'nonsense';
  if (bytes.readUInt32LE(offset + 4) >= 1e6) return 'nonsense';
  const length = RECORD_HEADER_BYTES + captured;
  return offset + length > bytes.length ? 'short' : length;
}

/** Wall clock of the record at `offset`, microseconds since 1970. */
function recordTime(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset) * 1e6 + bytes.readUInt32LE(offset + 4);
}

interface Flow {
  source: Endpoint;
  destination: Endpoint;
}

/** Where a reader stands. `offset` counts within the bytes given last. */
export interface CaptureCursor {
  offset: number;
  /** Why reading ended before the end, if it did. */
  problem: string | undefined;
  /** Records that hold no UDP datagram. */
  skipped: number;
  flows: Map<string, Flow>;
}

export function captureCursor(offset: number): CaptureCursor {
  return { offset, problem: undefined, skipped: 0, flows: new Map() };
}

/** The whole records of `bytes` from the cursor on; it is left at the first byte that belongs to none. */
export function* decodeRecords(bytes: Buffer, cursor: CaptureCursor): Generator<CapturedPacket> {
  while (cursor.problem === undefined) {
    const start = cursor.offset;
    const length = measureRecord(bytes, start);
    if (length === 'short') return;
    if (length === 'nonsense') {
      cursor.problem = 'a record header that cannot be';
      return;
    }
    cursor.offset = start + length;
    const packet = decodeRecord(bytes, start, cursor.offset, cursor.flows);
    if (packet === undefined) cursor.skipped += 1;
    else yield packet;
  }
}

function decodeRecord(bytes: Buffer, start: number, end: number, flows: Map<string, Flow>) {
  const ip = start + RECORD_HEADER_BYTES;
  const isV6 = (bytes[ip] ?? 0) >> 4 === 6;
  const udp = ip + (isV6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES);
  if (udp + UDP_HEADER_BYTES > end) return undefined;
  if (isV6 ? bytes[ip + 6] !== UDP : bytes[ip] !== 0x45 || bytes[ip + 9] !== UDP) return undefined;
  const udpLength = bytes.readUInt16BE(udp + 4);
  if (udpLength < UDP_HEADER_BYTES || udp + udpLength > end) return undefined;
  const { source, destination } = recallFlow(bytes, ip, udp, isV6, flows);
  const payload = bytes.subarray(udp + UDP_HEADER_BYTES, udp + udpLength);
  return { at: recordTime(bytes, start), source, destination, payload };
}

/** Both addresses and both ports stand side by side, so that these bytes are the key of a flow. */
function recallFlow(bytes: Buffer, ip: number, udp: number, isV6: boolean, flows: Map<string, Flow>): Flow {
  const key = bytes.toString('latin1', ip + (isV6 ? 8 : 12), udp + 4);
  const known = flows.get(key);
  if (known !== undefined) return known;
  if (flows.size >= REMEMBERED_FLOWS) flows.clear();
  const addressAt = isV6 ? ip + 8 : ip + 12;
  const size = isV6 ? 16 : 4;
  const flow = {
    source: { address: showAddress(bytes, addressAt, size), port: bytes.readUInt16BE(udp) },
    destination: { address: showAddress(bytes, addressAt + size, size), port: bytes.readUInt16BE(udp + 2) },
  };
  flows.set(key, flow);
  return flow;
}
