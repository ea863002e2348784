// Patterns of numbers and of text: what they match, what is no pattern, and that none takes long.
import fc from 'fast-check';
import t from 'tap';
import { cpuMsOf } from '../../testing/cpu-time.ts';
import { numberPattern, numberPatternProblem, textPattern, textPatternProblem } from './pattern.ts';

const matching = (pattern: string, values: string[]) =>
  values.filter((value) => numberPattern(pattern).matches(value));

t.test('exact, run, any character, any digit, range', async (t) => {
  const numbers = ['7000', '7001', '7010', '700', '70000', '70A1', '+4930123', 'X', ''];
  t.same(matching('7001', numbers), ['7001']);
  t.same(matching('70*', numbers), ['7000', '7001', '7010', '700', '70000', '70A1']);
  t.same(matching('70?1', numbers), ['7001', '70A1']);
  t.same(matching('70X1', numbers), ['7001']);
  t.same(matching('XXXX', numbers), ['7000', '7001', '7010']);
  t.same(matching('7001-7010', numbers), ['7001', '7010']);
  t.same(matching('+49*', numbers), ['+4930123']);
  t.same(matching('*', numbers), numbers);
  t.same(matching('*0*1', numbers), ['7001', '70A1']);
});

t.test('after a backslash a character stands for itself', async (t) => {
  t.same(matching('\\*21#', ['*21#', '121#']), ['*21#']);
  t.same(matching('\\X', ['X', '7']), ['X']);
  t.same(matching('555\\-1234', ['555-1234', '5551234']), ['555-1234']);
  t.same(matching('a\\\\', ['a\\']), ['a\\']);
});

t.test('a range is of numbers of one length', async (t) => {
  t.same(matching('+4930-+4939', ['+4935', '4935', '+49351']), ['+4935']);
  t.same(matching('0098-0102', ['0100', '100', '01a0']), ['0100']);
});

t.test('text, whatever the case of its letters', async (t) => {
  t.ok(textPattern('acme *').matches('ACME Corp'));
  t.ok(textPattern('X').matches('x'));
  t.notOk(textPattern('X').matches('7'));
  t.notOk(textPattern('acme').matches('acme corp'));
});

t.test('what is no pattern', async (t) => {
  t.match(numberPatternProblem('7000-70999'), /same length/);
  t.match(numberPatternProblem('7000-+999'), /same length/);
  t.match(numberPatternProblem('7099-7000'), /lower number/);
  t.match(numberPatternProblem('70XX-71XX'), /digits alone/);
  t.match(numberPatternProblem(''), /empty/);
  t.match(textPatternProblem('a\\'), /after the last/);
  t.match(textPatternProblem('a\nb'), /printable/);
  t.match(textPatternProblem('a'.repeat(129)), /128 characters/);
  t.equal(textPatternProblem('a\\\\'), undefined);
});

t.test('a pattern means what the regular expression of it does', async () => {
  const piece = fc.constantFrom('*', '?', 'X', '7', '0', '+', '.', '\\*', '\\X');
  const meaning: Record<string, string> = { '*': '.*', '?': '.', X: '[0-9]', '+': '\\+', '.': '\\.' };
  const value = fc.string({ unit: fc.constantFrom('7', '0', '+', '*', 'X', '.'), maxLength: 8 });
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), value, (pieces, text) => {
      const expression = new RegExp(`^${pieces.map((one) => meaning[one] ?? one).join('')}$`, 's');
      return numberPattern(pieces.join('')).matches(text) === expression.test(text);
    }),
    { numRuns: 2000 },
  );
});

t.test('a range holds what lies in it', async () => {
  const four = fc.integer({ min: 0, max: 9999 });
  const write = (number: number) => String(number).padStart(4, '0');
  fc.assert(
    fc.property(four, four, four, (one, other, number) => {
      const [first, last] = one < other ? [one, other] : [other, one];
      const pattern = `${write(first)}-${write(last)}`;
      const expected = number >= first && number <= last;
      return numberPattern(pattern).matches(write(number)) === expected;
    }),
  );
});

t.test('any text is a pattern or has a problem, and matching it never throws', async () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, value) => {
      if (numberPatternProblem(text) === undefined) numberPattern(text).matches(value);
      if (textPatternProblem(text) === undefined) textPattern(text).matches(value);
    }),
  );
});

t.test('the worst pattern on a long value is quick', async (t) => {
  const took = cpuMsOf(() => {
    t.notOk(textPattern(`${'*a'.repeat(63)}b`).matches('a'.repeat(60_000)));
  });
  t.ok(took < 2000, `${took.toFixed(1)} ms`);
});
