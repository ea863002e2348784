// Calls that are settled keep nothing in memory but their links, and lose nothing by that.
import t from 'tap';
import type { JournalEvent } from '../spool/events.ts';
import { KnownCalls } from './known-calls.ts';

const from = { number: '7002', uri: 'sip:7002@h' };
let seq = 0;

type Body = Partial<JournalEvent> & Pick<JournalEvent, 'type'>;

function told(call: string, body: Body, daemon: JournalEvent['daemon'] = 'grec-sipd'): JournalEvent {
  seq += 1;
  return { daemon, seq, at: seq * 1000, call, ...body } as JournalEvent;
}

/** As the catalog keeps them: each event is kept before it is told. */
function known() {
  const kept = new Map<string, JournalEvent[]>();
  const asked: string[] = [];
  const calls = new KnownCalls((call) => {
    asked.push(call);
    return kept.get(call) ?? [];
  });
  const tell = (call: string, body: Body, daemon?: JournalEvent['daemon']) => {
    const event = told(call, body, daemon);
    kept.set(call, [event, ...(kept.get(call) ?? [])]);
    calls.add(call, event, 0);
    return event;
  };
  const created = (call: string, sessionId: string) =>
    tell(call, { type: 'call.created', sessionId, from, dialled: '7001' } as Body);
  return { calls, kept, asked, tell, created };
}

t.test(
  'a settled call is recalled with all its events, in order, when a call of its conversation comes',
  async (t) => {
    const { calls, asked, tell, created } = known();
    const events = [created('one', 'a'.repeat(32)), tell('one', { type: 'call.released' })];
    calls.settle('one', 1);
    t.same(calls.linked(), []);
    created('two', 'b'.repeat(32));
    t.same(
      calls.linked().map(({ id }) => id),
      ['two'],
      'another conversation',
    );
    t.same(asked, []);
    created('three', 'a'.repeat(32));
    t.same(calls.linked().find(({ id }) => id === 'one')?.events, events);
    t.same(
      calls.pending().map(({ id }) => id),
      ['two', 'three'],
      'it stays settled',
    );
  },
);

t.test(
  'something new of a settled call opens it again; the last words of the media server do not',
  async (t) => {
    const { calls, tell, created } = known();
    const events = [created('one', 'a'.repeat(32)), tell('one', { type: 'call.released' })];
    calls.settle('one', 1);
    events.push(tell('one', { type: 'segment.closed', segment: 's' } as Body, 'grec-mediad'));
    t.same(calls.pending(), []);
    events.push(tell('one', { type: 'segment.opened', segment: 's' } as Body, 'grec-mediad'));
    t.ok(calls.isKnown('one'));
    t.same(calls.pending(), [{ id: 'one', source: 0, events }]);
    t.same(calls.linked(), calls.pending(), 'once');
  },
);

t.test('what cannot be recalled now is recalled the next time', async (t) => {
  let isBroken = true;
  const calls = new KnownCalls(() => {
    if (isBroken) throw new Error('the catalog does not answer');
    return [told('one', { type: 'call.ringing' })];
  });
  calls.add('one', told('one', { type: 'call.ringing' }), 0);
  calls.settle('one', 1);
  calls.add('one', told('one', { type: 'call.released' }), 0);
  t.throws(() => calls.linked(), /does not answer/);
  t.same(calls.forget(2), [], 'and not forgotten before');
  isBroken = false;
  t.equal(calls.linked().length, 1);
});

t.test('what is forgotten links nothing any more', async (t) => {
  const { calls, created } = known();
  created('one', 'a'.repeat(32));
  calls.settle('one', 1);
  created('two', 'a'.repeat(32));
  calls.settle('two', 5);
  t.same(calls.forget(3), ['one']);
  t.notOk(calls.isKnown('one'));
  created('three', 'a'.repeat(32));
  t.same(
    calls.linked().map(({ id }) => id),
    ['three', 'two'],
  );
});
