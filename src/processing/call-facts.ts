// What the events of one call say of its recordings: which there are, what failed, and what is missing. Pure.
import { recordingIdOf } from '../archive/ids.ts';
import type { JournalEvent } from '../spool/events.ts';
import type { PendingCall, Situation, SpoolSegment } from './situation.ts';

/** What is needed of a call again and again. */
export interface CallSummary {
  /** Conversations that it is part of, or was (RFC 7989). */
  sessions: ReadonlySet<string>;
  /** Other calls that have become part of it. */
  consultations: readonly string[];
  /** Ids of the recordings that its switch names, or its media server: a call may be over before the switch can say that it was begun. */
  recordings: ReadonlySet<string>;
  /** Its beginning and its end, which is never while nobody knows it: microseconds since 1970. */
  from: number;
  to: number;
  /** Names the events of its switch. */
  mark: string;
}

/** Nobody has this one: a peer that knows none sends it (RFC 7989 section 5). */
const NULL_SESSION = '0'.repeat(32);

const summaries = new WeakMap<readonly JournalEvent[], { count: number; summary: CallSummary }>();

export function summaryOf({ events }: PendingCall): CallSummary {
  const known = summaries.get(events);
  if (known?.count === events.length) return known.summary;
  const summary = summarize(
    events.filter(({ daemon }) => daemon === 'grec-sipd'),
    recordingsIn(events),
  );
  summaries.set(events, { count: events.length, summary });
  return summary;
}

function recordingsIn(events: readonly JournalEvent[]): Set<string> {
  const named = events.flatMap((event) =>
    'recording' in event && event.recording !== undefined ? [recordingIdOf(event.recording)] : [],
  );
  return new Set(named);
}

function summarize(events: readonly JournalEvent[], recordings: ReadonlySet<string>): CallSummary {
  const sessions = events.flatMap((event) => {
    if (event.type === 'call.joined') return [event.sessionId, event.was];
    return event.type === 'call.created' ? [event.sessionId] : [];
  });
  const consultations = events.flatMap((event) =>
    event.type === 'call.transferred' && event.consultation !== undefined ? [event.consultation] : [],
  );
  const times = events.map(({ at }) => at);
  return {
    sessions: new Set(sessions.filter((id) => id !== NULL_SESSION)),
    consultations,
    recordings,
    from: Math.min(...times),
    to: events.some(({ type }) => type === 'call.released') ? Math.max(...times) : Number.POSITIVE_INFINITY,
    mark: events
      .map(({ seq, at }) => `${seq} ${at}`)
      .toSorted()
      .join(),
  };
}

/** The recordings of a call, and those that segments say are its. */
export function recordingsOf(call: PendingCall, segments: readonly SpoolSegment[]): Set<string> {
  const told = segments.flatMap(({ recording, call: of }) =>
    of === call.id && recording !== undefined ? [recording] : [],
  );
  return new Set([...summaryOf(call).recordings, ...told]);
}

export function failuresOf(recording: string, call: PendingCall): string[] {
  return call.events.flatMap((event) => {
    return event.type === 'recording.failed' && recordingIdOf(event.recording) === recording
      ? [event.reason]
      : [];
  });
}

/**
 * What another's media server has captured is lost with it: nothing there is repaired by its next start.
 * @param used segments that have become part of the recording already: of another's no journal tells
 */
export function interruptionsOf(
  recording: string,
  call: PendingCall,
  segments: readonly SpoolSegment[],
  used: readonly string[],
): string[] {
  const journaled = new Set(
    call.events.flatMap((event) => (event.type === 'segment.opened' ? [event.segment] : [])),
  );
  const isForeign =
    segments.some(({ isUnjournaled }) => isUnjournaled) || used.some((id) => !journaled.has(id));
  if (!isForeign) return [];
  return call.events.flatMap((event) => {
    return event.type === 'recording.interrupted' && recordingIdOf(event.recording) === recording
      ? [`what its media server had captured before it was lost may be missing: ${event.reason}`]
      : [];
  });
}

/** Segments that the media server's journal tells of and that are neither in the spool nor done. */
export function missingSegments(
  recording: string,
  call: PendingCall,
  segments: readonly SpoolSegment[],
  situation: Situation,
): string[] {
  const present = new Set(segments.map(({ id }) => id));
  return call.events.flatMap((event) => {
    if (event.type !== 'segment.opened' || event.recording === undefined) return [];
    if (recordingIdOf(event.recording) !== recording || present.has(event.segment)) return [];
    return situation.isDone(event.segment) ? [] : [event.segment];
  });
}
