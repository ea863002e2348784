// The history of a conversation as Genesys's Interaction Recording Web Services have it: who was in it when, and what changed. Pure.
import type { HistoryEvent } from '../archive/metadata.ts';
import type { JournalEvent } from '../spool/events.ts';
import { type EventOf, eventOf, type PendingCall } from './situation.ts';
import type { Label } from './stream-map.ts';

type Party = EventOf<'party.joined'>['party'];
type Said = Omit<HistoryEvent, 'occurredAt' | 'calluuid'>;

/** In the order of time. @param calls in the order in which they began */
export function eventHistory(calls: readonly PendingCall[]): HistoryEvent[] {
  const data = new Map<string, string>();
  const told = calls.flatMap((call) => {
    const parties = new CallParties(call);
    return call.events.flatMap((event) =>
      [...parties.take(event), ...recordingWords(event)].map((said) => ({
        call: call.id,
        at: event.at,
        said,
      })),
    );
  });
  const attached = calls.flatMap((call) =>
    call.events.flatMap((event) => (event.type === 'data.attached' ? [{ call: call.id, event }] : [])),
  );
  const ofData = attached
    .toSorted((one, other) => one.event.at - other.event.at)
    .map(({ call, event }) => ({ call, at: event.at, said: dataWord(event.data, data) }));
  return [...told, ...ofData]
    .toSorted((one, other) => one.at - other.at)
    .map(({ call, at, said }) => ({
      occurredAt: new Date(Math.floor(at / 1000)).toISOString(),
      calluuid: call,
      ...said,
    }));
}

/** What is new, and what has another value than before. */
function dataWord(data: Record<string, string>, known: Map<string, string>): Said {
  const added: Record<string, string> = {};
  const updated: Record<string, string> = {};
  for (const [key, value] of Object.entries(data)) {
    if (known.has(key)) updated[key] = value;
    else added[key] = value;
    known.set(key, value);
  }
  const isOf = (values: Record<string, string>) => Object.keys(values).length > 0;
  return { event: 'data', data: { ...(isOf(added) && { added }), ...(isOf(updated) && { updated }) } };
}

function recordingWords(event: JournalEvent): Said[] {
  if (event.type !== 'recording.paused' && event.type !== 'recording.resumed') return [];
  const { by, reason } = event;
  return [{ event: event.type === 'recording.paused' ? 'Paused' : 'Resumed', by, reason }];
}

/** Who is on each side of one call. */
class CallParties {
  readonly #present = new Map<Label, Party>();

  constructor(call: PendingCall) {
    const created = eventOf(call, 'call.created');
    if (created === undefined) return;
    this.#present.set('a', created.from);
    this.#present.set('b', eventOf(call, 'call.answered')?.to ?? created.to);
  }

  take(event: JournalEvent): Said[] {
    switch (event.type) {
      case 'call.answered':
        return [...this.#present.values()].map((party) => said('Joined', party));
      case 'call.released':
        return event.answered ? [...this.#present.values()].map((party) => said('Left', party)) : [];
      case 'call.held':
        return [said('Held', this.#present.get(labelOf(event)))];
      case 'call.retrieved':
        return [said('Retrieved', this.#present.get(labelOf(event)))];
      case 'party.joined':
        this.#present.set(labelOf(event), event.party);
        return [said('Joined', event.party)];
      case 'party.left':
        return [said('Left', event.party)];
      default:
        return [];
    }
  }
}

function labelOf({ label }: { label: string }): Label {
  return label === 'b' ? 'b' : 'a';
}

function said(event: HistoryEvent['event'], party: Party | undefined): Said {
  if (party === undefined) return { event };
  const { number: phoneNumber, uri, name, dn, agentId } = party;
  return { event, contact: { phoneNumber, uri, name, dn, agentId } };
}
