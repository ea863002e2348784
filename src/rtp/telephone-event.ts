// Telephone events in RTP: DTMF digits (RFC 4733 sections 2.3 and 3.2).
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |     event     |E|R| volume    |          duration             |
import { rtpHeaderLength } from './header.ts';

const DIGITS = '0123456789*#ABCD';
const PAYLOAD_BYTES = 4;

/** The digit of an event packet, whose header must fit; undefined when it is another event, or none. */
export function dtmfDigit(packet: Uint8Array): string | undefined {
  const offset = rtpHeaderLength(packet);
  if (packet.length < offset + PAYLOAD_BYTES) return undefined;
  return DIGITS[packet[offset] ?? DIGITS.length];
}
