// Calls a second: so many and no more, for each source by itself.
import fc from 'fast-check';
import t from 'tap';
import { Rates } from './rates.ts';

t.test('as many as allowed at once, then one for each share of a second', async (t) => {
  let now = 0;
  const rates = new Rates({ now: () => now });
  const take = (source = 'a') => rates.take(source, 4);
  t.same([take(), take(), take(), take(), take()], [true, true, true, true, false]);
  t.equal(take('b'), true, 'others are not concerned');
  now += 250;
  t.same([take(), take()], [true, false]);
  now += 60_000;
  t.same([take(), take(), take(), take(), take()], [true, true, true, true, false], 'nothing is saved up');
});

t.test('0 is no limit, and nothing is remembered for it', async (t) => {
  const rates = new Rates({ now: () => 0, capacity: 1 });
  t.equal(rates.take('a', 1), true);
  for (let count = 0; count < 100; count++) t.ok(rates.take(`free ${count}`, 0));
  t.equal(rates.take('a', 1), false);
});

t.test('never more than the limit in any second after the first burst', async () => {
  const steps = fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 200 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), steps, (perSecond, waits) => {
      let now = 0;
      const rates = new Rates({ now: () => now });
      let granted = 0;
      for (const wait of waits) {
        now += wait;
        if (rates.take('a', perSecond)) granted += 1;
      }
      return granted <= perSecond + (now / 1000) * perSecond;
    }),
  );
});
