// When recordings were paused: what nobody was to hear then is not heard in any other recording of the conversation. Pure.
import { recordingIdOf } from '../archive/ids.ts';
import type { PendingCall } from './situation.ts';

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
