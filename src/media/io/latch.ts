// Whose packets a port hears: source latching (RFC 4961 symmetric RTP, RFC 7362 section 4 for parties behind a NAT).
//
// The rule. SDP comes first: a packet from the very address and port that SDP names is heard at once, and from then on no
// other source is ("exact"). A NAT may rewrite both, so two weaker sources may stand in, each only after a probation of
// five packets of one SSRC in sequence, and each giving way as soon as a better one appears:
//   "host"       another port of the host that SDP, or the signalling's source, names;
//   "elsewhere"  any host, when SDP names an address that cannot be seen from outside (RFC 1918, 6598, 3927, 4193), so
//                that the party must be behind a NAT, and nobody says where its signalling comes from (grec-sipd does, other
//                controllers may not). Against a public address in SDP other hosts stay strangers.
// RTCP has no sequence: a weaker source of it must name the SSRC that the party was latched by, which nobody off the path knows.
// Packets that come during the probation, or before SDP does, are held (a bounded number) and heard late rather than lost.
// New SDP opens the latching anew; a source on the same host is heard until the new one speaks.
import { BlockList, isIPv6 } from 'node:net';
import { RTP_HEADER_BYTES, rtpSequenceNumber, rtpSsrc, rtpTimestamp } from '../../rtp/header.ts';
import type { Endpoint } from '../../spool/pcap.ts';

/** `heard`: of the party. `latched`: of the party from now on, and so are its held packets. `held`: not known yet. */
export type Verdict = 'heard' | 'latched' | 'held' | 'stranger';

const NONE = 0;
const PREVIOUS = 1;
const ELSEWHERE = 2;
const HOST = 3;
const EXACT = 4;

const PROBATION_PACKETS = 5;
/** A step of the sequence number that still counts as in order: a few may be lost. */
const LARGEST_STEP = 5;
const MOST_CANDIDATES = 8;

/** What a latch is told of the party. */
export interface Expected extends Endpoint {
  alsoFrom?: string | undefined;
}

interface Candidate extends Endpoint {
  ssrc: number;
  sequenceNumber: number;
  inOrder: number;
}

const HIDDEN = new BlockList();
for (const [net, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
] as const)
  HIDDEN.addSubnet(net, prefix, 'ipv4');
HIDDEN.addSubnet('fc00::', 7, 'ipv6');
HIDDEN.addSubnet('fe80::', 10, 'ipv6');

/** True for an address that only its own network can reach. */
export function isHiddenAddress(address: string): boolean {
  return HIDDEN.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

export function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** Of the sender of an RTCP packet (RFC 3550 section 6.4.1), where an RTP packet has its timestamp; in clear in SRTCP too. */
function rtcpSsrc(packet: Uint8Array, start: number): number | undefined {
  // A BYE may have none, and what follows it in memory is somebody else's (section 6.6).
  if (packet[start + 2] === 0 && packet[start + 3] === 0) return undefined;
  return rtpTimestamp(packet.subarray(start, start + RTP_HEADER_BYTES));
}

export class Latch {
  /** The source that is heard; port 0 while there is none. */
  address = '';
  port = 0;
  #rank = NONE;
  /** The rank that the source had before new SDP came. */
  #rankBefore = NONE;
  #expected: Expected | undefined;
  #isElsewhereHeard = false;
  #trusted = '';
  /** By which the party's RTP was latched. */
  #ssrc: number | undefined;
  readonly #hasProbation: boolean;
  #candidates: Candidate[] = [];

  /** @param kind RTCP has no sequence to prove itself by: it may come from the hosts that are known, and names the SSRC. */
  constructor(kind: 'rtp' | 'rtcp') {
    this.#hasProbation = kind === 'rtp';
  }

  /** True when only packets of the source need to be let in: nothing better can come. */
  get isFinal(): boolean {
    return this.#rank === EXACT;
  }

  /** True when the source is heard without another look, until new SDP comes or it is forgotten. */
  get isSettled(): boolean {
    return this.#rank > PREVIOUS;
  }

  get source(): Endpoint | undefined {
    return this.#rank === NONE ? undefined : { address: this.address, port: this.port };
  }

  /** Where packets for the party go; undefined while that is not known, or it holds. */
  get destination(): Endpoint | undefined {
    const { address, port } = this.#expected ?? { address: '0.0.0.0', port: 0 };
    if (isUnspecified(address) || port === 0) return undefined;
    const isBehindNat = Math.max(this.#rank, this.#rankBefore) < EXACT && this.#rank !== NONE;
    if (this.#rank > PREVIOUS || isBehindNat) return { address: this.address, port: this.port };
    return { address, port };
  }

  /** New SDP. The same place as before changes nothing. */
  expect(expected: Expected): void {
    const before = this.#expected;
    this.#expected = expected;
    if (before?.address === expected.address && before.port === expected.port) return;
    this.#candidates = [];
    if (before?.address !== expected.address) {
      this.#trusted = '';
      this.#ssrc = undefined;
    }
    this.#isElsewhereHeard =
      this.#hasProbation && expected.alsoFrom === undefined && isHiddenAddress(expected.address);
    if (this.#rank === NONE) return;
    if (isUnspecified(expected.address) || before?.address === expected.address) this.#demote();
    else this.forget();
  }

  /** Where the party has been found to be, maybe another host, and the SSRC that it speaks with. */
  trust(address: string, ssrc: number): void {
    this.#trusted = address;
    this.#ssrc = ssrc;
  }

  /** Ends hearing the present source. */
  forget(): void {
    this.address = '';
    this.port = 0;
    this.#rank = NONE;
    this.#rankBefore = NONE;
  }

  #demote(): void {
    if (this.#rank > PREVIOUS) this.#rankBefore = this.#rank;
    this.#rank = PREVIOUS;
  }

  /**
   * Judges one valid packet by its source. Allocates nothing for a source that is heard.
   * @param start where the packet begins in `packet`
   */
  judge(address: string, port: number, packet: Uint8Array, start = 0): Verdict {
    if (port === this.port && address === this.address && this.#rank > PREVIOUS) return 'heard';
    if (this.#expected === undefined) return this.#hasProbation ? 'held' : 'stranger';
    const rank = this.#rankOf(address, port);
    if (rank <= this.#rank) return this.#isSource(address, port) ? 'heard' : 'stranger';
    if (rank < EXACT && this.#hasProbation && !this.#hasProved(address, port, packet, start)) {
      return this.#isSource(address, port) ? 'heard' : 'held';
    }
    if (rank < EXACT && !this.#hasProbation && !this.#namesSsrc(packet, start))
      return this.#isSource(address, port) ? 'heard' : 'stranger';
    this.#latch(address, port, rank);
    return 'latched';
  }

  #namesSsrc(packet: Uint8Array, start: number): boolean {
    const ssrc = rtcpSsrc(packet, start);
    return ssrc !== undefined && ssrc === this.#ssrc;
  }

  #isSource(address: string, port: number): boolean {
    return this.#rank !== NONE && port === this.port && address === this.address;
  }

  #rankOf(address: string, port: number): number {
    const expected = this.#expected;
    if (expected === undefined) return NONE;
    if (address === expected.address && port === expected.port) return EXACT;
    if (address === expected.address || address === expected.alsoFrom || address === this.#trusted)
      return HOST;
    return this.#isElsewhereHeard ? ELSEWHERE : NONE;
  }

  #hasProved(address: string, port: number, packet: Uint8Array, start: number): boolean {
    const header = packet.subarray(start, start + RTP_HEADER_BYTES);
    const ssrc = rtpSsrc(header);
    const sequenceNumber = rtpSequenceNumber(header);
    const candidate = this.#candidates.find((one) => one.port === port && one.address === address);
    if (candidate === undefined) {
      if (this.#candidates.length >= MOST_CANDIDATES) this.#candidates.shift();
      this.#candidates.push({ address, port, ssrc, sequenceNumber, inOrder: 1 });
      return false;
    }
    const step = (sequenceNumber - candidate.sequenceNumber) & 0xffff;
    const isInOrder = candidate.ssrc === ssrc && step >= 1 && step <= LARGEST_STEP;
    candidate.inOrder = isInOrder ? candidate.inOrder + 1 : 1;
    candidate.ssrc = ssrc;
    candidate.sequenceNumber = sequenceNumber;
    return candidate.inOrder >= PROBATION_PACKETS;
  }

  #latch(address: string, port: number, rank: number): void {
    this.address = address;
    this.port = port;
    this.#rank = rank;
    this.#rankBefore = NONE;
    this.#candidates = [];
  }
}
