// The facts of an imported segment: what a media server would have noted, from what the capture tells. Pure.
import type { Format, ImportedCall, SegmentFact, Stream } from '../spool/segment.ts';
import type { AnsweredCall, Described, Side } from './call-facts.ts';
import { otherSide } from './call-facts.ts';
import { isOfParty } from './media-flows.ts';
import type { PlannedRecording, PlannedSegment } from './plan.ts';

/** Ports of a media server that never was: each party's, seen on the caller's leg and on the callee's. RTCP is one above. */
export const PORTS: Record<'a' | 'b', Record<Side, number>> = {
  a: { a: 40_000, b: 40_004 },
  b: { a: 40_008, b: 40_012 },
};
/** What nobody can decode without the keys. */
const ENCRYPTED = 'SRTP';

/** What was found of a segment. */
export interface FoundMedia {
  /** The leg on which each party's packets were taken. */
  seenOn: Record<Side, 'a' | 'b'>;
  packets: Record<Side, number>;
  /** Packets that were not to be in it. */
  leftOut: Record<Side, number>;
  /** Of the last packet, microseconds since 1970. */
  lastAt: number;
}

export interface FactsOptions {
  planned: PlannedRecording;
  segment: PlannedSegment;
  found: FoundMedia;
  imported: ImportedCall;
  host: string;
}

/** All facts of a segment, the closing one included. */
export function segmentFacts({ planned, segment, found, imported, host }: FactsOptions): SegmentFact[] {
  const { id, start, end, parties } = segment;
  const { recording, call, sessionId } = planned;
  const streams = streamsAt(segment, found, start);
  const facts: SegmentFact[] = [
    {
      type: 'opened',
      version: 1,
      segment: id,
      at: start,
      host,
      ngCallId: segment.legs.a.callId,
      metadata: { recording, call, sessionId, parties },
      streams,
      imported,
    },
  ];
  let before = JSON.stringify(streams);
  for (const at of changesOf(segment)) {
    const changed = streamsAt(segment, found, at);
    if (JSON.stringify(changed) === before) continue;
    before = JSON.stringify(changed);
    facts.push({ type: 'media', at, streams: changed });
  }
  const at = Math.max(start, Number.isFinite(end) ? end : found.lastAt);
  const reason = Number.isFinite(end) ? 'stopped' : 'capture-ended';
  const leftOut = found.leftOut.a + found.leftOut.b === 0 ? {} : { leftOut: { ...found.leftOut } };
  facts.push({ type: 'closed', at, reason, packets: { ...found.packets }, ...leftOut, lost: 0 });
  return facts;
}

/** When a party said something new of its media during the segment. */
function changesOf({ legs, start, end }: PlannedSegment): number[] {
  const times = [...new Set([legs.a, legs.b])].flatMap(({ described }) => described.map(({ at }) => at));
  return [...new Set(times)].filter((at) => at > start && at < end).sort((one, other) => one - other);
}

function streamsAt({ legs, parties }: PlannedSegment, found: FoundMedia, at: number): Stream[] {
  return parties.map(({ label, tag }) => {
    const leg = legs[found.seenOn[label]];
    const port = PORTS[found.seenOn[label]][label];
    const own = describedAt(leg, label, at);
    const other = describedAt(leg, otherSide(label), at);
    const formats = formatsSent(own, other);
    return { label, tag, address: own?.address ?? '0.0.0.0', rtpPort: port, rtcpPort: port + 1, formats };
  });
}

/** What a party had said last; what it says first when it had not said anything. */
function describedAt(leg: AnsweredCall, side: Side, at: number): Described | undefined {
  const ofSide = leg.described.filter((one) => one.side === side && isOfParty(leg, one));
  return ofSide.findLast((one) => one.at <= at) ?? ofSide[0];
}

/** A party sends what the other one's description binds (RFC 3264 section 6.1); its own stands in for the rest. */
function formatsSent(own: Described | undefined, other: Described | undefined): Format[] {
  const wanted = other?.formats ?? [];
  const types = new Set(wanted.map(({ payloadType }) => payloadType));
  const formats = [...wanted, ...(own?.formats ?? []).filter(({ payloadType }) => !types.has(payloadType))];
  const isSecure = own?.isSecure === true && other?.isSecure !== false;
  return isSecure ? formats.map((format) => ({ ...format, encoding: ENCRYPTED })) : formats;
}
