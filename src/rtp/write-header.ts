// The fixed RTP header, written in place (RFC 3550 section 5.1): of packets that the media server sends of its own.
import { RTP_HEADER_BYTES } from './header.ts';

/** What changes from packet to packet. */
export interface OwnHeader {
  /** 0 to 127 */
  payloadType: number;
  isMarked: boolean;
  /** 0 to 65535 */
  sequenceNumber: number;
  /** 0 to 2^32-1 */
  timestamp: number;
  ssrc: number;
}

/** Version 2, without padding, extension and CSRC. @returns where the payload begins */
export function writeRtpHeader(target: Buffer, header: Readonly<OwnHeader>): number {
  target[0] = 0x80;
  target[1] = (header.isMarked ? 0x80 : 0) | header.payloadType;
  target.writeUInt16BE(header.sequenceNumber, 2);
  target.writeUInt32BE(header.timestamp, 4);
  target.writeUInt32BE(header.ssrc, 8);
  return RTP_HEADER_BYTES;
}
