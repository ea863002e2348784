// From frames to what they carry: UDP datagrams and TCP segments with their endpoints; fragments are put together.
import { endpointKey } from './endpoint.ts';
import { Fragments } from './fragments.ts';
import type { Frame } from './frame.ts';
import { type IpPacket, readIp, TCP, UDP } from './ip.ts';
import { ipOffset, isKnownLink } from './link.ts';
import { readTcp } from './tcp.ts';

/** Wall clock times that a capture of ours can hold, in microseconds: 32 bits of seconds. */
const LATEST_US = 2 ** 32 * 1e6;

export interface Packet {
  /** Wall clock, microseconds since 1970. */
  at: number;
  /** See endpoint.ts. */
  source: string;
  destination: string;
  payload: Buffer;
  /** Of TCP: the number of the payload's first byte. */
  sequence: number | undefined;
  /** Some of it is not in the capture. */
  isCut: boolean;
}

/** What could not be used, for the report. */
export interface PacketCounters {
  frames: number;
  /** Of link types that cannot be read; which ones. */
  unknownLink: number;
  linkTypes: Set<number>;
  cut: number;
}

const MOST_LINK_TYPES = 8;

export class PacketReader {
  readonly counters: PacketCounters = { frames: 0, unknownLink: 0, linkTypes: new Set(), cut: 0 };
  readonly #fragments = new Fragments();

  /** The packet of a frame; undefined for other protocols, and while fragments are missing. */
  read(frame: Frame): Packet | undefined {
    this.counters.frames += 1;
    if (!(frame.at >= 0 && frame.at < LATEST_US)) return undefined;
    const { linkType, bytes, at } = frame;
    if (!isKnownLink(linkType)) return this.#countUnknown(linkType);
    const start = ipOffset(linkType, bytes);
    const packet = start === undefined ? undefined : readIp(bytes, start);
    if (packet === undefined || (packet.protocol !== UDP && packet.protocol !== TCP)) return undefined;
    const payload = this.#fragments.add(packet, at);
    if (payload === undefined) return undefined;
    const read = packet.protocol === UDP ? readUdp(packet, payload) : readTcpPacket(packet, payload);
    if (read?.isCut) this.counters.cut += 1;
    return read && { at, ...read };
  }

  #countUnknown(linkType: number): undefined {
    this.counters.unknownLink += 1;
    if (this.counters.linkTypes.size < MOST_LINK_TYPES) this.counters.linkTypes.add(linkType);
  }
}

function readUdp(packet: IpPacket, bytes: Buffer): Omit<Packet, 'at'> | undefined {
  if (bytes.length < 8) return undefined;
  const stated = bytes.readUInt16BE(4);
  if (stated < 8) return undefined;
  return {
    source: endpointKey(packet.source, bytes.readUInt16BE(0)),
    destination: endpointKey(packet.destination, bytes.readUInt16BE(2)),
    payload: bytes.subarray(8, stated),
    sequence: undefined,
    isCut: stated > bytes.length,
  };
}

function readTcpPacket(packet: IpPacket, bytes: Buffer): Omit<Packet, 'at'> | undefined {
  const segment = readTcp(bytes);
  return (
    segment && {
      source: endpointKey(packet.source, segment.sourcePort),
      destination: endpointKey(packet.destination, segment.destinationPort),
      payload: segment.payload,
      sequence: segment.sequence,
      isCut: packet.isCut,
    }
  );
}
