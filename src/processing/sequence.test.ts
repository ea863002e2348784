// Loss and duplicates are counted as they happened (RFC 3550 appendix A).
import fc from 'fast-check';
import t from 'tap';
import { createSequenceCounter } from './sequence.ts';

const count = (numbers: number[]) => {
  const counter = createSequenceCounter();
  for (const number of numbers) counter.accept(number & 0xffff, number * 160);
  return { lost: counter.lost(), duplicates: counter.duplicates };
};

t.test('nothing came, nothing is lost', async (t) => {
  t.same(count([]), { lost: 0, duplicates: 0 });
});

t.test('gaps, late packets and wraps', async (t) => {
  t.same(count([1, 2, 5, 6]), { lost: 2, duplicates: 0 });
  t.same(count([1, 2, 5, 4, 3, 3]), { lost: 0, duplicates: 1 });
  t.same(count([65534, 65535, 65537]), { lost: 1, duplicates: 0 });
  t.same(count([5, 4, 3]), { lost: 0, duplicates: 0 });
});

t.test('numbering that begins anew is no loss', async (t) => {
  t.same(count([1, 2, 30_000, 30_001]), { lost: 0, duplicates: 0 });
  const counter = createSequenceCounter();
  for (const number of [1, 2, 3]) counter.accept(number, number);
  t.ok(counter.accept(1, 99_999), 'the same number with another timestamp is another packet');
  t.equal(counter.duplicates, 0);
  t.equal(counter.lost(), 0);
});

t.test('any subset of a stream, doubled and shuffled a little', async () => {
  const packet = fc.record({
    isLost: fc.boolean(),
    copies: fc.integer({ min: 1, max: 3 }),
    delay: fc.integer({ min: 0, max: 50 }),
  });
  fc.assert(
    fc.property(
      fc.array(packet, { maxLength: 500 }),
      fc.integer({ min: 0, max: 0xffff }),
      (packets, first) => {
        const arrivals = packets.flatMap(({ isLost, copies, delay }, index) => {
          return isLost
            ? []
            : Array.from({ length: copies }, () => ({ number: first + index, at: index + delay }));
        });
        arrivals.sort((one, other) => one.at - other.at);
        const numbers = arrivals.map(({ number }) => number);
        const unique = new Set(numbers);
        const expected = unique.size === 0 ? 0 : Math.max(...unique) - Math.min(...unique) + 1;
        const { lost, duplicates } = count(numbers);
        return lost === expected - unique.size && duplicates === numbers.length - unique.size;
      },
    ),
  );
});
