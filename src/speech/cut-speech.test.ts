// Cutting speech for an engine: what is masked or silent is not in it, and each moment leads back to where it was said.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readWav, wavFormat } from '../archive/wav-file.ts';
import { buildWav } from '../testing/wav.ts';
import { cutSpeech, piecesOf } from './cut-speech.ts';
import { Resampler } from './resample.ts';
import { placePassages } from './transcriber.ts';

const RATE = 8000;

/** A tone whose loudness tells the second in which it is, in the second of two channels. */
function steps(folder: string, seconds: number): string {
  const data = Buffer.alloc(seconds * RATE * 4);
  for (let at = 0; at < seconds * RATE; at++)
    data.writeInt16LE(Math.round(1000 * (1 + Math.floor(at / RATE)) * Math.sin(at / 3)), at * 4 + 2);
  const file = join(folder, 'steps.wav');
  writeFileSync(file, buildWav({ channels: 2, data }));
  return file;
}

function samplesOf(file: string): Int16Array {
  const all: number[] = [];
  readWav(
    file,
    () => {},
    (samples) => {
      for (const sample of samples) all.push(sample);
    },
  );
  return Int16Array.from(all);
}

const loudest = (samples: Int16Array, from: number, to: number) =>
  samples.subarray(from * 16, to * 16).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);

t.test('the pieces of one channel, at 16 kHz, with pauses between', async (t) => {
  const folder = t.testdir();
  const pieces = piecesOf(
    [
      { from: 2150, to: 2850 },
      { from: 5150, to: 5850 },
    ],
    [],
    8000,
  );
  t.same(pieces, [
    { from: 400, to: 1400, at: 2000 },
    { from: 1800, to: 2800, at: 5000 },
  ]);
  const { wav } = cutSpeech(steps(folder, 8), 1, pieces, join(folder, 'out.wav'));
  t.match(wavFormat(wav), { sampleRate: 16_000, channels: 1, frames: 3200 * 16 });
  const samples = samplesOf(wav);
  t.equal(loudest(samples, 0, 399), 0);
  t.ok(Math.abs(loudest(samples, 450, 1350) - 3000) < 60, 'the third second');
  t.ok(loudest(samples, 1410, 1795) < 10);
  t.ok(Math.abs(loudest(samples, 1850, 2750) - 6000) < 120, 'the sixth');
  const silent = cutSpeech(steps(folder, 8), 0, pieces, join(folder, 'silent.wav'));
  t.equal(loudest(samplesOf(silent.wav), 0, 3200), 0, 'the other channel');
});

t.test('what is masked is cut out, to the edge', async (t) => {
  const folder = t.testdir();
  const pieces = piecesOf([{ from: 0, to: 8000 }], [{ from: 3000, to: 5000 }], 8000);
  t.same(
    pieces.map(({ at, from, to }) => [at, to - from]),
    [
      [0, 3000],
      [5000, 3000],
    ],
  );
  const { wav } = cutSpeech(steps(folder, 8), 1, pieces, join(folder, 'out.wav'));
  const samples = samplesOf(wav);
  t.ok(loudest(samples, 400, 3400) < 3100, 'nothing of the fourth second');
  t.ok(loudest(samples, 3800, 4700) > 5900, 'the sixth follows');
  t.same(piecesOf([{ from: 3000, to: 4000 }], [{ from: 0, to: 8000 }], 8000), []);
});

t.test('what is said is placed where it was said; over a pause it is cut between words', async (t) => {
  const pieces = [
    { from: 400, to: 1400, at: 2000 },
    { from: 1800, to: 2800, at: 5000 },
  ];
  const word = (from: number, to: number, text: string) => ({ from, to, text, confidence: 0.5 });
  t.match(placePassages([{ from: 1900, to: 2000, text: 'hello', words: [] }], pieces), [
    { from: 5100, to: 5200, text: 'hello' },
  ]);
  const words = [word(500, 600, 'one'), word(1300, 1500, 'two'), word(1850, 1900, 'three')];
  t.match(placePassages([{ from: 500, to: 1900, text: 'one two three', words }], pieces), [
    { from: 2100, to: 3000, text: 'one two', confidence: 0.5 },
    { from: 5050, to: 5100, text: 'three' },
  ]);
  t.match(placePassages([{ from: 0, to: 9e9, text: 'out of all', words: [] }], pieces), [
    { from: 2000, to: 3000 },
  ]);
  t.same(placePassages([{ from: 0, to: 1, text: 'x', words: [] }], []), []);
});

t.test('a tone keeps its pitch and strength through a change of rate, in pieces of any length', async (t) => {
  for (const [from, to] of [
    [8000, 16_000],
    [48_000, 16_000],
    [11_025, 16_000],
  ] as const) {
    const tone = Int16Array.from(
      { length: from },
      (_, at) => 8000 * Math.sin((2 * Math.PI * 440 * at) / from),
    );
    const resampler = new Resampler(from, to);
    const made: number[] = [];
    for (let at = 0; at < tone.length; at += 333) made.push(...resampler.take(tone.subarray(at, at + 333)));
    made.push(...resampler.flush());
    t.ok(Math.abs(made.length - to) <= 1, `${from}: ${made.length} samples`);
    const worst = made
      .slice(200, -200)
      .reduce(
        (most, sample, at) =>
          Math.max(most, Math.abs(sample - 8000 * Math.sin((2 * Math.PI * 440 * (at + 200)) / to))),
        0,
      );
    t.ok(worst < 160, `${from}: ${worst}`);
  }
});
