// One segment of an import at work: the packets that are its own, counted, and written when it is not a dry run.
import type { Packet } from '../capture/packets.ts';
import { classifyPacket, rtpPayloadType } from '../rtp/header.ts';
import { CopiedTypes } from '../spool/copied-types.ts';
import type { AnsweredCall, Side } from './call-facts.ts';
import type { MediaFlows, Track } from './media-flows.ts';
import type { PlannedRecording, PlannedSegment } from './plan.ts';
import { type FoundMedia, PORTS } from './segment-facts.ts';
import type { StagedSegment } from './staged-segment.ts';
import type { Staging } from './staging.ts';

/** One segment whose media is looked for. */
export interface Work {
  planned: PlannedRecording;
  segment: PlannedSegment;
  /** What is seen of each side, on the caller's leg and on the callee's. */
  tracks: Record<'a' | 'b', Record<Side, Track<Target>>>;
  /** It was imported before. */
  isThere: boolean;
  staged: StagedSegment | undefined;
  lastAt: number;
}

export interface Target {
  work: () => Work;
  port: number;
  /** The only payload types that are taken; undefined: all. */
  copied: ReadonlySet<number> | undefined;
  /** Packets of others. */
  leftOut: number;
}

/**
 * @param isThereAlready whether a segment was imported before
 * @param isDtmfDropped no keys are to be in the segments
 */
export function prepare(
  planned: PlannedRecording,
  flows: MediaFlows<Target>,
  staging: Staging | undefined,
  isThereAlready: (segment: string) => boolean,
  isDtmfDropped = false,
): Work[] {
  return planned.segments.map((segment) => {
    const isThere = isThereAlready(segment.id);
    const staged = isThere ? undefined : staging?.segment(segment.id);
    const add = (leg: 'a' | 'b') => addLeg(flows, planned, segment, leg, isDtmfDropped, () => work);
    const a = add('a');
    const b = segment.legs.a === segment.legs.b ? a : add('b');
    const work: Work = { planned, segment, tracks: { a, b }, isThere, staged, lastAt: segment.start };
    return work;
  });
}

function addLeg(
  flows: MediaFlows<Target>,
  planned: PlannedRecording,
  segment: PlannedSegment,
  leg: 'a' | 'b',
  isDtmfDropped: boolean,
  work: () => Work,
): Record<Side, Track<Target>> {
  const call = segment.legs[leg];
  const target = (side: Side): Target => {
    const copied = isDtmfDropped ? copiedOf(call, side) : undefined;
    return { work, port: PORTS[leg][side], copied, leftOut: 0 };
  };
  return flows.add({
    call,
    recording: planned.recording,
    from: segment.start,
    to: segment.end,
    targets: { a: target('a'), b: target('b') },
  });
}

/** What a party may send that is no key, by all that both sides ever said. */
function copiedOf({ described }: AnsweredCall, side: Side): ReadonlySet<number> {
  const types = new CopiedTypes();
  const wanted = described.filter((one) => one.side !== side).flatMap(({ formats }) => formats);
  const bound = new Set(wanted.map(({ payloadType }) => payloadType));
  const own = described.filter((one) => one.side === side).flatMap(({ formats }) => formats);
  types.note([...wanted, ...own.filter(({ payloadType }) => !bound.has(payloadType))]);
  return new Set(types.payloadTypes);
}

/** Gives a packet to the segments that it belongs to. @throws GrecError SPOOL_WRITE */
export function takePacket(packet: Packet, flows: MediaFlows<Target>, staging: Staging | undefined): void {
  const { at, source, destination, payload, sequence } = packet;
  if (sequence !== undefined) return;
  const kind = classifyPacket(payload);
  if (kind !== 'rtp' && kind !== 'rtcp') return;
  for (const track of flows.find(source, destination, at)) {
    const { work: workOf, port, copied } = track.target;
    const work = workOf();
    work.lastAt = Math.max(work.lastAt, at);
    if (kind === 'rtp' && copied?.has(rtpPayloadType(payload)) === false) {
      track.target.leftOut += 1;
      continue;
    }
    track.packets += 1;
    const { staged } = work;
    if (staged === undefined) continue;
    const own = kind === 'rtp' ? port : port + 1;
    staging?.writing(() => staged.write(at, source, destination, own, payload));
  }
}

/** What was found, on the leg where there is more of it: the caller's own for the caller, the callee's for the callee. */
export function foundIn({ tracks, lastAt }: Work): FoundMedia {
  if (tracks.a === tracks.b) {
    const { a, b } = tracks.a;
    const leftOut = { a: a.target.leftOut, b: b.target.leftOut };
    return { seenOn: { a: 'a', b: 'a' }, packets: { a: a.packets, b: b.packets }, leftOut, lastAt };
  }
  const seenOn = {
    a: tracks.b.a.packets > tracks.a.a.packets * 2 ? 'b' : 'a',
    b: tracks.a.b.packets > tracks.b.b.packets * 2 ? 'a' : 'b',
  } as const;
  const packets = { a: tracks[seenOn.a].a.packets, b: tracks[seenOn.b].b.packets };
  const leftOut = { a: tracks[seenOn.a].a.target.leftOut, b: tracks[seenOn.b].b.target.leftOut };
  return { seenOn, packets, leftOut, lastAt };
}

export function hasMedia(work: Work): boolean {
  const { packets } = foundIn(work);
  return packets.a + packets.b > 0;
}

/** Packets that were left out. */
export function strangersOf({ tracks }: Work): number {
  const all = new Set([tracks.a.a, tracks.a.b, tracks.b.a, tracks.b.b]);
  return [...all].reduce((sum, { strangers }) => sum + strangers, 0);
}
