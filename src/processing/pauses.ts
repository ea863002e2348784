// When recordings were paused: what nobody was to hear then is not heard in any other recording of the conversation. Pure.
import { recordingIdOf } from '../archive/ids.ts';
import type { SegmentFacts } from '../spool/segment.ts';
import type { PendingCall } from './situation.ts';

/** What a pause cuts in two, and what is under way when it ends, is a packet: 20 ms, in microseconds. */
const PACKET_US = 20_000;

export interface Pause {
  recording: string;
  /** Microseconds since 1970; infinite when it was not ended. */
  from: number;
  to: number;
  by: string | undefined;
  reason: string;
}

/** The pauses that somebody asked for, in the order of time. */
export function pausesOf(calls: readonly PendingCall[]): Pause[] {
  return calls.flatMap(pausesOfCall).toSorted((one, other) => one.from - other.from);
}

function pausesOfCall({ events }: PendingCall): Pause[] {
  const pauses: Pause[] = [];
  const open = new Map<string, Pause>();
  for (const event of events) {
    if (event.type === 'call.released')
      for (const pause of open.values()) pause.to = Math.min(pause.to, event.at);
    if (
      event.type !== 'recording.paused' &&
      event.type !== 'recording.resumed' &&
      event.type !== 'recording.stopped'
    )
      continue;
    const recording = recordingIdOf(event.recording);
    const pause = open.get(recording);
    if (event.type === 'recording.paused') {
      const { at: from, by, reason } = event;
      const begun = { recording, from, to: Number.POSITIVE_INFINITY, by, reason };
      pauses.push(begun);
      open.set(recording, begun);
    } else if (pause !== undefined) {
      pause.to = event.at;
      open.delete(recording);
    }
  }
  return pauses;
}

/** What is not to be heard of a recording besides its own pauses, of which there is no capture. */
export function maskOf(recording: string | undefined, pauses: readonly Pause[]): [number, number][] {
  return pauses.filter((pause) => pause.recording !== recording).map(({ from, to }) => [from, to]);
}

/**
 * When whatever was said is not to be heard, though it comes, held up by the network, when the pause is over: the insides of all pauses.
 * @param segments all of the conversation: one begins where a pause ends, a moment before the switch says so
 */
export function silencesOf(pauses: readonly Pause[], segments: readonly SegmentFacts[]): [number, number][] {
  const asked = pauses.map(({ recording, from, to }): [number, number] => {
    const resumed = segments.flatMap(({ opened: { at, metadata } }) =>
      at > from && metadata !== undefined && recordingIdOf(metadata.recording) === recording ? [at] : [],
    );
    return [from, Math.min(to, ...resumed)];
  });
  return [...asked, ...segments.flatMap(pausedWithin)]
    .map(([from, to]): [number, number] => [from + PACKET_US, to - PACKET_US])
    .filter(([from, to]) => from < to);
}

/** As a foreign switch has it: within one segment. */
function pausedWithin({ pauses }: SegmentFacts): [number, number][] {
  return pauses.flatMap(({ type, at }, index): [number, number][] => {
    const end = pauses.slice(index).find((fact) => fact.type === 'resumed');
    return type === 'paused' ? [[at, end?.at ?? Number.POSITIVE_INFINITY]] : [];
  });
}
