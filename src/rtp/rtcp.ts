// RTCP sender and receiver reports, out of compound packets (RFC 3550 sections 6.1 and 6.4).
//
//   |V=2|P|   RC    |   PT=SR=200 or RR=201   |            length             |
//   |                         SSRC of sender                                  |
//   SR only: NTP timestamp (64) | RTP timestamp | packet count | octet count
//   RC times: SSRC_n | fraction lost (8), cumulative lost (24) | highest sequence | jitter | LSR | DLSR

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const SENDER_INFO_BYTES = 20;
const BLOCK_BYTES = 24;
const MOST_PACKETS = 16;

/** What a receiver says of one source that it hears. */
export interface ReportBlock {
  /** Of the source. */
  ssrc: number;
  /** Since the report before, 0 to 1. */
  fractionLost: number;
  /** Since the beginning; duplicates can make it negative. */
  cumulativeLost: number;
  /** In units of the source's clock. */
  jitter: number;
  /** Middle 32 bits of the NTP timestamp of the last sender report that came; 0 when none did. */
  lastReport: number;
  /** Since then, in seconds. */
  delay: number;
}

export interface RtcpReport {
  /** Of who sends it. */
  ssrc: number;
  /** Of a sender report: middle 32 bits of its NTP timestamp. */
  ntpMiddle: number | undefined;
  /** Of a sender report: its own clock, in microseconds, and what it made of that in RTP timestamps. */
  sent: { clock: number; timestamp: number } | undefined;
  blocks: ReportBlock[];
}

/** The reports in a datagram; what cannot be read ends it. Never throws. */
export function readReports(bytes: Buffer): RtcpReport[] {
  const reports: RtcpReport[] = [];
  let at = 0;
  for (let count = 0; count < MOST_PACKETS && at + 8 <= bytes.length; count += 1) {
    if ((bytes.readUInt8(at) & 0xc0) !== 0x80) break;
    const end = at + (bytes.readUInt16BE(at + 2) + 1) * 4;
    if (end > bytes.length) break;
    const report = readReport(bytes.subarray(at, end));
    if (report !== undefined) reports.push(report);
    at = end;
  }
  return reports;
}

function readReport(packet: Buffer): RtcpReport | undefined {
  const type = packet.readUInt8(1);
  if (type !== SENDER_REPORT && type !== RECEIVER_REPORT) return undefined;
  const first = 8 + (type === SENDER_REPORT ? SENDER_INFO_BYTES : 0);
  const count = packet.readUInt8(0) & 0x1f;
  if (first + count * BLOCK_BYTES > packet.length) return undefined;
  return {
    ssrc: packet.readUInt32BE(4),
    ntpMiddle: type === SENDER_REPORT ? packet.readUInt32BE(10) : undefined,
    sent: type === SENDER_REPORT ? readSent(packet) : undefined,
    blocks: Array.from({ length: count }, (_, index) => readBlock(packet, first + index * BLOCK_BYTES)),
  };
}

function readSent(packet: Buffer): { clock: number; timestamp: number } {
  const seconds = packet.readUInt32BE(8) + packet.readUInt32BE(12) / 2 ** 32;
  return { clock: seconds * 1e6, timestamp: packet.readUInt32BE(16) };
}

function readBlock(packet: Buffer, at: number): ReportBlock {
  return {
    ssrc: packet.readUInt32BE(at),
    fractionLost: packet.readUInt8(at + 4) / 256,
    cumulativeLost: packet.readIntBE(at + 5, 3),
    jitter: packet.readUInt32BE(at + 12),
    lastReport: packet.readUInt32BE(at + 16),
    delay: packet.readUInt32BE(at + 20) / 65_536,
  };
}
