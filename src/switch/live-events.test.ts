// Live events reach those who listen, and nobody who has gone or cannot follow costs anything.
import t from 'tap';
import type { JournalEvent } from '../spool/events.ts';
import { LiveEvents } from './live-events.ts';

const event = (seq: number): JournalEvent => ({
  type: 'call.ringing',
  call: 'c',
  seq,
  at: 0,
  daemon: 'grec-sipd',
});

t.test('each listener gets what it wants, in order', async (t) => {
  const events = new LiveEvents();
  const even = events.listen((one) => one.seq % 2 === 0, new AbortController().signal);
  const first = even.next();
  for (const seq of [1, 2, 3, 4]) events.tell(event(seq));
  t.match((await first).value, { seq: 2 });
  t.match((await even.next()).value, { seq: 4 });
});

t.test('who hangs up is forgotten at once, even while nothing happens', async (t) => {
  const events = new LiveEvents();
  const gone = new AbortController();
  const listening = events.listen(() => true, gone.signal);
  const next = listening.next();
  t.equal(events.listeners, 1);
  gone.abort();
  t.same(await next, { done: true, value: undefined });
  t.equal(events.listeners, 0);
});

t.test('who does not read misses something, is told so, and is let go', async (t) => {
  const events = new LiveEvents();
  const listening = events.listen(() => true, new AbortController().signal);
  const first = listening.next();
  for (let seq = 1; seq <= 1000; seq += 1) events.tell(event(seq));
  t.match((await first).value, { seq: 1 });
  let last: unknown;
  let count = 1;
  for await (const one of listening) {
    last = one;
    count += 1;
  }
  t.match(last, { type: 'events.missed' });
  t.ok(count < 1000);
  t.equal(events.listeners, 0);
});
