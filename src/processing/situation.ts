// What consolidation looks at, and what it may decide. Values alone.
import type { JournalEvent } from '../spool/events.ts';

/** A call that is not settled: its events, in order of time. */
export interface PendingCall {
  id: string;
  events: readonly JournalEvent[];
  /** Of which switch, by the number of its state directory; 0, ours, when absent. */
  source?: number | undefined;
}

/** A segment in the spool that is not part of any recording yet. */
export interface SpoolSegment {
  id: string;
  /** Absent when a foreign switch drove the media server. Always a safe id, see `recordingIdOf`. */
  recording?: string | undefined;
  call?: string | undefined;
  /** Wall clock, microseconds since 1970; undefined while it is open. */
  closedAt: number | undefined;
  /** Of one that was imported: when, and all segments of its recording. */
  imported?: { at: number; segments: readonly string[] } | undefined;
  /** No journal says how many of them there are. */
  isUnjournaled?: boolean | undefined;
}

/** What the catalog says of a recording. */
export interface KnownRecording {
  state: 'failed' | 'finished';
  /** See {@link Decision}; null when that is not known. */
  madeOf: string | null;
  /** It has become part of another one, whose state this is. */
  isJoined?: boolean | undefined;
  /** It was deleted, or is under hold, and is not made again. */
  isFixed?: boolean | undefined;
}

export interface Situation {
  calls: readonly PendingCall[];
  segments: readonly SpoolSegment[];
  /** A recording that has been joined with another one is that one. */
  rowOf(recording: string): KnownRecording | undefined;
  /** Whether a segment has become part of a recording. */
  isDone(segment: string): boolean;
  /** The segments that a recording was made of. */
  usedBy(recording: string): readonly string[];
  /** Whether a segment that is done is kept, so that its recording can be made anew. */
  isKept(segment: string): boolean;
  /** When each switch was started last, as its journal tells, by source: calls of its earlier lives are over. */
  switchStarted?: ReadonlyMap<number, Pick<JournalEvent, 'at' | 'seq'>> | undefined;
  /** How long a call over a trunk waits for what another switch tells of its conversation, in microseconds. */
  waitUs?: number | undefined;
  /** Wall clock, microseconds since 1970. */
  now: number;
}

export type Decision =
  /** Make a recording of these segments. `partial` says why it is not the whole call. */
  | {
      do: 'finish';
      recording: string;
      /** All calls of its conversation, in the order in which they began. */
      calls: readonly PendingCall[];
      segments: string[];
      partial: string[];
      remarks: string[];
      /** Names all that it is made of: when that is something else, it is made again. */
      madeOf: string;
      /** Other recordings of the same conversation, which are part of it. */
      joins: string[];
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

export type EventOf<T extends JournalEvent['type']> = Extract<JournalEvent, { type: T }>;

/** The first event of that type. */
export function eventOf<T extends JournalEvent['type']>(
  call: PendingCall | undefined,
  type: T,
): EventOf<T> | undefined {
  return call?.events.find((event): event is EventOf<T> => event.type === type);
}

/** Microseconds since an event. One from the future has an age that nobody knows: nothing waits for its time to come. */
export function ageOf(at: number, now: number): number {
  return at > now + MOST_AHEAD_US ? Number.POSITIVE_INFINITY : now - at;
}
