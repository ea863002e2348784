// What Interaction Recording Web Services tell of a conversation, from the events of its calls.
import t from 'tap';
import type { EventBody, JournalEvent } from '../spool/events.ts';
import { eventHistory } from './event-history.ts';
import type { PendingCall } from './situation.ts';

const customer = { number: '+49301', uri: 'sip:+49301@h', trunk: 'provider' };
const agent = { number: '7001', uri: 'sip:7001@h', dn: '7001', agentId: '2201' };
const expert = { number: '7002', uri: 'sip:7002@h', dn: '7002', name: 'Jo' };

const callOf = (id: string, ...bodies: EventBody[]): PendingCall => ({
  id,
  events: bodies.map((body, index): JournalEvent => {
    return { seq: index + 1, at: index * 1_000_000, daemon: 'grec-sipd', ...body };
  }),
});
const brief = (calls: PendingCall[]) =>
  eventHistory(calls).map(({ event, contact, data, occurredAt, by }) =>
    [Date.parse(occurredAt) / 1000, event, contact?.phoneNumber ?? by ?? data].filter(
      (word) => word !== undefined,
    ),
  );
const call = 'c';
const created = (to = agent): EventBody => {
  return { type: 'call.created', call, sessionId: 's', direction: 'inbound', from: customer, to };
};

t.test('who joined, held, left; what was paused and attached', async (t) => {
  const asked = { call, recording: 'r', by: 'desk', reason: 'card' };
  const told = callOf(
    'c',
    created(),
    { type: 'data.attached', call, data: { queue: 'sales', tier: '1' } },
    { type: 'call.answered', call },
    { type: 'call.held', call, label: 'b' },
    { type: 'call.retrieved', call, label: 'b' },
    { type: 'recording.paused', ...asked },
    { type: 'recording.resumed', ...asked },
    { type: 'data.attached', call, data: { tier: '2', vip: 'yes' } },
    { type: 'party.left', call, label: 'b', party: agent },
    { type: 'party.joined', call, label: 'b', party: expert },
    { type: 'call.released', call, by: 'a', status: 200, reason: 'bye', answered: true },
  );
  t.same(brief([told]), [
    [1, 'data', { added: { queue: 'sales', tier: '1' } }],
    [2, 'Joined', '+49301'],
    [2, 'Joined', '7001'],
    [3, 'Held', '7001'],
    [4, 'Retrieved', '7001'],
    [5, 'Paused', 'desk'],
    [6, 'Resumed', 'desk'],
    [7, 'data', { added: { vip: 'yes' }, updated: { tier: '2' } }],
    [8, 'Left', '7001'],
    [9, 'Joined', '7002'],
    [10, 'Left', '+49301'],
    [10, 'Left', '7002'],
  ]);
  t.match(eventHistory([told])[2], { calluuid: 'c', contact: { dn: '7001', agentId: '2201' } });
});

t.test('of several who were called, the one who answered; nobody of a call without answer', async (t) => {
  const hunt = { ...agent, number: '7900', uri: 'sip:7900@h' };
  const answered = callOf('c', created(hunt), { type: 'call.answered', call, to: agent });
  t.same(brief([answered]), [
    [1, 'Joined', '+49301'],
    [1, 'Joined', '7001'],
  ]);
  const released = {
    type: 'call.released',
    call,
    by: 'a',
    status: 487,
    reason: 'gone',
    answered: false,
  } as const;
  t.same(brief([callOf('c', created(), released)]), []);
  t.same(
    brief([callOf('c', { type: 'call.held', call, label: 'b' })]),
    [[0, 'Held']],
    'whose beginning is lost',
  );
});
