// Limits of requests: depth, rates, and how long guessing takes.
import t from 'tap';
import { Guesses } from './guesses.ts';
import { isTooDeep, Rates, sourceOf } from './limits.ts';

t.test('depth is counted outside of strings alone', async (t) => {
  t.equal(isTooDeep('[['.repeat(10)), true);
  t.equal(isTooDeep('{"a":"[[[[[[[[[[[[[[[[[[[[[["}'), false);
  t.equal(isTooDeep('{"a\\"[[[[[[[[[[[[[[[[[[[[[":1}'), false);
  t.equal(isTooDeep('[]'.repeat(100)), false);
});

t.test('a rate is even, and its memory bounded', async (t) => {
  let now = 0;
  const rates = new Rates(60, () => now);
  for (let count = 0; count < 60; count += 1) t.equal(rates.take('a'), 0);
  t.equal(rates.take('a'), 1);
  t.equal(rates.take('b'), 0);
  now += 1000;
  t.equal(rates.take('a'), 0);
  t.equal(rates.take('a'), 1);
  for (let count = 0; count < 30_000; count += 1) rates.take(`x${count}`);
  t.equal(rates.take('a'), 0, 'what was long ago is forgotten');
});

t.test('an IPv6 network counts as one', async (t) => {
  t.equal(sourceOf('192.0.2.1'), '192.0.2.1');
  t.equal(sourceOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2');
  t.equal(sourceOf('2001:db8:1:2::6'), '2001:db8:1:2');
});

t.test('each wrong password makes the wait longer, for the address and for the name', async (t) => {
  let now = 0;
  const guesses = new Guesses(() => now);
  for (let count = 0; count < 10; count += 1) {
    t.equal(guesses.wait('192.0.2.1', 'ann'), 0);
    guesses.begin('192.0.2.1', 'ann');
  }
  t.equal(guesses.wait('192.0.2.1', 'bob'), 1);
  t.equal(guesses.wait('192.0.2.2', 'ann'), 0, 'another address is not held up yet');
  now += 1000;
  guesses.begin('192.0.2.1', 'ann');
  t.equal(guesses.wait('192.0.2.1', 'ann'), 2);
  now += 3_600_000;
  t.equal(guesses.wait('192.0.2.1', 'ann'), 0);
  for (let count = 0; count < 50; count += 1) guesses.begin(`192.0.2.${count}`, 'ann');
  t.ok(guesses.wait('198.51.100.1', 'ann') > 0, 'many addresses do not help');
  guesses.begin('203.0.113.1', 'zoe');
  guesses.wasRight('203.0.113.1', 'zoe');
  t.equal(guesses.wait('203.0.113.1', 'zoe'), 0);
});
