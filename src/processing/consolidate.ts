// Consolidation: what is to be done, given the calls' events, the segments in the spool and the time. Pure.
//
// It looks at all that is known at once and never at what came last, so that the order in which the journals, the
// spool and a restart bring the facts makes no difference, and doing it twice does no harm.

import { recordingIdOf, recordingIdOfCall, recordingIdOfSegment } from '../archive/ids.ts';
import type { JournalEvent } from '../spool/events.ts';

/** A call that is not settled: its events, in order of time. */
export interface PendingCall {
  id: string;
  events: readonly JournalEvent[];
}

/** A segment in the spool that is not part of any recording yet. */
export interface SpoolSegment {
  id: string;
  /** Absent when a foreign switch drove the media server. Always a safe id, see {@link recordingIdOf}. */
  recording?: string | undefined;
  call?: string | undefined;
  /** Wall clock, microseconds since 1970; undefined while it is open. */
  closedAt: number | undefined;
  /** Of one that was imported: when, and all segments of its recording. */
  imported?: { at: number; segments: readonly string[] } | undefined;
  /** No journal says how many of them there are. */
  isUnjournaled?: boolean | undefined;
}

export interface Situation {
  calls: readonly PendingCall[];
  segments: readonly SpoolSegment[];
  /** What the catalog says of a recording. */
  rowOf(recording: string): 'failed' | 'finished' | undefined;
  /** Whether a segment has become part of a recording. */
  isDone(segment: string): boolean;
  /** When the switch was started last, as its journal tells: calls of its earlier lives are over. */
  switchStarted?: Pick<JournalEvent, 'at' | 'seq'> | undefined;
  /** Wall clock, microseconds since 1970. */
  now: number;
}

export type Decision =
  /** Make a recording of these segments. `partial` says why it is not the whole call. */
  | {
      do: 'finish';
      recording: string;
      call: PendingCall | undefined;
      segments: string[];
      partial: string[];
      remarks: string[];
    }
  /** There is nothing to make a recording of, though there should be. */
  | { do: 'fail'; recording: string; call: PendingCall; reason: string }
  /** Nothing more is to come of this call. */
  | { do: 'settle'; call: string };

/** How long a segment may take to show after its call was released, in microseconds. */
export const SEGMENT_GRACE_US = 10_000_000;
/** How long the last segment of a recording may take to be imported, in microseconds. */
export const IMPORT_GRACE_US = 3_000_000;
/** How long a call whose recording failed is remembered: a little longer than the media server tries to write it. */
export const LATE_SEGMENT_GRACE_US = 360_000_000;
/** How long a closed segment waits for the first event of its call. */
export const CALL_GRACE_US = 60_000_000;
/** How long a stopped recording waits for the end of its call, which is part of its history. */
export const RELEASE_GRACE_US = 2_000_000;

/** Events that lie further ahead than this were dated by a clock that has been set since. */
const MOST_AHEAD_US = 60_000_000;

type EventOf<T extends JournalEvent['type']> = Extract<JournalEvent, { type: T }>;

/** The first event of that type. */
export function eventOf<T extends JournalEvent['type']>(
  call: PendingCall | undefined,
  type: T,
): EventOf<T> | undefined {
  return call?.events.find((event): event is EventOf<T> => event.type === type);
}

/** Microseconds since an event. One from the future has an age that nobody knows: nothing waits for its time to come. */
function ageOf(at: number, now: number): number {
  return at > now + MOST_AHEAD_US ? Number.POSITIVE_INFINITY : now - at;
}

/**
 * How the call ended. A switch that was killed says so when it starts again; when even that was lost, with its database
 * or the end of its journal, that it has been started since tells enough.
 */
function releaseOf(
  call: PendingCall,
  { switchStarted, now }: Situation,
): EventOf<'call.released'> | undefined {
  const told = eventOf(call, 'call.released');
  if (told !== undefined || switchStarted === undefined) return told;
  const ofSwitch = call.events.filter(({ daemon }) => daemon === 'grec-sipd');
  // Neither alone tells: the clock may have been set, and numbers are used again when the journal lost its end.
  if (ofSwitch.some(({ at, seq }) => at >= switchStarted.at && seq > switchStarted.seq)) return undefined;
  if (ageOf(switchStarted.at, now) <= SEGMENT_GRACE_US) return undefined;
  return {
    type: 'call.released',
    seq: 1,
    daemon: 'grec-sipd',
    at: switchStarted.at,
    call: call.id,
    by: 'switch',
    status: 500,
    reason: 'the switch was restarted',
    answered: eventOf(call, 'call.answered') !== undefined,
  };
}

/** What is to be done now. What must wait is not in it, and will be when it is asked again later. */
export function decide(situation: Situation): Decision[] {
  const known = new Set(situation.calls.filter(isOfSwitch).map(({ id }) => id));
  const orphans = situation.segments.filter(({ call }) => call === undefined || !known.has(call));
  return [
    ...situation.calls.flatMap((call) => decideCall(call, situation)),
    ...decideOrphans(orphans, situation),
  ];
}

/** The media server's events alone do not make a call: they may come after it was settled. */
function isOfSwitch(call: PendingCall): boolean {
  return call.events.some(({ daemon }) => daemon === 'grec-sipd');
}

function decideCall(call: PendingCall, situation: Situation): Decision[] {
  if (!isOfSwitch(call)) return forgetLeftover(call, situation);
  const segments = situation.segments.filter((segment) => segment.call === call.id);
  const recordings = recordingsOf(call, segments);
  const steps = [...recordings].map((recording) => decideRecording(recording, call, segments, situation));
  const decisions = steps.flatMap(({ decision }) => decision ?? []);
  const released = releaseOf(call, situation);
  if (released === undefined || steps.some(({ isOpen }) => isOpen)) return decisions;
  if (recordings.size > 0) return [...decisions, { do: 'settle', call: call.id }];
  return decideUnrecorded(call, released, situation);
}

function forgetLeftover(call: PendingCall, { segments, now }: Situation): Decision[] {
  const isOld = call.events.every(({ at }) => ageOf(at, now) > CALL_GRACE_US);
  const isUsed = segments.some((segment) => segment.call === call.id);
  return isOld && !isUsed ? [{ do: 'settle', call: call.id }] : [];
}

function recordingsOf(call: PendingCall, segments: readonly SpoolSegment[]): Set<string> {
  const named = call.events.flatMap((event) => {
    return event.daemon === 'grec-sipd' && 'recording' in event && event.recording !== undefined
      ? [recordingIdOf(event.recording)]
      : [];
  });
  return new Set([...named, ...segments.flatMap(({ recording }) => recording ?? [])]);
}

/** `isOpen`: the recording needs something more before its call is settled. */
interface Step {
  decision?: Decision;
  isOpen: boolean;
}

function decideRecording(
  recording: string,
  call: PendingCall,
  ofCall: readonly SpoolSegment[],
  situation: Situation,
): Step {
  const segments = ofCall.filter((segment) => segment.recording === recording);
  const row = situation.rowOf(recording);
  if (segments.length > 0) return finishSegments(recording, call, segments, situation);
  if (row !== undefined) return { isOpen: row === 'failed' && mayStillCome(recording, call, situation) };
  return decideWithoutSegments(recording, call, situation);
}

/** A recording that a full disk refused is written as soon as there is space, and the call's events belong to it. */
function mayStillCome(recording: string, call: PendingCall, situation: Situation): boolean {
  const released = releaseOf(call, situation);
  if (released === undefined || failuresOf(recording, call).length === 0) return false;
  return ageOf(released.at, situation.now) <= LATE_SEGMENT_GRACE_US;
}

function finishSegments(
  recording: string,
  call: PendingCall,
  segments: SpoolSegment[],
  situation: Situation,
): Step {
  if (segments.some(({ closedAt }) => closedAt === undefined)) return { isOpen: true };
  if (!hasEnded(recording, call, situation)) return { isOpen: true };
  if (segments.some(({ isUnjournaled }) => isUnjournaled) && !isImportOver(recording, call, situation))
    return { isOpen: true };
  const missing = missingSegments(recording, call, segments, situation);
  if (missing.length > 0 && !isGraceOver(call, situation)) return { isOpen: true };
  const partial = [
    ...failuresOf(recording, call).map((reason) => `recording failed: ${reason}`),
    ...missing.map((segment) => `segment ${segment} is not in the spool`),
    ...interruptionsOf(recording, call, segments),
  ];
  return { decision: finishOrAdd(recording, call, segments, partial, [], situation), isOpen: true };
}

/** A segment that shows after its recording was finished becomes a recording of its own: nothing is lost. */
function finishOrAdd(
  recording: string,
  call: PendingCall | undefined,
  segments: SpoolSegment[],
  partial: string[],
  remarks: string[],
  situation: Situation,
): Decision {
  const ids = segments.map(({ id }) => id);
  const [first = ''] = ids;
  if (situation.rowOf(recording) !== 'finished')
    return { do: 'finish', recording, call, segments: ids, partial, remarks };
  const late = `it came after recording ${recording}, to which it belongs, was finished`;
  const own = recordingIdOfSegment(first);
  return { do: 'finish', recording: own, call, segments: ids, partial, remarks: [...remarks, late] };
}

function hasEnded(recording: string, call: PendingCall, situation: Situation): boolean {
  if (releaseOf(call, situation) !== undefined) return true;
  return call.events.some((event) => {
    if (event.type !== 'recording.stopped' || recordingIdOf(event.recording) !== recording) return false;
    return ageOf(event.at, situation.now) > RELEASE_GRACE_US;
  });
}

/** What another's media server has captured is lost with it: nothing there is repaired by its next start. */
function interruptionsOf(recording: string, call: PendingCall, segments: readonly SpoolSegment[]): string[] {
  if (!segments.some(({ isUnjournaled }) => isUnjournaled)) return [];
  return call.events.flatMap((event) => {
    return event.type === 'recording.interrupted' && recordingIdOf(event.recording) === recording
      ? [`what its media server had captured before it was lost may be missing: ${event.reason}`]
      : [];
  });
}

/** Whether another segment of a recording that no journal of a media server tells of would have been imported by now. */
function isImportOver(recording: string, call: PendingCall, situation: Situation): boolean {
  const ends = call.events.filter(
    (event) => event.type === 'recording.stopped' && recordingIdOf(event.recording) === recording,
  );
  const end = releaseOf(call, situation) ?? ends.at(-1);
  return end !== undefined && ageOf(end.at, situation.now) > IMPORT_GRACE_US;
}

function isGraceOver(call: PendingCall, situation: Situation): boolean {
  const released = releaseOf(call, situation);
  return released !== undefined && ageOf(released.at, situation.now) > SEGMENT_GRACE_US;
}

/** Segments that the media server's journal tells of and that are neither in the spool nor done. */
function missingSegments(
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

function failuresOf(recording: string, call: PendingCall): string[] {
  return call.events.flatMap((event) => {
    return event.type === 'recording.failed' && recordingIdOf(event.recording) === recording
      ? [event.reason]
      : [];
  });
}

function decideWithoutSegments(recording: string, call: PendingCall, situation: Situation): Step {
  const released = releaseOf(call, situation);
  if (released === undefined) return { isOpen: true };
  const [failure] = failuresOf(recording, call);
  if (failure !== undefined)
    return { decision: { do: 'fail', recording, call, reason: failure }, isOpen: true };
  if (!isGraceOver(call, situation)) return { isOpen: true };
  // A call that nobody answered has nothing to record.
  if (!released.answered) return { isOpen: false };
  const reason = 'recording was started, but the media server left no segment in the spool';
  return { decision: { do: 'fail', recording, call, reason }, isOpen: true };
}

function decideUnrecorded(
  call: PendingCall,
  released: EventOf<'call.released'>,
  situation: Situation,
): Decision[] {
  const isDue = released.answered && eventOf(call, 'recording.decided')?.record === true;
  if (!isDue) return [{ do: 'settle', call: call.id }];
  const recording = recordingIdOfCall(call.id);
  if (situation.rowOf(recording) !== undefined) return [{ do: 'settle', call: call.id }];
  if (!isGraceOver(call, situation)) return [];
  const reason = 'the call was to be recorded and was answered, but recording never started';
  return [{ do: 'fail', recording, call, reason }];
}

function decideOrphans(orphans: readonly SpoolSegment[], situation: Situation): Decision[] {
  const foreign = orphans.filter(
    ({ recording, closedAt }) => recording === undefined && closedAt !== undefined,
  );
  const alone = foreign.map((segment): Decision => {
    const recording = recordingIdOfSegment(segment.id);
    return { do: 'finish', recording, call: undefined, segments: [segment.id], partial: [], remarks: [] };
  });
  const named = Map.groupBy(orphans, ({ recording }) => recording ?? '');
  named.delete('');
  return [
    ...alone,
    ...[...named].flatMap(([recording, group]) => decideUnknown(recording, group, situation)),
  ];
}

/** Segments of a recording whose call is not in any journal. */
function decideUnknown(recording: string, segments: SpoolSegment[], situation: Situation): Decision[] {
  const { imported } = segments[0] ?? {};
  if (imported !== undefined) return decideImported(recording, segments, imported, situation);
  const isDue = segments.every(({ closedAt }) => {
    return closedAt !== undefined && ageOf(closedAt, situation.now) > CALL_GRACE_US;
  });
  if (!isDue) return [];
  const remark = 'the journals know no event of this call: made from what the media server noted';
  return [finishOrAdd(recording, undefined, segments, [], [remark], situation)];
}

/** The segments of an import appear one after the other, and nothing but their facts tells of their call. */
function decideImported(
  recording: string,
  segments: SpoolSegment[],
  imported: NonNullable<SpoolSegment['imported']>,
  situation: Situation,
): Decision[] {
  const present = new Set(segments.map(({ id }) => id));
  const missing = imported.segments.filter((id) => !present.has(id) && !situation.isDone(id));
  if (missing.length > 0 && ageOf(imported.at, situation.now) <= CALL_GRACE_US) return [];
  const partial = missing.map((segment) => `segment ${segment} is not in the spool`);
  return [finishOrAdd(recording, undefined, segments, partial, [], situation)];
}
