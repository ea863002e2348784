// Who speaks on which channel: each party of a conversation has one of its own, wherever and in how many calls it was captured. Pure.
//
// Audio is never left out for a likeness of names: two captures that overlap in time share a channel only when they are
// surely of the same party, and then the nearer one is heard and the other one fills its gaps.
import type { ArchivedParty } from '../archive/metadata.ts';
import type { Party, SegmentFacts, Stream } from '../spool/segment.ts';
import { isMirrorOf, isSameParty, type Leg, overlap, splitByMirror } from './legs.ts';
import type { PendingCall } from './situation.ts';
import type { Label } from './stream-map.ts';
import { callKey, trunkLinks } from './trunk-links.ts';

/** A segment, and whose it is. */
export interface PlacedSegment {
  facts: SegmentFacts;
  /** Of which switch, see `SegmentEntry`. */
  source: number;
}

/** What one call captured of one party: where it is heard. */
export interface Lane {
  channel: number;
  /** Of which switch, see `SegmentEntry`. */
  source: number;
  /** Of two that are heard at once on a channel the lower one counts. */
  rank: number;
  /** When the party had put the call on hold, so that it spoke elsewhere if at all: microseconds since 1970. */
  held: [from: number, to: number][];
}

/** The lane of a party from a time on: microseconds since 1970. */
export interface LaneFrom {
  from: number;
  lane: number;
}

export interface Binding {
  /** Of each channel: 0 the agents' side, 1 the customers'. At least two. */
  sides: (0 | 1)[];
  lanes: Lane[];
  /** By segment, in their order: the lanes of each label, in the order of time. */
  laneOf: Record<Label, LaneFrom[]>[];
  /** Everybody who had a channel, with the time of it. */
  parties: ArchivedParty[];
}

/** A file format takes no more: from here on channels are used again. */
const MOST_CHANNELS = 8;
const HELD_RANK = 120;
const FAR_RANK = 60;

/** Which channel each party of one call speaks on: the agent left, the customer right; a left and b right when that is not clear. */
export function bindChannels({ opened }: SegmentFacts): Record<Label, 0 | 1> {
  const agents = (opened.metadata?.parties ?? opened.parties ?? []).filter(({ role }) => role === 'agent');
  return agents.length === 1 && agents[0]?.label === 'b' ? { a: 1, b: 0 } : { a: 0, b: 1 };
}

/**
 * Binds the parties of a conversation.
 * @param segments in the order of time
 */
export function bindParties(segments: readonly PlacedSegment[], calls: readonly PendingCall[] = []): Binding {
  const whole = segments.map(legsOf);
  const links = trunkLinks(calls);
  const pieces = whole.map((legs) => legs.flatMap((leg) => splitByMirror(leg, links, whole.flat())));
  const channels = channelsOf(pieces, segments);
  const lanes: (Lane & { key: string })[] = [];
  const laneOf = pieces.map((legs): Binding['laneOf'][number] => {
    const found = legs.map((leg): LaneFrom & { label: Label } => {
      const lane = laneIndex(leg, channelOf(leg, channels), lanes, calls);
      return { label: leg.label, from: leg.from, lane };
    });
    return { a: found.filter(({ label }) => label === 'a'), b: found.filter(({ label }) => label === 'b') };
  });
  return {
    sides: channels.map((members, channel) => sideOf(members, channel)),
    lanes: lanes.map(({ key: _, ...lane }) => lane),
    laneOf,
    parties: partiesOf(channels),
  };
}

/** The legs on each channel. Those that another switch captured nearer come last, to where that one is. */
function channelsOf(pieces: readonly Leg[][], segments: readonly PlacedSegment[]): Leg[][] {
  const channels: Leg[][] = [[], []];
  const [first] = segments;
  const bound = first === undefined ? { a: 0, b: 1 } : bindChannels(first.facts);
  const [legs = []] = pieces;
  const begin = LABELS.flatMap((label) => legs.find((leg) => leg.label === label) ?? []);
  for (const leg of begin) channels[bound[leg.label]]?.push(leg);
  const rest = pieces.flatMap(inOrder).filter((leg) => !begin.includes(leg));
  for (const leg of rest) if (leg.mirror === undefined) placeLeg(leg, channels);
  placeMirrors(
    rest.filter(({ mirror }) => mirror !== undefined),
    channels,
  );
  return channels;
}

/** A chain of switches leads from one to the next. */
function placeMirrors(legs: readonly Leg[], channels: Leg[][]): void {
  const homeless = legs.filter((leg) => {
    const home = channels.find((members) =>
      members.some((member) => isMirrorOf(leg, member) && overlap(leg, member)),
    );
    home?.push(leg);
    return home === undefined;
  });
  if (homeless.length < legs.length) return placeMirrors(homeless, channels);
  for (const leg of homeless) placeLeg(leg, channels);
}

function legsOf({ facts, source }: PlacedSegment, segment: number): Leg[] {
  const { metadata, parties, streams, ngCallId, at } = facts.opened;
  const told = metadata?.parties ?? parties ?? streams.map(strangerOf);
  const unknown = LABELS.filter((label) => !told.some((party) => party.label === label));
  return [...told, ...unknown.map(nobody)].map((party): Leg => {
    const address = streams.find(({ label }) => label === party.label)?.address;
    const call = callKey({ id: metadata?.call ?? ngCallId, source });
    return { ...party, segment, source, call, address, from: at, to: facts.closed?.at ?? at };
  });
}

const LABELS = ['a', 'b'] as const;

/** A party of whom nothing is known, but that it may speak. */
function nobody(label: Label): Omit<Party, 'tag'> {
  return { label, role: label === 'a' ? 'agent' : 'customer', number: '', uri: '' };
}

/** Without a switch of ours all that is known of a party is where its media came from. */
function strangerOf({ label, tag, address }: Stream): Party {
  return { label, tag, role: label === 'a' ? 'agent' : 'customer', number: address, uri: `sip:${address}` };
}

/** Whom a switch knows itself comes first. */
function inOrder(legs: readonly Leg[]): Leg[] {
  return legs.toSorted((one, other) => Number(one.dn === undefined) - Number(other.dn === undefined));
}

function placeLeg(leg: Leg, channels: Leg[][]): void {
  const isFree = (members: Leg[]) =>
    members.every((member) => !overlap(member, leg) || isSameParty(member, leg));
  const own = channels.find((members) => isFree(members) && members.some((one) => isSameParty(one, leg)));
  const free =
    channels.length < MOST_CHANNELS
      ? undefined
      : channels.find((members, channel) => isFree(members) && sideOf(members, channel) === sideOf([leg], 2));
  const found = own ?? free;
  if (found === undefined) channels.push([leg]);
  else found.push(leg);
}

function channelOf(leg: Leg, channels: readonly Leg[][]): number {
  return channels.findIndex((members) => members.includes(leg));
}

function laneIndex(
  leg: Leg,
  channel: number,
  lanes: (Lane & { key: string })[],
  calls: readonly PendingCall[],
): number {
  const key = `${channel} ${leg.call}`;
  const held = holdsOf(leg, calls);
  const known = lanes.findIndex((lane) => lane.key === key);
  lanes[known]?.held.push(...held);
  if (known >= 0) return known;
  const order = Math.min(lanes.length, FAR_RANK - 1);
  const rank = leg.dn === undefined ? FAR_RANK + order : order;
  return lanes.push({ key, channel, source: leg.source, rank, held }) - 1;
}

/** Where a lane stands at that time. @param at microseconds since 1970 */
export function rankAt({ rank, held }: Lane, at: number): number {
  return held.some(([from, to]) => at >= from && at < to) ? rank + HELD_RANK : rank;
}

/** As long as the party is there: then the side is another one's. */
function holdsOf({ call, label, from, to }: Leg, calls: readonly PendingCall[]): [number, number][] {
  const found = calls.find((one) => callKey(one) === call);
  const spans: [number, number][] = [];
  for (const event of found?.events ?? []) {
    if (event.type === 'call.held' && event.label === label) spans.push([event.at, Number.POSITIVE_INFINITY]);
    const last = spans.at(-1);
    if (event.type === 'call.retrieved' && event.label === label && last !== undefined) last[1] = event.at;
  }
  return spans.flatMap(([begin, end]): [number, number][] => {
    const span: [number, number] = [Math.max(begin, from), Math.min(end, to)];
    return span[0] < span[1] ? [span] : [];
  });
}

/** The first two are the agent and the customer of the first segment. */
function sideOf(members: readonly Leg[], channel: number): 0 | 1 {
  if (channel < 2) return channel === 0 ? 0 : 1;
  return members.some(({ role }) => role === 'agent') ? 0 : 1;
}

/** A voice that another switch captured nearer has its name there. */
function partiesOf(channels: readonly Leg[][]): ArchivedParty[] {
  return channels.flatMap((members, channel) => {
    const named = members.filter(({ mirror, uri }) => mirror === undefined && uri !== '');
    const parties = [...Map.groupBy(named, ({ uri, dn = '' }) => `${dn} ${uri}`).values()];
    return parties.flatMap((legs) => partyOf(legs, channel) ?? []);
  });
}

function partyOf(legs: readonly Leg[], channel: number): ArchivedParty | undefined {
  const [first] = legs;
  if (first === undefined) return undefined;
  const { label, role, number, uri, name, dn, agentId } = first;
  const [from, to] = [Math.min(...legs.map((leg) => leg.from)), Math.max(...legs.map((leg) => leg.to))];
  const [startTime, stopTime] = [from, to].map((at) => new Date(Math.floor(at / 1000)).toISOString());
  return { label, role, channel, number, uri, name, dn, agentId, startTime, stopTime };
}
