// Capture files: classic pcap, microseconds, LINKTYPE_RAW (draft-ietf-opsawg-pcap), each record one UDP datagram as it arrived.
//
//   file   | a1b2c3d4 | 2 | 4 | 0 | 0 | snaplen | 101 |                       24 bytes, little-endian
//   record | seconds | microseconds | captured | original |                  16 bytes, little-endian
//          | IPv4 or IPv6 header (RFC 791, RFC 8200) | UDP header (RFC 768) | payload |
import { isIPv6 } from 'node:net';

export const FILE_HEADER_BYTES = 24;
export const RECORD_HEADER_BYTES = 16;
export const MAGIC_MICROSECONDS = 0xa1b2c3d4;
export const LINKTYPE_RAW = 101;
export const SNAPLEN = 65535;
export const UDP = 17;
export const UDP_HEADER_BYTES = 8;
export const IPV4_HEADER_BYTES = 20;
export const IPV6_HEADER_BYTES = 40;
const HOP_LIMIT = 64;
const DONT_FRAGMENT = 0x4000;

export interface Endpoint {
  address: string;
  port: number;
}

/** The IP and UDP headers of one flow with all but the lengths filled in, so that a record costs one short copy. */
export interface FlowHeader {
  bytes: Buffer;
  isV6: boolean;
  /** One's complement sum of what the checksum covers and what never changes. */
  partialSum: number;
  /** The beginning of the last record, up to its payload: packets of one stream are of one length, as a rule. */
  record: Buffer;
  /** The same in 32-bit words. */
  words: Int32Array;
  /** The length of the payload that {@link record} is for; -1 at first. */
  recordedLength: number;
}

/** The 24 bytes with which a capture file begins. */
export function fileHeader(): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  header.writeUInt32LE(MAGIC_MICROSECONDS, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(SNAPLEN, 16);
  header.writeUInt32LE(LINKTYPE_RAW, 20);
  return header;
}

/**
 * Prepares the headers of one flow. An IPv4 address in a flow with an IPv6 one is written as IPv4-mapped (RFC 4291).
 * @throws never; an address that is none becomes the unspecified one
 */
export function flowHeader(source: Endpoint, destination: Endpoint): FlowHeader {
  const isV6 = isIPv6(source.address) || isIPv6(destination.address);
  return isV6 ? flowHeaderV6(source, destination) : flowHeaderV4(source, destination);
}

function flowHeaderV4(source: Endpoint, destination: Endpoint): FlowHeader {
  const bytes = Buffer.alloc(IPV4_HEADER_BYTES + UDP_HEADER_BYTES);
  bytes[0] = 0x45;
  bytes.writeUInt16BE(DONT_FRAGMENT, 6);
  bytes[8] = HOP_LIMIT;
  bytes[9] = UDP;
  bytes.set(bytesOfV4(source.address), 12);
  bytes.set(bytesOfV4(destination.address), 16);
  bytes.writeUInt16BE(source.port, IPV4_HEADER_BYTES);
  bytes.writeUInt16BE(destination.port, IPV4_HEADER_BYTES + 2);
  return flowOf(bytes, false, sumWords(bytes, 0, IPV4_HEADER_BYTES));
}

function flowHeaderV6(source: Endpoint, destination: Endpoint): FlowHeader {
  const bytes = Buffer.alloc(IPV6_HEADER_BYTES + UDP_HEADER_BYTES);
  bytes[0] = 0x60;
  bytes[6] = UDP;
  bytes[7] = HOP_LIMIT;
  bytes.set(bytesOfV6(source.address), 8);
  bytes.set(bytesOfV6(destination.address), 24);
  bytes.writeUInt16BE(source.port, IPV6_HEADER_BYTES);
  bytes.writeUInt16BE(destination.port, IPV6_HEADER_BYTES + 2);
  // The pseudo-header of RFC 8200 section 8.1: both addresses and the next header; the ports follow on.
  return flowOf(bytes, true, sumWords(bytes, 8, IPV6_HEADER_BYTES + 4) + UDP);
}

function flowOf(bytes: Buffer, isV6: boolean, partialSum: number): FlowHeader {
  const words = new Int32Array((RECORD_HEADER_BYTES + bytes.length) / 4);
  const record = Buffer.from(words.buffer);
  record.set(bytes, RECORD_HEADER_BYTES);
  return { bytes, isV6, partialSum, record, words, recordedLength: -1 };
}

/** The bytes a record with a payload of this length takes in the file. */
export function recordLength(flow: FlowHeader, payloadLength: number): number {
  return RECORD_HEADER_BYTES + flow.bytes.length + payloadLength;
}

/**
 * Writes one record at `offset` of `target`, which must have room for {@link recordLength} bytes.
 * @param at wall clock, microseconds since 1970
 * @returns the offset after it
 */
export function writeRecord(
  target: Buffer,
  offset: number,
  at: number,
  flow: FlowHeader,
  payload: Uint8Array,
): number {
  const seconds = Math.floor(at / 1e6);
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  return fillRecord(target, offset, seconds, Math.floor(at - seconds * 1e6), flow, bytes, 0, bytes.length);
}

/**
 * The same for a payload that lies from `start` to `end` in `source`, with the time in two whole numbers: for the packet path,
 * where not even a number may be allocated. `source` may be `target` itself.
 */
export function fillRecord(
  target: Buffer,
  offset: number,
  seconds: number,
  micros: number,
  flow: FlowHeader,
  source: Buffer,
  start: number,
  end: number,
): number {
  const payloadLength = end - start;
  const { record, isV6 } = flow;
  if (flow.recordedLength !== payloadLength) prepareRecord(flow, payloadLength);
  target.set(record, offset);
  writeWord(target, offset, seconds);
  writeWord(target, offset + 4, micros);
  const payload = offset + record.length;
  if (source === target) target.copyWithin(payload, start, end);
  else source.copy(target, payload, start, end);
  if (isV6) finishV6(target, offset + RECORD_HEADER_BYTES, flow.partialSum, payloadLength);
  return payload + payloadLength;
}

/**
 * The same within one memory of a little-endian machine, whose offsets are all multiples of four: a loop over words costs a fraction of
 * what the methods of Buffer do. Up to three bytes after the record are written over.
 * @param words the memory
 */
export function fillRecordWords(
  words: Int32Array,
  offset: number,
  seconds: number,
  micros: number,
  flow: FlowHeader,
  start: number,
  end: number,
): void {
  if (flow.recordedLength !== end - start) prepareRecord(flow, end - start);
  const header = flow.words;
  const record = offset >> 2;
  words[record] = seconds;
  words[record + 1] = micros;
  for (let index = 2; index < header.length; index += 1) words[record + index] = header[index] ?? 0;
  const payload = record + header.length;
  const source = start >> 2;
  const count = (end - start + 3) >> 2;
  for (let index = 0; index < count; index += 1) words[payload + index] = words[source + index] ?? 0;
}

/** Writes the lengths into the headers, and the checksum of IPv4, which covers nothing else. */
function prepareRecord(flow: FlowHeader, payloadLength: number): void {
  const { record, bytes, isV6, partialSum } = flow;
  const length = bytes.length + payloadLength;
  record.writeUInt32LE(length, 8);
  record.writeUInt32LE(length, 12);
  if (!isV6) finishV4(record, RECORD_HEADER_BYTES, partialSum, length);
  flow.recordedLength = payloadLength;
}

/** Little-endian; the method of Buffer is a call that V8 does not inline. */
function writeWord(target: Buffer, offset: number, value: number): void {
  target[offset] = value;
  target[offset + 1] = value >>> 8;
  target[offset + 2] = value >>> 16;
  target[offset + 3] = value >>> 24;
}

function finishV4(target: Buffer, ip: number, partialSum: number, length: number): void {
  target.writeUInt16BE(length, ip + 2);
  target.writeUInt16BE(~fold(partialSum + length) & 0xffff, ip + 10);
  // The UDP checksum stays 0, "not computed" (RFC 768): the kernel has checked the real one.
  target.writeUInt16BE(length - IPV4_HEADER_BYTES, ip + IPV4_HEADER_BYTES + 4);
}

function finishV6(target: Buffer, ip: number, partialSum: number, payloadLength: number): void {
  const udpLength = payloadLength + UDP_HEADER_BYTES;
  const udp = ip + IPV6_HEADER_BYTES;
  target.writeUInt16BE(udpLength, ip + 4);
  target.writeUInt16BE(udpLength, udp + 4);
  const sum = partialSum + 2 * udpLength + sumWords(target, udp + 8, udp + udpLength);
  const checksum = ~fold(sum) & 0xffff;
  // Over IPv6 a checksum that comes out as 0 is sent as ffff (RFC 8200 section 8.1).
  target.writeUInt16BE(checksum === 0 ? 0xffff : checksum, udp + 6);
}

function sumWords(bytes: Buffer, from: number, to: number): number {
  let sum = 0;
  let at = from;
  for (; at + 1 < to; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  if (at < to) sum += (bytes[at] ?? 0) << 8;
  return sum;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}

/** The four bytes of an IPv4 address in dotted form; 0.0.0.0 for anything else. */
export function bytesOfV4(address: string): number[] {
  const parts = address.split('.').map(Number);
  const isAddress = parts.length === 4 && parts.every((part) => part >= 0 && part <= 255);
  return isAddress ? parts : [0, 0, 0, 0];
}

/** The sixteen bytes of an IPv6 address (RFC 4291 section 2.2; a zone is passed over), or of a mapped IPv4 one. */
export function bytesOfV6(address: string): number[] {
  if (!isIPv6(address)) return [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytesOfV4(address)];
  const [plain = ''] = address.split('%');
  const [head = '', tail] = plain.split('::');
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  return [...before, ...new Array<number>(16 - before.length - after.length).fill(0), ...after];
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return bytesOfV4(group);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** The text of the 4 or 16 bytes of an address. */
export function showAddress(bytes: Buffer, at: number, size: number): string {
  if (size === 4) return bytes.subarray(at, at + 4).join('.');
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(at + 2 * index).toString(16));
  // URL knows the canonical text of an address (RFC 5952).
  return new URL(`http://[${words.join(':')}]/`).hostname.slice(1, -1);
}
