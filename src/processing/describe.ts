// The metadata of a recording, from what the journals, the segments and the mixdown tell of it.

import { type AudioFormat, audioKind } from '../archive/audio-format.ts';
import { recordingIdOf } from '../archive/ids.ts';
import type { ArchivedParty, ChannelQuality, Metadata } from '../archive/metadata.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import type { Party, SegmentFacts, Stream } from '../spool/segment.ts';
import { VERSION } from '../version.ts';
import { eventOf, type PendingCall } from './consolidate.ts';
import { type Mixdown, type MixdownChannel, SAMPLE_RATE } from './mixdown.ts';
import type { Label } from './stream-map.ts';

export interface Described {
  id: string;
  call: PendingCall | undefined;
  /** In order of time, at least one. */
  segments: readonly SegmentFacts[];
  mixdown: Mixdown;
  /** Bytes of the audio file. */
  size: number;
  remarks: string[];
  /** Two channels of WAV by default. */
  audio?: { format: AudioFormat; channels: 'two' | 'mixed' };
}

const SIDES = ['left', 'right'] as const;

/** Which channel each party speaks on: the agent left, the customer right; a left and b right when that is not clear. */
export function bindChannels({ opened }: SegmentFacts): Record<Label, 0 | 1> {
  const agents = (opened.metadata?.parties ?? opened.parties ?? []).filter(({ role }) => role === 'agent');
  return agents.length === 1 && agents[0]?.label === 'b' ? { a: 1, b: 0 } : { a: 0, b: 1 };
}

/** `metadata.json` of a finished recording. */
export function describeRecording(described: Described): Metadata {
  const { id, call, segments, mixdown, size, remarks } = described;
  const { audio = { format: 'wav', channels: 'two' } } = described;
  const channelCount = audio.channels === 'two' ? 2 : 1;
  const parties = archivedParties(segments);
  const { from, to } = endpoints(call, parties);
  const start = (mixdown.startAt ?? segments[0]?.opened.at ?? 0) / 1000;
  const duration = Math.round((mixdown.frames * 1000) / SAMPLE_RATE);
  const decided = decisionOn(id, call);
  const created = eventOf(call, 'call.created');
  const ordered = segments.flatMap(({ opened }) => opened.metadata ?? [])[0];
  return {
    version: 1,
    id,
    sessionId: sessionOf(call, segments),
    callUuids: [...new Set(segments.flatMap(({ opened }) => opened.metadata?.call ?? []))],
    direction: created?.direction,
    callerPhoneNumber: from,
    dialedPhoneNumber: to,
    startTime: iso(start * 1000),
    stopTime: iso((Math.floor(start) + duration) * 1000),
    duration,
    recordDn: decided?.dn ?? parties.find(({ role }) => role === 'agent')?.dn,
    agentId: decided?.agentId ?? parties.find(({ role }) => role === 'agent')?.agentId,
    fileName: ordered?.fileName,
    retention: ordered?.retention,
    decision: decided && { reason: decided.reason, side: decided.side },
    attachedData: attachedData(call),
    parties,
    mediaFiles: [
      { ...audioKind(audio.format), sampleRate: SAMPLE_RATE, channels: channelCount, duration, size },
    ],
    quality: [describeQuality(0, mixdown.channels[0]), describeQuality(1, mixdown.channels[1])],
    segments: segments.map(describeSegment),
    eventHistory: [...describeEvents(call), ...segments.flatMap(describePauses)],
    remarks,
    software: `grec ${VERSION}`,
  };
}

/** The conversation that the call was part of in the end. */
function sessionOf(call: PendingCall | undefined, segments: readonly SegmentFacts[]): string | undefined {
  const said = call?.events.findLast(({ type }) => type === 'call.joined' || type === 'call.created');
  const told = said && 'sessionId' in said ? said.sessionId : undefined;
  return told ?? segments.findLast(({ opened }) => opened.metadata)?.opened.metadata?.sessionId;
}

/** The catalog's row of a recording whose files stand in `path`. */
export function rowOfMetadata(metadata: Metadata, path: string): RecordingRow {
  return {
    id: metadata.id,
    sessionId: metadata.sessionId ?? null,
    state: isPartial(metadata) ? 'partial' : 'complete',
    reason: isPartial(metadata) ? reasonsOf(metadata) : null,
    direction: metadata.direction ?? null,
    startTime: Date.parse(metadata.startTime),
    duration: metadata.duration,
    caller: metadata.callerPhoneNumber,
    callee: metadata.dialedPhoneNumber,
    dn: metadata.recordDn ?? null,
    path,
    size: metadata.mediaFiles[0]?.size ?? 0,
    retention: metadata.retention ?? '',
  };
}

/** With this begin the remarks that make a recording partial, so that the files alone tell it. */
export const PARTIAL = 'partial: ';

export function isPartial({ remarks }: Metadata): boolean {
  return remarks.some((remark) => remark.startsWith(PARTIAL));
}

function reasonsOf({ remarks }: Metadata): string {
  const reasons = remarks.filter((remark) => remark.startsWith(PARTIAL));
  return reasons.map((remark) => remark.slice(PARTIAL.length)).join('; ');
}

/** The row of a recording of which there is no audio. */
export function failedRow(
  id: string,
  call: PendingCall | undefined,
  segments: readonly SegmentFacts[],
  reason: string,
): RecordingRow {
  const parties = archivedParties(segments);
  const { from, to } = endpoints(call, parties);
  const created = eventOf(call, 'call.created');
  const at = segments[0]?.opened.at ?? (eventOf(call, 'call.answered') ?? call?.events[0])?.at ?? 0;
  return {
    id,
    sessionId: sessionOf(call, segments) ?? null,
    state: 'failed',
    reason,
    direction: created?.direction ?? null,
    startTime: Math.floor(at / 1000),
    duration: 0,
    caller: from,
    callee: to,
    dn: decisionOn(id, call)?.dn ?? null,
    path: null,
    size: 0,
    retention: segments.findLast(({ opened }) => opened.metadata)?.opened.metadata?.retention ?? '',
  };
}

/** The decision that this recording came from: the last one for recording before it began, else the first one. */
function decisionOn(id: string, call: PendingCall | undefined) {
  const events = call?.events ?? [];
  const begun = events.findIndex((event) => {
    return 'recording' in event && event.recording !== undefined && recordingIdOf(event.recording) === id;
  });
  const before = begun < 0 ? events : events.slice(0, begun);
  const decisions = before.filter((event) => event.type === 'recording.decided');
  return decisions.findLast(({ record }) => record) ?? decisions[0];
}

function endpoints(call: PendingCall | undefined, parties: readonly ArchivedParty[]) {
  const created = eventOf(call, 'call.created');
  const numberOf = (label: string) => parties.find((party) => party.label === label)?.number ?? '';
  const to = created?.dialled ?? created?.to.number ?? numberOf('b');
  return { from: created?.from.number ?? numberOf('a'), to };
}

function attachedData(call: PendingCall | undefined): Metadata['attachedData'] {
  const data = (call?.events ?? []).flatMap((event) => (event.type === 'data.attached' ? [event.data] : []));
  return data.length === 0 ? undefined : Object.assign({}, ...data);
}

/** Everybody who had a channel, once. */
function archivedParties(segments: readonly SegmentFacts[]): ArchivedParty[] {
  const parties = new Map<string, ArchivedParty>();
  for (const segment of segments) {
    const channels = bindChannels(segment);
    const { metadata, parties: told, streams } = segment.opened;
    for (const party of metadata?.parties ?? told ?? streams.map(strangerOf)) {
      const { label, role, number, uri, name, dn, agentId } = party;
      const channel = channels[label];
      parties.set(`${channel} ${label} ${uri}`, { label, role, channel, number, uri, name, dn, agentId });
    }
  }
  return [...parties.values()].sort((one, other) => one.channel - other.channel);
}

/** Without a switch of ours all that is known of a party is where its media came from. */
function strangerOf({ label, tag, address }: Stream): Party {
  return { label, tag, role: label === 'a' ? 'agent' : 'customer', number: address, uri: `sip:${address}` };
}

function describeQuality(channel: 0 | 1, counts: MixdownChannel): ChannelQuality {
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
export function channelRemarks(mixdown: Mixdown): string[] {
  return SIDES.flatMap((side, channel) => {
    const counts = mixdown.channels[channel === 0 ? 0 : 1];
    const undecodable = [...counts.undecodable].map(([encoding, packets]) => {
      return `${side} channel: ${packets} packets of ${encoding} cannot be decoded`;
    });
    const silent = counts.packets === 0 ? [`${side} channel: no media came from this party`] : [];
    return [...undecodable, ...silent];
  });
}

function describeSegment({ opened, closed }: SegmentFacts): Metadata['segments'][number] {
  return {
    id: opened.segment,
    host: opened.host,
    ngCallId: opened.metadata === undefined ? opened.ngCallId : undefined,
    startTime: iso(opened.at),
    stopTime: iso(closed?.at ?? opened.at),
    reason: closed?.reason ?? 'open',
  };
}

function describeEvents(call: PendingCall | undefined): Metadata['eventHistory'] {
  return (call?.events ?? []).map(({ seq: _, at, daemon: __, type, ...rest }) => {
    return { occurredAt: iso(at), event: type, ...rest };
  });
}

/** Of a segment with no switch of ours, whose journal would tell who asked for it. */
function describePauses({ opened, pauses }: SegmentFacts): Metadata['eventHistory'] {
  if (opened.metadata !== undefined) return [];
  return pauses.map(({ type, at }) => {
    return { occurredAt: iso(at), event: `recording.${type}`, by: 'ng', ngCallId: opened.ngCallId };
  });
}

/** @param micros microseconds since 1970 */
function iso(micros: number): string {
  return new Date(Math.floor(micros / 1000)).toISOString();
}
