// Names of recordings: UUIDs that are safe as directory names, whoever chose them (RFC 9562).
import { v5, validate } from 'uuid';

/** The name space of ids that are derived from something else, so that the same thing always gets the same id. */
const NAME_SPACE = '6f1c2b0e-7d55-4c0b-9a43-2f8f5d1a7c90';

/** The id of a recording: the switch's own when it is a UUID, else one derived from it. */
export function recordingIdOf(name: string): string {
  return validate(name) ? name.toLowerCase() : derived('recording', name);
}

/** The id of the recording that a segment without a switch becomes. */
export function recordingIdOfSegment(segment: string): string {
  return derived('segment', segment);
}

/** The id of a file of a recording. */
export function mediaIdOf(recording: string, path: string): string {
  return v5(`media:${recording}/${path}`, NAME_SPACE);
}

/** The id under which a call is kept that should have been recorded and never was. */
export function recordingIdOfCall(call: string): string {
  return derived('call', call);
}

/** A text that is no Unicode, of which half a character is left, has a name as well. */
function derived(kind: string, from: string): string {
  return v5(`${kind}:${from.toWellFormed()}`, NAME_SPACE);
}
