// Turns of the event loop: work that waits goes on in order, nobody starves, and other things happen in between.
import t from 'tap';
import { restedMs, Turns } from './turns.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

t.test('a turn is over after its time, and the next one is fresh', async (t) => {
  const turns = new Turns(2);
  t.notOk(turns.isOver);
  const until = performance.now() + 3;
  while (performance.now() < until);
  t.ok(turns.isOver);
  await turn();
  await turn();
  t.notOk(turns.isOver);
});

t.test('who has much to do gives way to who waits', async (t) => {
  const turns = new Turns(0);
  const done: string[] = [];
  const work = (name: string, count: number) => () => {
    done.push(name);
    if (count > 1) turns.later(work(name, count - 1));
  };
  turns.later(work('a', 3));
  turns.later(work('b', 1));
  turns.later(work('c', 2));
  while (done.length < 6) await turn();
  t.same(done, ['a', 'b', 'c', 'a', 'c', 'a']);
});

t.test('dense turns are made longer, one that comes alone is not', async (t) => {
  const calls: string[] = [];
  const turns = new Turns(100, { milliseconds: 300, before: () => void calls.push('before') });
  const before = restedMs();
  t.notOk(turns.isOver);
  await turn();
  await turn();
  t.same([calls.length, restedMs()], [0, before], 'the first one');
  t.notOk(turns.isOver);
  await turn();
  await turn();
  t.same(calls, ['before'], 'what waits is sent first');
  t.ok(restedMs() - before > 10, 'the second one on its heels');
});
