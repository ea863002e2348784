// RTP that the media server sends a party of its own, in place of what the other one says: a source by itself (RFC 3550 section 8).
//
// It has an SSRC of its own, which it keeps for as long as its port lives, so that with SRTP no packet index is used twice under
// one key (RFC 3711 section 9.1). Its timestamps go on with the clock while it is silent, and the first packet after a silence is
// marked (RFC 3551 section 4.1). It is over too soon for RTCP to be of use: it sends no reports.
import { randomBytes } from 'node:crypto';
import { RTP_HEADER_BYTES } from '../../rtp/header.ts';
import { writeRtpHeader } from '../../rtp/write-header.ts';
import { BYTES_PER_MS, type Law } from '../sound.ts';

/** Of one packet (RFC 3551 section 4.2). */
export const PACKET_MS = 20;
export const PACKET_BYTES = PACKET_MS * BYTES_PER_MS;

/** Who is later than this with a packet was held up, and goes on from there: a burst would be of no use. In milliseconds. */
export const MOST_LATE_MS = 200;
/** The byte of a sample of 0. */
export const SILENCE: Record<Law, number> = { PCMU: 0xff, PCMA: 0xd5 };

export class OwnStream {
  readonly packet: Buffer = Buffer.alloc(RTP_HEADER_BYTES + PACKET_BYTES);
  readonly #header = newSource();
  #endedAt: number | undefined;

  /** It speaks (again) from now on. @param now milliseconds of a clock that never goes back */
  begin(now: number): void {
    const silence = this.#endedAt === undefined ? 0 : Math.max(0, Math.round(now - this.#endedAt));
    this.#header.timestamp = (this.#header.timestamp + silence * BYTES_PER_MS) >>> 0;
    this.#header.isMarked = true;
  }

  /** Completes {@link packet}, whose payload is in it already. */
  next(payloadType: number, now: number): Buffer {
    const header = this.#header;
    header.payloadType = payloadType;
    writeRtpHeader(this.packet, header);
    header.isMarked = false;
    header.sequenceNumber = (header.sequenceNumber + 1) & 0xffff;
    header.timestamp = (header.timestamp + PACKET_BYTES) >>> 0;
    this.#endedAt = now;
    return this.packet;
  }
}

/** Each number random, as section 5.1 wants it. */
function newSource() {
  const random = randomBytes(10);
  return {
    payloadType: 0,
    isMarked: true,
    // Not close to its end: a receiver of SRTP that misses the first packets must not take it for gone round.
    sequenceNumber: random.readUInt16BE(0) & 0x7fff,
    timestamp: random.readUInt32BE(2),
    ssrc: random.readUInt32BE(6),
  };
}
