// What was decided on the calls that are up, for `grec why`: their events, but for those of ringing and holding.
import { runAfter } from '../sip/timer-queue.ts';
import { isDecisionEvent, isOfCall } from '../spool/call-events.ts';
import type { JournalEvent } from '../spool/events.ts';

/** Milliseconds after which the journal knows what it was told: its last lines wait for others. */
const WRITTEN_MS = 50;

export class LiveDecisions {
  readonly #calls = new Map<string, JournalEvent[]>();

  note(event: JournalEvent): void {
    if (!('call' in event) || event.call === undefined || !isDecisionEvent(event)) return;
    const events = this.#calls.get(event.call);
    if (events !== undefined) events.push(event);
    // A refused call is over already. Of one of an earlier life the journal knows the rest.
    else if (event.type === 'call.created' || event.type === 'call.restored')
      this.#calls.set(event.call, [event]);
  }

  /** The call is over: the journal tells of it from now on, or soon. */
  drop(call: string): void {
    runAfter(WRITTEN_MS, () => this.#calls.delete(call));
  }

  /** The events of the calls that have this part of an id: their own, that of a recording or of their conversation. */
  find(part: string): JournalEvent[][] {
    return [...this.#calls.values()].filter((events) => events.some((event) => isOfCall(event, part)));
  }
}
