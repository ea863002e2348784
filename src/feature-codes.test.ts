// Digits that make a feature code are taken out; all others pass, in their order.
import fc from 'fast-check';
import t from 'tap';
import { FeatureCodes } from './feature-codes.ts';

const CODES = new Map([
  ['*1', 'record'],
  ['*22', 'pause'],
]);

function dial(digits: string, { isOver = true } = {}) {
  const passed: string[] = [];
  const features: string[] = [];
  const codes = new FeatureCodes(CODES, (feature) => features.push(feature));
  for (const digit of digits) codes.dial(digit, () => passed.push(digit));
  if (isOver) codes.flush();
  return { passed: passed.join(''), features };
}

t.test('codes among digits', async (t) => {
  t.same(dial('*1'), { passed: '', features: ['record'] });
  t.same(dial('12*134'), { passed: '1234', features: ['record'] });
  t.same(dial('**1'), { passed: '*', features: ['record'] });
  t.same(dial('*2*1'), { passed: '*2', features: ['record'] });
  t.same(dial('*22*22'), { passed: '', features: ['pause', 'pause'] });
  t.same(dial('*3'), { passed: '*3', features: [] });
});

t.test('the beginning of a code waits, and is let go when nothing follows', async (t) => {
  t.same(dial('5*2', { isOver: false }), { passed: '5', features: [] });
  // The timer of a held digit does not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  const passed = new Promise<void>((resolve) => {
    new FeatureCodes(CODES, () => t.fail('no code'), 1).dial('*', resolve);
  });
  await t.resolves(passed);
});

t.test('no digit is lost, doubled or moved', async (t) => {
  const digits = fc.string({ unit: fc.constantFrom('1', '2', '3', '*'), maxLength: 30 });
  fc.assert(
    fc.property(digits, (text) => {
      const { passed, features } = dial(text);
      // What was taken out can be put back somewhere so that the whole is as it was dialled.
      const codes = features.map((feature) => (feature === 'record' ? '*1' : '*22'));
      const length = passed.length + codes.join('').length;
      return length === text.length && isMerge(text, passed, codes);
    }),
  );
  t.pass();
});

/** Whether `text` is `passed` with these codes put into it, each in one piece and in their order. */
function isMerge(text: string, passed: string, [code, ...more]: string[]): boolean {
  if (code === undefined) return text === passed;
  for (let at = 0; at + code.length <= text.length; at += 1) {
    if (!passed.startsWith(text.slice(0, at))) return false;
    if (text.startsWith(code, at) && isMerge(text.slice(at + code.length), passed.slice(at), more))
      return true;
  }
  return false;
}
