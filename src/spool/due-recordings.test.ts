// Which calls had to be recorded: answered ones that were to be, or were; once they are over, or forgotten.
import t from 'tap';
import { DueRecordings } from './due-recordings.ts';
import type { EventBody, JournalEvent } from './events.ts';

const from = { number: '7002', uri: 'sip:7002@h' };
const to = { number: '7001', uri: 'sip:7001@h' };

function journal(...events: EventBody[]): JournalEvent[] {
  return events.map((event, index) => ({
    seq: index + 1,
    at: (index + 1) * 1000,
    daemon: 'grec-sipd',
    ...event,
  }));
}

const created = (call: string, dialled?: string): EventBody => ({
  type: 'call.created',
  call,
  sessionId: 's',
  direction: 'internal',
  from,
  to,
  ...(dialled === undefined ? {} : { dialled }),
});
const decided = (call: string, record: boolean): EventBody => ({
  type: 'recording.decided',
  call,
  record,
  reason: 'because',
});
const released = (call: string, answered = true): EventBody => ({
  type: 'call.released',
  call,
  by: 'a',
  status: 200,
  reason: 'over',
  answered,
});
const stopped = (call: string, recording: string): EventBody => ({
  type: 'recording.stopped',
  call,
  recording,
  reason: 'over',
});

function dueOf(...events: EventBody[]) {
  const due = new DueRecordings();
  const calls = journal(...events).flatMap((event) => due.take(event) ?? []);
  return { calls, forgotten: [...due.forgotten()], up: due.up, answered: due.answered };
}

t.test('a call that was to be recorded and was answered, with the names of its recordings', async (t) => {
  const { calls, up, answered } = dueOf(
    created('a', '7900'),
    decided('a', true),
    stopped('a', 'one'),
    stopped('a', 'one'),
    stopped('a', 'two'),
    released('a'),
  );
  const times = { createdAt: 1000, releasedAt: 6000 };
  t.same(calls, [
    { call: 'a', from: '7002', to: '7900', ...times, recordings: ['one', 'two'], failures: [] },
  ]);
  t.same([up, answered], [0, 1]);
});

t.test('one that began on request; one that never began, and why', async (t) => {
  const failed: EventBody = {
    type: 'recording.failed',
    call: 'b',
    recording: 'r',
    reason: 'no media server',
  };
  const { calls } = dueOf(
    created('a'),
    decided('a', false),
    stopped('a', 'asked'),
    released('a'),
    created('b'),
    decided('b', true),
    failed,
    released('b'),
    created('c'),
    decided('c', true),
    released('c'),
  );
  t.same(
    calls.map(({ recordings, failures }) => [recordings, failures]),
    [
      [['asked'], []],
      [['r'], ['no media server']],
      [[], []],
    ],
  );
});

t.test(
  'nothing is due of one that was not to be recorded, not answered, not begun here, or is up',
  async (t) => {
    const { calls, forgotten, up, answered } = dueOf(
      created('no'),
      decided('no', false),
      released('no'),
      created('unanswered'),
      decided('unanswered', true),
      released('unanswered', false),
      stopped('older than the journal', 'r'),
      released('older than the journal'),
      created('up'),
      decided('up', true),
      { type: 'call.answered', call: 'up' },
    );
    t.same([calls, forgotten, up, answered], [[], [], 1, 1]);
  },
);

t.test(
  'a call that the switch has forgotten in a restart is over; one that it took up again is not',
  async (t) => {
    const { forgotten, up } = dueOf(
      ...['lost', 'ringing', 'restored'].flatMap((call) => [created(call), decided(call, true)]),
      { type: 'call.answered', call: 'lost' },
      { type: 'call.answered', call: 'restored' },
      { type: 'daemon.started', version: '1', pid: 1 },
      { type: 'call.restored', call: 'restored' },
    );
    t.match(forgotten, [{ call: 'lost', releasedAt: 9000 }]);
    t.equal(forgotten.length, 1);
    t.equal(up, 1);
  },
);
