// Which events belong to a call that somebody asks for, and which of them tell what was decided on it. Pure.
import type { JournalEvent } from './events.ts';

/** Everything that is said of a call but its ringing and holding. */
export function isDecisionEvent({ type }: JournalEvent): boolean {
  return type.startsWith('recording.') || DECISIONS.has(type);
}

const DECISIONS = new Set<string>([
  'call.created',
  'call.refused',
  'call.answered',
  'call.joined',
  'call.restored',
  'call.released',
]);

/** Part of an id as operators type it, without dashes; undefined when it cannot be one. */
export function partOfId(asked: string): string | undefined {
  const part = asked.toLowerCase().replaceAll('-', '');
  return /^[0-9a-f]{4,32}$/.test(part) ? part : undefined;
}

/** @param part of the id of its call, recording or conversation, see {@link partOfId} */
export function isOfCall(event: JournalEvent, part: string): boolean {
  return idsOf(event).some((id) => id.toLowerCase().replaceAll('-', '').includes(part));
}

function idsOf(event: JournalEvent): string[] {
  const call = 'call' in event ? event.call : undefined;
  const recording = 'recording' in event ? event.recording : undefined;
  const sessionId = 'sessionId' in event ? event.sessionId : undefined;
  const was = event.type === 'call.joined' ? event.was : undefined;
  return [call, recording, sessionId, was].filter((id) => id !== undefined);
}
