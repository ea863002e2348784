// Times as operators type them.
import t from 'tap';
import { byteSize, clockDuration, localTime, printable, renderTable, roughDuration } from './table.ts';
import { readTime } from './time.ts';

process.env.TZ = 'Europe/Berlin';
/** The day after the clocks went forward: yesterday had 23 hours. */
const NOW = Date.parse('2026-03-30T12:00:00+02:00');

t.test('what is accepted', async (t) => {
  const shown = (text: string) => new Date(readTime(text, NOW)).toISOString();
  t.equal(shown('now'), '2026-03-30T10:00:00.000Z');
  t.equal(shown('today'), '2026-03-29T22:00:00.000Z');
  t.equal(shown('yesterday'), '2026-03-28T23:00:00.000Z');
  t.equal(shown('90s'), '2026-03-30T09:58:30.000Z');
  t.equal(shown('2h'), '2026-03-30T08:00:00.000Z');
  t.equal(shown('1w'), '2026-03-23T10:00:00.000Z');
  t.equal(shown('2026-01-31'), '2026-01-30T23:00:00.000Z');
  t.equal(shown('2026-01-31T09:00'), '2026-01-31T08:00:00.000Z');
  t.equal(shown('2026-01-31 09:00:15'), '2026-01-31T08:00:15.000Z');
  t.equal(shown('2026-01-31T09:00:00Z'), '2026-01-31T09:00:00.000Z');
  t.equal(shown('2026-01-31T09:00-05:00'), '2026-01-31T14:00:00.000Z');
  t.equal(shown('2028-02-29'), '2028-02-28T23:00:00.000Z');
});

t.test('what is not', async (t) => {
  for (const text of [
    '',
    '2026',
    '2026-02-29',
    '2026-13-01',
    '2026-01-32',
    '2026-01-31T25:00',
    '2 h',
    '2y',
    '-1h',
    'noon',
    '1738000000000',
  ])
    t.throws(() => readTime(text, NOW), { code: 'USAGE' }, JSON.stringify(text));
});

t.test('as shown', async (t) => {
  t.equal(localTime(NOW), '2026-03-30 12:00:00');
  t.strictSame([0, 499, 61_500, 3_600_000, 86_400_000].map(clockDuration), [
    '0:00',
    '0:00',
    '1:02',
    '1:00:00',
    '24:00:00',
  ]);
  t.strictSame([-5, 119_999, 7_199_000, 172_799_000, 172_800_000].map(roughDuration), [
    '0 s',
    '119 s',
    '119 min',
    '47 h',
    '2 d',
  ]);
  t.strictSame([0, 999, 96_044, 1_250_000, 2.5e9].map(byteSize), [
    '0 B',
    '999 B',
    '96 kB',
    '1.3 MB',
    '2.5 GB',
  ]);
});

t.test('tables: columns as wide as their widest cell, control characters made harmless', async (t) => {
  t.strictSame(
    renderTable(
      ['A', 'LONG'],
      [
        ['wide', '1'],
        ['\x1b[2J', '22'],
      ],
      ['left', 'right'],
    ),
    ['A     LONG', 'wide     1', '\ufffd[2J    22'],
  );
  t.equal(printable('a\u202eb\u0000c\n'), 'a\ufffdb\ufffdc\ufffd');
});
