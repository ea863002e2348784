// Consolidation: what is to be done, given the calls' events, the segments in the spool and the time. Pure.
//
// It looks at all that is known at once and never at what came last, so that the order in which the journals, the
// spool and a restart bring the facts makes no difference, and doing it twice does no harm. A recording is made of all
// segments of one conversation; when it turns out later that there are more, or that two conversations were one, it is
// made again.
import { recordingIdOfCall } from '../archive/ids.ts';
import { hasEnded, isGraceOver, isOfSwitch, releaseOf } from './call-end.ts';
import { failuresOf, recordingsOf } from './call-facts.ts';
import { conversationsOf } from './conversation.ts';
import { finishParts, type Part } from './finish-decision.ts';
import { decideOrphans } from './orphans.ts';
import {
  ageOf,
  CALL_GRACE_US,
  type Decision,
  type EventOf,
  eventOf,
  LATE_SEGMENT_GRACE_US,
  type PendingCall,
  type Situation,
  type SpoolSegment,
} from './situation.ts';

/** What is to be done now. What must wait is not in it, and will be when it is asked again later. */
export function decide(asked: Situation): Decision[] {
  const { calls, segments } = asked;
  const situation = { ...asked, byCall: Map.groupBy(segments, ({ call }) => call) };
  const ofSwitch = calls.filter(isOfSwitch);
  const known = new Set(ofSwitch.map(({ id }) => id));
  const orphans = segments.filter(({ call }) => call === undefined || !known.has(call));
  return [
    ...conversationsOf(ofSwitch).flatMap((conversation) => decideConversation(conversation, situation)),
    ...calls.filter((call) => !isOfSwitch(call)).flatMap((call) => forgetLeftover(call, situation)),
    ...decideOrphans(orphans, situation),
  ];
}

/** With its segments by call: there may be thousands of both. */
interface Sorted extends Situation {
  byCall: ReadonlyMap<string | undefined, readonly SpoolSegment[]>;
}

function forgetLeftover(call: PendingCall, { byCall, now }: Sorted): Decision[] {
  const isOld = call.events.every(({ at }) => ageOf(at, now) > CALL_GRACE_US);
  return isOld && !byCall.has(call.id) ? [{ do: 'settle', call: call.id }] : [];
}

/** `isOpen`: something more is to come before its calls are settled. */
export interface Step {
  decisions: Decision[];
  isOpen: boolean;
}

function decideConversation(calls: readonly PendingCall[], situation: Sorted): Decision[] {
  const parts = partsOf(calls, situation);
  const bare = parts.filter((part) => !isRecorded(part)).toSorted(byRecording);
  const steps = [
    ...bare.map((part) => decideWithoutSegments(part, situation)),
    decideRecorded(parts, calls, situation),
    ...calls.map((call) => decideUnrecorded(call, parts, situation)),
  ];
  const decisions = steps.flatMap((step) => step.decisions);
  const isOver = calls.every((call) => releaseOf(call, situation) !== undefined);
  if (!isOver || steps.some(({ isOpen }) => isOpen)) return decisions;
  return [...decisions, ...calls.map(({ id }): Decision => ({ do: 'settle', call: id }))];
}

function partsOf(calls: readonly PendingCall[], situation: Sorted): Part[] {
  return calls.flatMap((call) => {
    const ofCall = situation.byCall.get(call.id) ?? [];
    return [...recordingsOf(call, ofCall)].map((recording): Part => {
      const segments = ofCall.filter((segment) => segment.recording === recording);
      const row = situation.rowOf(recording);
      return { recording, call, segments, row, used: row === undefined ? [] : situation.usedBy(recording) };
    });
  });
}

/** The first one may turn out to have taken the others in. */
function byRecording(one: Part, other: Part): number {
  return one.recording < other.recording ? -1 : 1;
}

/** There is, or was, something to make a recording of. */
function isRecorded({ segments, used, row }: Part): boolean {
  return segments.length + used.length > 0 || row?.isJoined === true;
}

function decideRecorded(parts: readonly Part[], calls: readonly PendingCall[], situation: Situation): Step {
  const recorded = parts.filter(isRecorded);
  if (recorded.length === 0) return { decisions: [], isOpen: false };
  if (parts.some((part) => isRunning(part, situation))) return { decisions: [], isOpen: true };
  const step = finishParts(recorded, calls, situation);
  return { ...step, isOpen: step.isOpen || recorded.some((part) => mayStillCome(part, situation)) };
}

/** It goes on; or it has ended, and its first segment may be about to show. */
function isRunning(part: Part, situation: Situation): boolean {
  const { recording, call, segments, row } = part;
  if (segments.some(({ closedAt }) => closedAt === undefined)) return true;
  if (isRecorded(part)) return !hasEnded(recording, call, situation);
  if (row !== undefined || failuresOf(recording, call).length > 0) return false;
  const released = releaseOf(call, situation);
  return released === undefined || (released.answered && !isGraceOver(call, situation));
}

/** A recording that a full disk refused is written as soon as there is space, and the call's events belong to it. */
function mayStillCome({ recording, call, row }: Part, situation: Situation): boolean {
  const released = releaseOf(call, situation);
  if (row?.state !== 'failed' || released === undefined || failuresOf(recording, call).length === 0)
    return false;
  return ageOf(released.at, situation.now) <= LATE_SEGMENT_GRACE_US;
}

function decideWithoutSegments(part: Part, situation: Situation): Step {
  const { recording, call, row } = part;
  if (row !== undefined) return { decisions: [], isOpen: mayStillCome(part, situation) };
  const released = releaseOf(call, situation);
  if (released === undefined) return { decisions: [], isOpen: true };
  const [failure] = failuresOf(recording, call);
  if (failure !== undefined)
    return { decisions: [{ do: 'fail', recording, call, reason: failure }], isOpen: true };
  if (!isGraceOver(call, situation)) return { decisions: [], isOpen: true };
  // A call that nobody answered has nothing to record.
  if (!released.answered) return { decisions: [], isOpen: false };
  const reason = 'recording was started, but the media server left no segment in the spool';
  return { decisions: [{ do: 'fail', recording, call, reason }], isOpen: true };
}

/** Of a call that was to be recorded, and of which no recording is known. */
function decideUnrecorded(call: PendingCall, parts: readonly Part[], situation: Situation): Step {
  const released: EventOf<'call.released'> | undefined = releaseOf(call, situation);
  if (released === undefined || parts.some((part) => part.call === call))
    return { decisions: [], isOpen: false };
  const recording = recordingIdOfCall(call.id);
  const isDue = released.answered && eventOf(call, 'recording.decided')?.record === true;
  if (!isDue || situation.rowOf(recording) !== undefined) return { decisions: [], isOpen: false };
  if (!isGraceOver(call, situation)) return { decisions: [], isOpen: true };
  const reason = 'the call was to be recorded and was answered, but recording never started';
  return { decisions: [{ do: 'fail', recording, call, reason }], isOpen: true };
}
