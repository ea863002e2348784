// Overload: seen when the daemon has been busy for a second, over when it has time again.
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { Overload } from './overload.ts';

function watching(percent: number) {
  let spent = { busy: 0, given: 250 };
  const overload = new Overload({ percent, spent: () => spent });
  overload.stop();
  const look = (share: number, times = 1, given = 250) => {
    spent = { busy: share * given, given };
    for (let count = 0; count < times; count++) overload.look();
    return overload.isOver;
  };
  return { overload, look };
}

t.test('one busy window is nothing, a second of them is too much', async (t) => {
  const { overload, look } = watching(98);
  t.equal(look(1, 3), false, 'at the start');
  t.equal(look(0, 4), false);
  t.equal(look(1, 3), false);
  t.equal(look(1), true);
  t.equal(overload.percent, 100);
});

t.test('it ends when there is time again, and not at once', async (t) => {
  const { look } = watching(98);
  look(1, 4);
  t.equal(look(0.95, 4), true);
  t.equal(look(0.5), false);
});

t.test('of a machine that gives little time, more looks make a second', async (t) => {
  const { look } = watching(98);
  t.equal(look(1, 19, 50), false);
  t.equal(look(1, 1, 50), true);
  t.equal(look(0.5, 9, 50), false, 'half of that second was given after it had time again');
});

t.test('100 is never', async (t) => {
  t.equal(watching(100).look(1, 10), false);
});

t.test('the event loop itself is looked at', async (t) => {
  // Before its first turn the loop counts nothing.
  await setTimeout(1);
  const overload = new Overload({ percent: 98 });
  overload.stop();
  const end = performance.now() + 20;
  while (performance.now() < end);
  overload.look();
  t.ok(overload.percent > 0 && overload.percent <= 100);
});
