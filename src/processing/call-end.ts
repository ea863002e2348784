// When a call and its recordings are over, as far as the journals tell. Pure.
import { recordingIdOf } from '../archive/ids.ts';
import {
  ageOf,
  type EventOf,
  eventOf,
  type PendingCall,
  RELEASE_GRACE_US,
  SEGMENT_GRACE_US,
  type Situation,
} from './situation.ts';

/** The media server's events alone do not make a call: they may come after it was settled. */
export function isOfSwitch(call: PendingCall): boolean {
  return call.events.some(({ daemon }) => daemon === 'grec-sipd');
}

/**
 * How the call ended. A switch that was killed says so when it starts again; when even that was lost, with its database
 * or the end of its journal, that it has been started since tells enough.
 */
export function releaseOf(
  call: PendingCall,
  { switchStarted, now }: Situation,
): EventOf<'call.released'> | undefined {
  const told = eventOf(call, 'call.released');
  const started = switchStarted?.get(call.source ?? 0);
  if (told !== undefined || started === undefined) return told;
  const ofSwitch = call.events.filter(({ daemon }) => daemon === 'grec-sipd');
  // Neither alone tells: the clock may have been set, and numbers are used again when the journal lost its end.
  if (ofSwitch.some(({ at, seq }) => at >= started.at && seq > started.seq)) return undefined;
  if (ageOf(started.at, now) <= SEGMENT_GRACE_US) return undefined;
  return {
    type: 'call.released',
    seq: 1,
    daemon: 'grec-sipd',
    at: started.at,
    call: call.id,
    by: 'switch',
    status: 500,
    reason: 'the switch was restarted',
    answered: eventOf(call, 'call.answered') !== undefined,
  };
}

/** Whether nothing more is recorded of it. */
export function hasEnded(recording: string, call: PendingCall, situation: Situation): boolean {
  if (releaseOf(call, situation) !== undefined) return true;
  return stopsOf(recording, call).some(({ at }) => ageOf(at, situation.now) > RELEASE_GRACE_US);
}

function stopsOf(recording: string, call: PendingCall) {
  return call.events.filter(
    (event) => event.type === 'recording.stopped' && recordingIdOf(event.recording) === recording,
  );
}

/** When it ended, as far as is known, in microseconds since 1970. */
export function endOf(recording: string, call: PendingCall, situation: Situation): number | undefined {
  return (releaseOf(call, situation) ?? stopsOf(recording, call).at(-1))?.at;
}

/** Whether a segment of the call would have shown by now. */
export function isGraceOver(call: PendingCall, situation: Situation): boolean {
  const released = releaseOf(call, situation);
  return released !== undefined && ageOf(released.at, situation.now) > SEGMENT_GRACE_US;
}
