// Collects RTP as it arrives, and counts what is missing (RFC 3550 section 6.4.1 and appendix A.3).
import { ALAW_TO_LINEAR, MULAW_TO_LINEAR } from '../rtp/g711.ts';
import { type RtpFields, readRtpPacket } from './packets.ts';

/** Static payload types (RFC 3551 table 4). */
export const PCMU = 0;
export const PCMA = 8;

export interface ReceivedPacket extends RtpFields {
  /** When it came, on the receiver's own clock, milliseconds. */
  arrivedAt: number;
}

/** All packets of one SSRC, in order of arrival. */
export interface ReceivedStream {
  ssrc: number;
  packets: ReceivedPacket[];
}

/** Counts of packets. */
export interface ReceptionCount {
  received: number;
  /** Expected by sequence number, but never seen. */
  lost: number;
  duplicates: number;
  /** Bytes that were not RTP. */
  malformed: number;
}

export interface RtpReceiver {
  /** In order of their first packet. */
  readonly streams: ReceivedStream[];
  receive(bytes: Uint8Array, arrivedAt?: number): void;
  count(): ReceptionCount;
  /** Resolves once so many packets have come, of all streams. */
  until(packets: number): Promise<void>;
  /**
   * What was heard, as linear samples at 8 kHz: each stream from its first timestamp to its last, gaps as silence, one
   * stream after the other. Payload types other than PCMU and PCMA are left out.
   */
  audio(): Int16Array;
}

export function createRtpReceiver(): RtpReceiver {
  const streams: ReceivedStream[] = [];
  let malformed = 0;
  let received = 0;
  let waiting: { packets: number; resolve: () => void }[] = [];
  const tellWaiting = () => {
    for (const { packets, resolve } of waiting) if (packets <= received) resolve();
    waiting = waiting.filter(({ packets }) => packets > received);
  };
  return {
    streams,
    receive(bytes, arrivedAt = performance.now()) {
      const packet = readRtpPacket(bytes);
      if (packet === undefined) {
        malformed += 1;
        return;
      }
      let stream = streams.find(({ ssrc }) => ssrc === packet.ssrc);
      if (stream === undefined) {
        stream = { ssrc: packet.ssrc, packets: [] };
        streams.push(stream);
      }
      stream.packets.push({ ...packet, arrivedAt });
      received += 1;
      tellWaiting();
    },
    until: (packets) =>
      new Promise((resolve) => {
        waiting.push({ packets, resolve });
        tellWaiting();
      }),
    count: () => {
      const counts = streams.map(countStream);
      const sum = (key: keyof StreamCount) => counts.reduce((total, count) => total + count[key], 0);
      return { received: sum('received'), lost: sum('lost'), duplicates: sum('duplicates'), malformed };
    },
    audio: () => joinSamples(streams.map(decodeStream)),
  };
}

type StreamCount = Omit<ReceptionCount, 'malformed'>;

function countStream({ packets }: ReceivedStream): StreamCount {
  const seen = new Set(
    unwrap(
      packets.map(({ sequenceNumber }) => sequenceNumber),
      16,
    ),
  );
  if (seen.size === 0) return { received: 0, lost: 0, duplicates: 0 };
  const expected = Math.max(...seen) - Math.min(...seen) + 1;
  return {
    received: packets.length,
    lost: expected - seen.size,
    duplicates: packets.length - seen.size,
  };
}

function decodeStream({ packets }: ReceivedStream): Int16Array {
  const audible = packets.filter(({ payloadType }) => payloadType === PCMU || payloadType === PCMA);
  const positions = unwrap(
    audible.map(({ timestamp }) => timestamp),
    32,
  );
  if (audible.length === 0) return new Int16Array(0);
  const first = positions.reduce((least, position) => Math.min(least, position));
  const end = positions.reduce((most, position, index) => {
    return Math.max(most, position + (audible[index]?.payload.length ?? 0));
  }, first);
  const samples = new Int16Array(end - first);
  for (const [index, packet] of audible.entries()) {
    samples.set(decodePayload(packet), (positions[index] ?? first) - first);
  }
  return samples;
}

function decodePayload({ payload, payloadType }: ReceivedPacket): Int16Array {
  const table = payloadType === PCMA ? ALAW_TO_LINEAR : MULAW_TO_LINEAR;
  return Int16Array.from(payload, (byte) => table[byte] ?? 0);
}

/** Counters of `bits` bits as plain numbers that go on over the wrap; each within half a turn of the one before. */
function unwrap(counters: number[], bits: 16 | 32): number[] {
  const turn = 2 ** bits;
  let last = counters[0] ?? 0;
  return counters.map((counter) => {
    const ahead = (((counter - last) % turn) + turn) % turn;
    last += ahead < turn / 2 ? ahead : ahead - turn;
    return last;
  });
}

function joinSamples(pieces: Int16Array[]): Int16Array {
  const joined = new Int16Array(pieces.reduce((total, piece) => total + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
