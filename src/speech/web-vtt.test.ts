// WebVTT: what is printed is read again; what others write is read; what is none is nothing.
import fc from 'fast-check';
import t from 'tap';
import { parseWebVtt, printWebVtt } from './web-vtt.ts';

t.test('a file as others write it', async (t) => {
  const text = [
    '\ufeffWEBVTT - made by hand',
    'Kind: captions',
    '',
    'NOTE not 00:00.000 --> 00:01.000 a cue',
    '',
    '1',
    '00:01.000 --> 00:02.500 align:start position:0%',
    '<v.loud Alice Smith>Tom &amp; <i>Jerry</i> &lt;3',
    'on two lines</v>',
    '',
    '101:00:00.000 --> 101:00:01.000',
    'late',
    '',
    '00:05.000 --> 00:04.000',
    'ends before it begins',
    '',
    '00:06.000 --> 00:07.000',
    '',
  ].join('\r\n');
  t.same(parseWebVtt(text), [
    { from: 1000, to: 2500, text: 'Tom & Jerry <3 on two lines', words: [], voice: 'Alice Smith' },
    { from: 363_600_000, to: 363_601_000, text: 'late', words: [] },
  ]);
});

t.test('what is no WebVTT', async (t) => {
  for (const text of ['', 'WEBVTTX\n', '{"segments":[]}', '1\n00:00:01,000 --> 00:00:02,000\nSubRip'])
    t.equal(parseWebVtt(text), undefined, text);
  t.same(parseWebVtt('WEBVTT'), []);
});

t.test('what is printed is read again, whatever is said', async (t) => {
  const cue = fc.record({
    from: fc.nat(360_000_000),
    length: fc.nat(60_000),
    text: fc.string({ unit: 'grapheme', minLength: 1 }),
    voice: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(cue), (cues) => {
      const printed = printWebVtt(
        cues.map(({ from, length, text, voice }) => ({ from, to: from + length, text, voice, words: [] })),
      );
      const spoken = cues
        .map(({ from, length, text }) => ({
          from,
          to: from + length,
          text: text.replaceAll(/\s+/g, ' ').trim(),
        }))
        .filter(({ text }) => text !== '');
      const read = parseWebVtt(printed)?.map(({ from, to, text }) => ({ from, to, text }));
      t.same(read, spoken);
    }),
    { numRuns: 50 },
  );
});

t.test('no text is slow to read', async (t) => {
  const began = performance.now();
  for (const text of ['<'.repeat(100_000), '<v '.repeat(50_000), '&'.repeat(100_000), '\n'.repeat(100_000)])
    parseWebVtt(`WEBVTT\n\n00:00.000 --> 00:01.000\n${text}`);
  t.ok(performance.now() - began < 5000);
});
