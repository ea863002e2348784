// The metadata of a recording, from what the journals, the segments and the mixdown tell of it.

import { type AudioFormat, audioKind } from '../archive/audio-format.ts';
import { recordingIdOf } from '../archive/ids.ts';
import type { ArchivedParty, ChannelQuality, Metadata } from '../archive/metadata.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import type { JournalEvent } from '../spool/events.ts';
import type { SegmentFacts } from '../spool/segment.ts';
import { VERSION } from '../version.ts';
import { type Binding, bindParties } from './channels.ts';
import { describeDecision, describeFile, describeHeard, iso, masksOf } from './describe-parts.ts';
import { eventHistory } from './event-history.ts';
import { type Mixdown, type MixdownChannel, SAMPLE_RATE } from './mixdown.ts';
import { eventOf, type PendingCall } from './situation.ts';

export interface Described {
  id: string;
  /** All calls of its conversation, in the order in which they began. */
  calls: readonly PendingCall[];
  /** In order of time, at least one. */
  segments: readonly SegmentFacts[];
  mixdown: Mixdown;
  /** Bytes of the audio file. */
  size: number;
  remarks: string[];
  /** See `Decision`. */
  madeOf: string;
  binding: Binding;
  /** The name of each segment's switch. */
  switches?: readonly (string | undefined)[];
  /** WAV by default. */
  format?: AudioFormat;
}

/** `metadata.json` of a finished recording. */
export function describeRecording(described: Described): Metadata {
  const { id, calls, segments, mixdown, size, remarks, madeOf, binding, format = 'wav' } = described;
  const { parties } = binding;
  const [call] = calls;
  const { from, to } = endpoints(call, parties);
  const start = (mixdown.startAt ?? segments[0]?.opened.at ?? 0) / 1000;
  const duration = Math.round((mixdown.frames * 1000) / SAMPLE_RATE);
  const decided = decisionOn(id, calls);
  const ordered = segments.flatMap(({ opened }) => opened.metadata ?? [])[0];
  const agent = parties.find(({ role }) => role === 'agent');
  const named = {
    id,
    sessionId: sessionOf(calls, segments),
    callUuids: callsOf(calls, segments),
    joined: joinedOf(id, segments),
    direction: eventOf(call, 'call.created')?.direction,
    callerPhoneNumber: from,
    dialedPhoneNumber: to,
    startTime: iso(start * 1000),
    stopTime: iso((Math.floor(start) + duration) * 1000),
    duration,
    recordDn: decided?.dn ?? agent?.dn,
    agentId: decided?.agentId ?? agent?.agentId,
  };
  const file = { sampleRate: SAMPLE_RATE, channels: mixdown.fileChannels, duration, size };
  return {
    version: 1,
    ...named,
    fileName: ordered?.fileName,
    retention: ordered?.retention,
    decision: decided && describeDecision(decided),
    attachedData: attachedData(calls),
    parties,
    mediaFiles: [describeFile({ ...audioKind(format), ...file }, named)],
    quality: describeLanes(binding, mixdown),
    segments: segments.map((segment, index) => describeSegment(segment, described.switches?.[index])),
    masked: masksOf(calls),
    ...describeHeard(binding, mixdown),
    eventHistory: eventHistory(calls),
    events: [...describeEvents(calls), ...segments.flatMap(describePauses)],
    remarks,
    software: `grec ${VERSION}`,
    madeOf,
  };
}

/** The calls that are heard, in the order of time. */
function callsOf(calls: readonly PendingCall[], segments: readonly SegmentFacts[]): string[] {
  const heard = new Set(segments.flatMap(({ opened }) => opened.metadata?.call ?? []));
  const known = calls.map((call) => call.id).filter((call) => heard.has(call));
  return [...new Set([...known, ...heard])];
}

/** Other recordings of the conversation that are part of this one. */
function joinedOf(id: string, segments: readonly SegmentFacts[]): string[] | undefined {
  const ids = segments.flatMap(({ opened }) =>
    opened.metadata === undefined ? [] : [recordingIdOf(opened.metadata.recording)],
  );
  const others = [...new Set(ids)].filter((other) => other !== id).toSorted();
  // A segment that came too late has a recording beside the one that it names.
  return others.length === 0 || !ids.includes(id) ? undefined : others;
}

/** The conversation that the calls were part of in the end. */
function sessionOf(calls: readonly PendingCall[], segments: readonly SegmentFacts[]): string | undefined {
  const said = eventsOf(calls).findLast(({ type }) => type === 'call.joined' || type === 'call.created');
  const told = said && 'sessionId' in said ? said.sessionId : undefined;
  return told ?? segments.findLast(({ opened }) => opened.metadata)?.opened.metadata?.sessionId;
}

/** Of all calls, in the order of time. */
function eventsOf(calls: readonly PendingCall[]) {
  const events = calls.flatMap((call) => call.events);
  return calls.length < 2 ? events : events.toSorted((one, other) => one.at - other.at);
}

/** The row of a recording of which there is no audio. */
export function failedRow(
  id: string,
  call: PendingCall | undefined,
  segments: readonly SegmentFacts[],
  reason: string,
): RecordingRow {
  const { parties } = bindParties(segments.map((facts) => ({ facts, source: call?.source ?? 0 })));
  const { from, to } = endpoints(call, parties);
  const created = eventOf(call, 'call.created');
  const at = segments[0]?.opened.at ?? (eventOf(call, 'call.answered') ?? call?.events[0])?.at ?? 0;
  return {
    id,
    sessionId: sessionOf(call === undefined ? [] : [call], segments) ?? null,
    state: 'failed',
    reason,
    direction: created?.direction ?? null,
    startTime: Math.floor(at / 1000),
    duration: 0,
    caller: from,
    callee: to,
    dn: decisionOn(id, call === undefined ? [] : [call])?.dn ?? null,
    path: null,
    size: 0,
    retention: segments.findLast(({ opened }) => opened.metadata)?.opened.metadata?.retention ?? '',
  };
}

/** The decision that this recording came from: the last one for recording before it began, else the first one. */
function decisionOn(id: string, calls: readonly PendingCall[]) {
  const isNamed = ({ events }: PendingCall) => events.some((event) => namesRecording(event, id));
  const call = calls.find(isNamed) ?? calls[0];
  // The media server is told of it after the decision, and may be heard before.
  const events = (call?.events ?? []).filter(({ daemon }) => daemon !== 'grec-mediad');
  const begun = events.findIndex((event) => namesRecording(event, id));
  const before = begun < 0 ? events : events.slice(0, begun);
  const decisions = before.filter((event) => event.type === 'recording.decided');
  return decisions.findLast(({ record }) => record) ?? decisions[0];
}

function namesRecording(event: JournalEvent, id: string): boolean {
  return 'recording' in event && event.recording !== undefined && recordingIdOf(event.recording) === id;
}

function endpoints(call: PendingCall | undefined, parties: readonly ArchivedParty[]) {
  const created = eventOf(call, 'call.created');
  const numberOf = (label: string) => parties.find((party) => party.label === label)?.number ?? '';
  const to = created?.dialled ?? created?.to.number ?? numberOf('b');
  return { from: created?.from.number ?? numberOf('a'), to };
}

function attachedData(calls: readonly PendingCall[]): Metadata['attachedData'] {
  const data = eventsOf(calls).flatMap((event) => (event.type === 'data.attached' ? [event.data] : []));
  return data.length === 0 ? undefined : Object.assign({}, ...data);
}

function describeLanes({ lanes }: Binding, { channels }: Mixdown): ChannelQuality[] {
  const told = channels.flatMap((counts, lane) => {
    const channel = lanes[lane]?.channel;
    return channel === undefined ? [] : [describeQuality(channel, counts)];
  });
  return told.toSorted((one, other) => one.channel - other.channel);
}

function describeQuality(channel: number, counts: MixdownChannel): ChannelQuality {
  const { packets, late, audioMs, quality } = counts;
  const codec = [...counts.decoded.keys(), ...counts.undecodable.keys()].join(', ') || 'none';
  return { channel, codec, packets, late, audioMs, ...quality, ...describeDrift(counts) };
}

function describeDrift({
  driftPpm,
  slips,
}: MixdownChannel): Pick<ChannelQuality, 'driftPpm' | 'driftSamples'> {
  if (driftPpm === undefined) return {};
  return { driftPpm: Math.round(driftPpm * 10) / 10, driftSamples: slips };
}

/** What an operator should know of the channels. */
export function channelRemarks(mixdown: Mixdown, { sides, lanes }: Binding): string[] {
  const hasCome = sides.map((_, channel) =>
    lanes.some((lane, index) => {
      const { packets = 0, masked = 0 } = mixdown.channels[index] ?? {};
      return lane.channel === channel && packets + masked > 0;
    }),
  );
  const undecodable = lanes.flatMap(({ channel }, index) =>
    [...(mixdown.channels[index]?.undecodable ?? [])].map(([encoding, packets]) => {
      return `${channelName(channel)}: ${packets} packets of ${encoding} cannot be decoded`;
    }),
  );
  const silent = sides.flatMap((_, channel) =>
    hasCome[channel] === true ? [] : [`${channelName(channel)}: no media came from this party`],
  );
  return [...undecodable, ...silent];
}

function channelName(channel: number): string {
  return ['left channel', 'right channel'][channel] ?? `channel ${channel + 1}`;
}

function describeSegment(
  { opened, closed }: SegmentFacts,
  from: string | undefined,
): Metadata['segments'][number] {
  const { metadata } = opened;
  return {
    id: opened.segment,
    host: opened.host,
    switch: from,
    recording: metadata?.recording,
    callUUID: metadata?.call,
    ngCallId: metadata === undefined ? opened.ngCallId : undefined,
    startTime: iso(opened.at),
    stopTime: iso(closed?.at ?? opened.at),
    reason: closed?.reason ?? 'open',
  };
}

/** What the media server says is in the segments. */
function describeEvents(calls: readonly PendingCall[]): NonNullable<Metadata['events']> {
  const told = eventsOf(calls).filter(({ daemon }) => daemon !== 'grec-mediad');
  return told.map(({ seq: _, at, daemon: __, type, ...rest }) => {
    return { occurredAt: iso(at), event: type, ...rest };
  });
}

/** Of a segment with no switch of ours, whose journal would tell who asked for it. */
function describePauses({ opened, pauses }: SegmentFacts): NonNullable<Metadata['events']> {
  if (opened.metadata !== undefined) return [];
  return pauses.map(({ type, at }) => {
    return { occurredAt: iso(at), event: `recording.${type}`, by: 'ng', ngCallId: opened.ngCallId };
  });
}
