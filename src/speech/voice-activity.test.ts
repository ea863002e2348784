// Voice activity: speech is found where it is, in noise as well, and nothing else is taken for it.
import t from 'tap';
import { loadVoice, PHRASES } from '../testing/dialogue.ts';
import { common, lengthOf, type Span } from './spans.ts';
import { VoiceActivity } from './voice-activity.ts';

const RATE = 8000;

function activityOf(samples: Int16Array, piece = samples.length): Span[] {
  const activity = new VoiceActivity(RATE);
  for (let at = 0; at < samples.length; at += piece) activity.push(samples.subarray(at, at + piece));
  return activity.end();
}

/** White, the same in every run. @param level its effective value */
function noise(count: number, level: number): Int16Array {
  let state = 7;
  return Int16Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    return (state / 0x7fffffff - 0.5) * Math.sqrt(12) * level;
  });
}

const added = (one: Int16Array, other: Int16Array) =>
  one.map((sample, at) => Math.max(-32_768, Math.min(32_767, sample + (other[at] ?? 0))));

t.test('each phrase of real speech is one span, true to 120 ms', async (t) => {
  for (const speaker of ['agent', 'customer'] as const) {
    const spans = activityOf(loadVoice(speaker).linear);
    const said = PHRASES.filter((phrase) => phrase.speaker === speaker);
    t.equal(spans.length, said.length, speaker);
    for (const [index, { atMs, words }] of said.entries())
      t.ok(Math.abs((spans[index]?.from ?? Infinity) - atMs) <= 120, words);
  }
});

t.test('samples may come in pieces of any length', async (t) => {
  const { linear } = loadVoice('agent');
  t.same(activityOf(linear, 77), activityOf(linear));
});

t.test('speech stands out of noise, and noise alone is none', async (t) => {
  const { linear } = loadVoice('customer');
  const clean = activityOf(linear);
  // The phrases have an effective value of some 3,000: 20 and 10 dB under it.
  for (const [level, least] of [
    [300, 0.95],
    [950, 0.7],
  ] as const) {
    const spans = activityOf(added(linear, noise(linear.length, level)));
    const both = lengthOf(common(spans, clean));
    t.ok(both / lengthOf(clean) >= least, `${level}: of the speech ${both / lengthOf(clean)}`);
    t.ok(both / lengthOf(spans) >= 0.93, `${level}: of what was found ${both / lengthOf(spans)}`);
  }
  t.same(activityOf(noise(10 * RATE, 30)), []);
  t.same(activityOf(noise(10 * RATE, 3000)), []);
});

t.test('silence, a steady tone and a click are no speech', async (t) => {
  t.same(activityOf(new Int16Array(0)), []);
  t.same(activityOf(new Int16Array(5 * RATE)), []);
  t.same(activityOf(Int16Array.from({ length: 10 * RATE }, (_, at) => 9000 * Math.sin(at / 3))), []);
  const click = added(noise(5 * RATE, 20), new Int16Array(5 * RATE).fill(12_000, 20_000, 20_080));
  t.same(activityOf(click), []);
});

t.test('a word at the very beginning and at the very end is heard', async (t) => {
  const phrase = loadVoice('customer').linear.subarray(3.5 * RATE, 5 * RATE);
  const samples = noise(8 * RATE, 20);
  samples.set(phrase, 0);
  samples.set(phrase, samples.length - phrase.length);
  const spans = activityOf(samples);
  t.ok((spans[0]?.from ?? Infinity) <= 100);
  t.ok((spans.at(-1)?.to ?? 0) >= 7900);
  t.ok(spans.every(({ to }) => to <= 8000));
});
