// Builds and reads single RTP and RTCP packets for tests and test phones, by rtp.js (RFC 3550).
//
// rtp.js is not the code under test: the media server reads header fields in place, so that each checks the other.
import { packets } from 'rtp.js';

/** The fields of one RTP packet (RFC 3550 section 5.1). */
export interface RtpFields {
  payloadType: number;
  /** 0 to 65535 */
  sequenceNumber: number;
  /** 0 to 2^32-1, in units of the payload's clock */
  timestamp: number;
  ssrc: number;
  marker?: boolean;
  payload: Uint8Array;
}

/** An RTP packet as it stands on the wire: version 2, no padding, CSRC or header extension. */
export function buildRtpPacket(fields: RtpFields): Buffer {
  const packet = new packets.RtpPacket();
  packet.setPayloadType(fields.payloadType);
  packet.setSequenceNumber(fields.sequenceNumber);
  packet.setTimestamp(fields.timestamp);
  packet.setSsrc(fields.ssrc);
  packet.setMarker(fields.marker ?? false);
  packet.setPayload(viewOf(fields.payload));
  return serialize(packet);
}

/** @returns the packet's fields, or undefined when the bytes are not RTP */
export function readRtpPacket(bytes: Uint8Array): RtpFields | undefined {
  const view = viewOf(bytes);
  try {
    if (!packets.isRtp(view)) return undefined;
    const packet = new packets.RtpPacket(view);
    const { buffer, byteOffset, byteLength } = packet.getPayload();
    return {
      payloadType: packet.getPayloadType(),
      sequenceNumber: packet.getSequenceNumber(),
      timestamp: packet.getTimestamp(),
      ssrc: packet.getSsrc(),
      marker: packet.getMarker(),
      payload: new Uint8Array(buffer, byteOffset, byteLength),
    };
  } catch {
    return undefined;
  }
}

export interface SenderReportFields {
  ssrc: number;
  /** Wall clock, milliseconds since 1970. */
  at: number;
  /** The RTP timestamp of that instant. */
  rtpTimestamp: number;
  packetCount: number;
  octetCount: number;
}

const SECONDS_FROM_1900_TO_1970 = 2_208_988_800;

/** A compound RTCP packet of one sender report without reception reports (RFC 3550 section 6.4.1). */
export function buildSenderReport(fields: SenderReportFields): Buffer {
  const report = new packets.SenderReportPacket();
  report.setSsrc(fields.ssrc);
  report.setNtpSeconds(Math.floor(fields.at / 1000) + SECONDS_FROM_1900_TO_1970);
  report.setNtpFraction(Math.floor(((fields.at % 1000) / 1000) * 2 ** 32));
  report.setRtpTimestamp(fields.rtpTimestamp);
  report.setPacketCount(fields.packetCount);
  report.setOctetCount(fields.octetCount);
  return serialize(report);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function serialize(packet: packets.RtpPacket | packets.SenderReportPacket): Buffer {
  const bytes = new ArrayBuffer(packet.getByteLength());
  packet.serialize(bytes, 0);
  return Buffer.from(bytes);
}
