// The comparison of what was recorded with what was said finds whatever is wrong.
import t from 'tap';
import { toLinear } from './dialogue.ts';
import { compareSpeech, type Utterance } from './placed-speech.ts';
import { PACKET_SAMPLES, speechOf } from './rough-voice.ts';

const STARTS_AT = 1_700_000_000_000_000;
const PACKET_US = 20_000;
const strict = { toleranceMs: 20 };

function said(number: number, change: Partial<Utterance> = {}, seed = 1): Utterance {
  const at = STARTS_AT + number * PACKET_US;
  return { who: 'a', number, samples: toLinear(speechOf(seed, number)), at, rule: 'must', ...change };
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** A channel with these packets, late by so many samples. */
function record(utterances: readonly Utterance[], late = 0): Int16Array {
  const channel = new Int16Array(100 * PACKET_SAMPLES);
  for (const { samples, number } of utterances) channel.set(samples, number * PACKET_SAMPLES + late);
  return channel;
}

const all = numbers(50).map((number) => said(number));

t.test('what is right is found right', async (t) => {
  t.match(compareSpeech(record(all), STARTS_AT, all, strict), {
    found: 50,
    passed: 0,
    worstMs: 0,
    span: [0, 8000],
    problems: [],
  });
  const late = compareSpeech(record(all, 80), STARTS_AT, all, strict);
  t.match(late, { found: 50, worstMs: 10, problems: [] });
  const some = all.map((one, index) => ({ ...one, rule: index === 3 ? ('may' as const) : one.rule }));
  const without = record(some.filter(({ rule }) => rule === 'must'));
  t.match(compareSpeech(without, STARTS_AT, some, strict), { found: 49, passed: 1, problems: [] });
});

t.test('a shift of 40 ms', async (t) => {
  const { problems } = compareSpeech(record(all, 320), STARTS_AT, all, strict);
  t.match(problems, [/stands 40.0 ms from its time/]);
  t.match(problems.at(-1), /and 44 more/);
});

t.test('what was held up as a whole may stand as late, and no later', async (t) => {
  const held = (ms: number) => all.map((one) => ({ ...one, heldUpMs: ms }));
  t.match(compareSpeech(record(all, 320), STARTS_AT, held(25), strict), { worstMs: 15, problems: [] });
  t.match(compareSpeech(record(all, 320), STARTS_AT, held(15), strict).problems, [/stands 40.0 ms from/]);
});

t.test('a shift of a tenth of a second', async (t) => {
  const { problems } = compareSpeech(record(all, 800), STARTS_AT, all, strict);
  t.match(problems, [/stands 100.0 ms from its time/]);
});

t.test('another party’s channel', async (t) => {
  const other = numbers(50).map((number) => said(number, { who: 'b' }, 2));
  const { problems } = compareSpeech(record(other), STARTS_AT, all, strict);
  t.match(problems, [/packet 0 of a.*is missing/]);
  t.match(compareSpeech(record(other), STARTS_AT, [], strict).problems, [
    /8000 samples of sound at 0.000 s that nobody said there/,
  ]);
});

t.test('a packet that is missing, one that must not be there, one that is there twice', async (t) => {
  const hole = record(all.filter(({ number }) => number !== 7));
  t.match(compareSpeech(hole, STARTS_AT, all, strict).problems, [/packet 7 of a.*is missing/]);
  const masked = all.map((one) => ({ ...one, rule: one.number === 9 ? ('never' as const) : one.rule }));
  t.match(compareSpeech(record(all), STARTS_AT, masked, strict).problems, [/packet 9 of a.*must not be/]);
  const twice = record([...all, { ...said(3), number: 70 }]);
  t.match(compareSpeech(twice, STARTS_AT, all, strict).problems, [
    /samples of sound at 1.400 s that nobody said there: packet 3 of a/,
  ]);
});

t.test('a single sample', async (t) => {
  const channel = record(all);
  channel[1000] = (channel[1000] ?? 0) ^ 0x100;
  t.match(compareSpeech(channel, STARTS_AT, all, strict).problems[0], /packet 6 of a.*is missing/);
});

t.test('samples that follow a drifting clock are taken where it was followed alone', async (t) => {
  const [before, after] = [all.slice(0, 20), all.slice(20)];
  const slow = record(before);
  for (const { samples, number } of after) slow.set(samples, number * PACKET_SAMPLES + 1);
  slow[20 * PACKET_SAMPLES] = 99;
  t.match(compareSpeech(slow, STARTS_AT, all, strict).problems, [/1 samples of sound/]);
  t.match(compareSpeech(slow, STARTS_AT, all, { ...strict, mayFollow: true }), { slips: 1, problems: [] });
  const fast = record(after, -1);
  for (const { samples, number } of before) fast.set(samples, number * PACKET_SAMPLES);
  t.match(compareSpeech(fast, STARTS_AT, all, strict).problems[0], /packet 20 of a.*is missing/);
  t.match(compareSpeech(fast, STARTS_AT, all, { ...strict, mayFollow: true }), { slips: 1, problems: [] });
  const late = record(before);
  for (const { samples, number } of after) late.set(samples, number * PACKET_SAMPLES - 1);
  t.match(compareSpeech(late, STARTS_AT, all, { ...strict, mayFollow: true }), { slips: 1, problems: [] });
  t.match(compareSpeech(late, STARTS_AT, all, strict).problems[0], /packet 19 of a.*is missing/);
});
