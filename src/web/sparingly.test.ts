// However many ask, the work is done once a second, and a failure is not kept for longer.
import t from 'tap';
import { sparingly } from './sparingly.ts';

t.test('one answer for all who ask within a second', async (t) => {
  let [now, count] = [0, 0];
  const ask = sparingly(
    async () => {
      count += 1;
      if (count === 2) throw new Error('no');
      return count;
    },
    () => now,
  );
  t.same(await Promise.all([ask(), ask(), ask()]), [1, 1, 1]);
  now = 999;
  t.equal(await ask(), 1);
  now = 1000;
  await t.rejects(ask(), /no/);
  await t.rejects(ask(), /no/);
  now = 2000;
  t.equal(await ask(), 3);
});
