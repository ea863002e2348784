// The decision to make a recording of what a conversation has left, or to make it again. Pure.
import { createHash } from 'node:crypto';
import { recordingIdOfSegment } from '../archive/ids.ts';
import { endOf, isGraceOver, releaseOf } from './call-end.ts';
import { failuresOf, interruptionsOf, missingSegments, summaryOf } from './call-facts.ts';
import {
  ageOf,
  type Decision,
  eventOf,
  IMPORT_GRACE_US,
  type KnownRecording,
  type PendingCall,
  type Situation,
  type SpoolSegment,
} from './situation.ts';

/** What one call has left of one recording. */
export interface Part {
  recording: string;
  call: PendingCall;
  /** Those that no recording was made of yet. */
  segments: readonly SpoolSegment[];
  row: KnownRecording | undefined;
  /** Segments that the recording was made of. */
  used: readonly string[];
}

type FinishDecision = Extract<Decision, { do: 'finish' }>;
type Finish = Omit<FinishDecision, 'do' | 'joins'> & { joins?: string[]; row: KnownRecording | undefined };

/**
 * What is to be made of the parts of a conversation, all of which have ended.
 * The recording that was begun first gives its name to all: identifiers sort by time (RFC 9562 section 5.7).
 */
export function finishParts(
  parts: readonly Part[],
  calls: readonly PendingCall[],
  situation: Situation,
): { decisions: Decision[]; isOpen: boolean } {
  if (parts.some((part) => mustWait(part, calls, situation))) return { decisions: [], isOpen: true };
  const fixed = parts.filter(({ row, segments }) => row?.isFixed === true && segments.length > 0);
  const free = parts.filter(({ row }) => row?.isFixed !== true);
  const step = free.length === 0 ? { decisions: [], isOpen: false } : finishFree(free, calls, situation);
  const late = fixed.map((part) => finishLate(part, calls, situation));
  return { decisions: [...step.decisions, ...late], isOpen: step.isOpen || late.length > 0 };
}

/** Of those that may be made again. */
function finishFree(
  parts: readonly Part[],
  calls: readonly PendingCall[],
  situation: Situation,
): { decisions: Decision[]; isOpen: boolean } {
  const fresh = parts.flatMap(({ segments }) => segments.map(({ id }) => id));
  const used = parts.flatMap((part) => part.used);
  const segments = [...new Set([...used, ...fresh])].toSorted();
  const partial = partialReasons(parts, situation);
  const isOver = calls.every((call) => releaseOf(call, situation) !== undefined);
  const madeOf = markOf(segments, partial, isOver ? calls : []);
  const [recording = '', ...joins] = [...new Set(parts.map((part) => part.recording))].toSorted();
  const row = parts.find((part) => part.recording === recording)?.row;
  const isOne = parts.every((part) => part.recording === recording || part.row?.isJoined === true);
  if (row?.madeOf === madeOf && fresh.length === 0 && isOne) return { decisions: [], isOpen: false };
  const finish = { recording, calls, segments, partial, remarks: [], madeOf, row };
  const canRepeat = used.every((id) => situation.isKept(id));
  // Nothing is made again of what an older grec, or nobody, knows the parts of.
  const isKnown = row === undefined || row.madeOf !== null || fresh.length > 0;
  if (canRepeat && isKnown) return { decisions: [finished({ ...finish, joins })], isOpen: true };
  if (fresh.length === 0) return { decisions: [], isOpen: false };
  const late = parts.filter(({ segments: some }) => some.length > 0);
  return { decisions: late.map((part) => finishLate(part, calls, situation)), isOpen: true };
}

/** Whether something of it may still be on its way. */
function mustWait(
  { recording, call, segments }: Part,
  calls: readonly PendingCall[],
  situation: Situation,
): boolean {
  const end = endOf(recording, call, situation);
  const age = end === undefined ? 0 : ageOf(end, situation.now);
  if (segments.some(({ isUnjournaled }) => isUnjournaled) && age <= IMPORT_GRACE_US) return true;
  const isMissing = missingSegments(recording, call, segments, situation).length > 0;
  if (isMissing && !isGraceOver(call, situation)) return true;
  const { waitUs = 0 } = situation;
  const hasTrunk = calls.some(
    (one) => (eventOf(one, 'call.created')?.direction ?? 'internal') !== 'internal',
  );
  return hasTrunk && age <= waitUs;
}

function partialReasons(parts: readonly Part[], situation: Situation): string[] {
  const reasons = parts.flatMap(({ recording, call, segments, used }) => [
    ...failuresOf(recording, call).map((reason) => `recording failed: ${reason}`),
    ...missingSegments(recording, call, segments, situation).map((id) => `segment ${id} is not in the spool`),
    ...interruptionsOf(recording, call, segments, used),
  ]);
  return [...new Set(reasons)];
}

/** The history of calls that go on is not whole: until then it does not count. */
function markOf(
  segments: readonly string[],
  partial: readonly string[],
  calls: readonly PendingCall[],
): string {
  const events = calls.map((call) => [call.id, summaryOf(call).mark]);
  const all = JSON.stringify([segments, partial.toSorted(), events.toSorted()]);
  return createHash('sha256').update(all).digest('hex').slice(0, 32);
}

function finished({ row: _, joins = [], ...finish }: Finish): Decision {
  return { do: 'finish', ...finish, joins };
}

/** What its recording was made of is gone: the segment becomes a recording of its own, and nothing is lost. */
function finishLate(part: Part, calls: readonly PendingCall[], situation: Situation): Decision {
  const { recording, segments, row } = part;
  const partial = partialReasons([part], situation);
  if (row?.state === 'finished') return finishAlone(recording, calls, segments, partial, []);
  const ids = segments.map(({ id }) => id);
  return { ...unknown(recording, ids, partial, []), calls };
}

/** A recording beside the one to which the segments belong, which cannot be made again. */
export function finishAlone(
  recording: string,
  calls: readonly PendingCall[],
  segments: readonly SpoolSegment[],
  partial: string[],
  remarks: string[],
): Decision {
  const ids = segments.map(({ id }) => id);
  const late = `it came after recording ${recording}, to which it belongs, was finished`;
  const own = recordingIdOfSegment(ids[0] ?? '');
  const madeOf = markOf(ids, partial, []);
  return {
    do: 'finish',
    recording: own,
    calls,
    segments: ids,
    partial,
    remarks: [...remarks, late],
    madeOf,
    joins: [],
  };
}

/** A recording of segments of which no journal tells. */
export function finishUnknown(
  recording: string,
  segments: readonly SpoolSegment[],
  { partial = [], remarks = [] }: { partial?: string[]; remarks?: string[] },
  situation: Situation,
): Decision {
  const row = situation.rowOf(recording);
  if (row?.state !== 'finished')
    return unknown(
      recording,
      segments.map(({ id }) => id),
      partial,
      remarks,
    );
  const used = situation.usedBy(recording);
  const all = [...new Set([...used, ...segments.map(({ id }) => id)])].toSorted();
  if (row.isFixed !== true && used.length > 0 && used.every((id) => situation.isKept(id)))
    return unknown(recording, all, partial, remarks);
  return finishAlone(recording, [], segments, partial, remarks);
}

function unknown(
  recording: string,
  segments: string[],
  partial: string[],
  remarks: string[],
): FinishDecision {
  const madeOf = markOf(segments, partial, []);
  return { do: 'finish', recording, calls: [], segments, partial, remarks, madeOf, joins: [] };
}
