// The call of imported segments: its events as their capture tells them, so that it is described like any other one. Pure.
import type { EventBody, JournalEvent } from '../spool/events.ts';
import type { ImportedCall, Party, RecordingMetadata, SegmentFacts } from '../spool/segment.ts';
import type { PendingCall } from './situation.ts';

/** Undefined when these segments were not imported. */
export function importedCall(segments: readonly SegmentFacts[]): PendingCall | undefined {
  const [first] = segments.toSorted((one, other) => one.opened.at - other.opened.at);
  const { metadata, imported } = first?.opened ?? {};
  if (metadata === undefined || imported === undefined) return undefined;
  const events = eventsOf(metadata, imported).map(([at, body], index): JournalEvent => {
    return { seq: index + 1, at, daemon: 'grec-procd', ...body };
  });
  return { id: metadata.call, events: events.toSorted((one, other) => one.at - other.at) };
}

function eventsOf({ call, recording, sessionId, parties }: RecordingMetadata, imported: ImportedCall) {
  const { createdAt, ringingAt, answeredAt, releasedAt, releasedBy, at, by, files, callIds, direction } =
    imported;
  const [from, to] = [partyOf(parties, 'a'), partyOf(parties, 'b')];
  const events: [number, EventBody][] = [
    ...(direction === undefined
      ? []
      : ([[createdAt, { type: 'call.created', call, sessionId, direction, from, to }]] satisfies [
          number,
          EventBody,
        ][])),
    ...(ringingAt === undefined
      ? []
      : ([[ringingAt, { type: 'call.ringing', call }]] satisfies [number, EventBody][])),
    [answeredAt, { type: 'call.answered', call }],
    [at, { type: 'recording.imported', call, recording, by, files, callIds }],
  ];
  if (releasedAt !== undefined) {
    const who = releasedBy === 'b' ? 'callee' : 'caller';
    const reason = `hung up by the ${who}`;
    events.push([
      releasedAt,
      { type: 'call.released', call, by: releasedBy ?? 'a', status: 200, reason, answered: true },
    ]);
  }
  return events;
}

function partyOf(parties: readonly Party[], label: Party['label']) {
  const found = parties.find((party) => party.label === label);
  const { number = '', uri = '', name, dn } = found ?? {};
  return { number, uri, ...(name === undefined ? {} : { name }), ...(dn === undefined ? {} : { dn }) };
}
