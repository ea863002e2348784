// rule 6, report 9: nothing that was said in a pause is heard, and what the network held up until it was over is not either.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { MULAW_TO_LINEAR } from '../rtp/g711.ts';
import { captureOf, type Datagram, factsOf, metadataOf, T0, talk, toneByte } from './fixtures/segments.ts';
import { mixDown } from './mixdown.ts';
import { type Pause, silencesOf } from './pauses.ts';

const SECOND_US = 1_000_000;
const RECORDING = '0190f3a4-0000-7000-8000-000000000001';
const OTHER = '0190f3a4-0000-7000-8000-000000000002';
const at = (seconds: number) => T0 + seconds * SECOND_US;
const pause = (from: number, to: number, recording = RECORDING): Pause => {
  return { recording, from: at(from), to: at(to), by: undefined, reason: 'asked' };
};
const segment = (from: number, to: number, recording = RECORDING) =>
  factsOf(`s${from}`, {
    metadata: metadataOf(recording, 'call'),
    openedAt: at(from),
    closed: { at: at(to) },
  });
const inSeconds = (spans: readonly (readonly number[])[]) =>
  spans.map((span) => span.map((time) => (time - T0) / SECOND_US));

t.test('the insides of pauses, which end where the next segment begins', async (t) => {
  t.same(inSeconds(silencesOf([pause(1, 2.1)], [segment(0, 1), segment(2, 3)])), [[1.02, 1.98]]);
  t.same(inSeconds(silencesOf([pause(1, 2.1)], [segment(0, 1), segment(1.5, 3, OTHER)])), [[1.02, 2.08]]);
  t.same(silencesOf([pause(1, 1.03)], [segment(0, 1)]), [], 'no longer than a packet');
  t.same(silencesOf([], [segment(0, 1)]), []);
  const foreign = factsOf('s', { openedAt: at(0) });
  foreign.pauses.push(
    { type: 'paused', at: at(1) },
    { type: 'resumed', at: at(2) },
    { type: 'paused', at: at(3) },
  );
  t.same(silencesOf([], [foreign]), [
    [at(1.02), at(1.98)],
    [at(3.02), Number.POSITIVE_INFINITY],
  ]);
});

/** Both parties speak for four seconds; paused from 1 to 2. Of what the caller says from 0.5 to 1.9 all comes at 2.2, in the next segment. */
async function mixedOf(t: Test, silences: readonly (readonly [number, number])[]) {
  const folder = t.testdir();
  const heldUp = (one: Datagram) => (one.at >= at(0.5) && one.at < at(1.9) ? { ...one, at: at(2.2) } : one);
  const spoken = [
    ...talk({ label: 'a', at: T0, packets: 200 }).map(heldUp),
    ...talk({ label: 'b', at: T0, packets: 200 }),
  ];
  const spans = [
    [0, 1],
    [2, 4],
  ] as const;
  const parts = spans.map(([from, to], index) => {
    const captureFile = join(folder, `${index}.pcap`);
    writeFileSync(captureFile, captureOf(spoken.filter((one) => one.at >= at(from) && one.at < at(to))));
    return { facts: segment(from, to), captureFile, lanes: { a: 1, b: 0 } as const, silences };
  });
  const file = join(folder, 'audio.wav');
  await mixDown(parts, file);
  const bytes = readFileSync(file);
  /** Of the caller, from second to second: how much is as it was said, and how much is silent. */
  return (from: number, to: number) => {
    const frames = Array.from({ length: (to - from) * 8000 }, (_, index) => from * 8000 + index);
    const sampleAt = (frame: number) => bytes.readInt16LE(44 + frame * 4 + 2);
    const part = (is: (frame: number) => boolean) => frames.filter(is).length / frames.length;
    return {
      said: part((frame) => sampleAt(frame) === MULAW_TO_LINEAR[toneByte(frame)]),
      silent: part((frame) => sampleAt(frame) === 0),
    };
  };
}

t.test(
  'what the network held up until a pause was over is not heard; what was said before it is',
  async (t) => {
    const without = await mixedOf(t, []);
    t.ok(without(1.1, 1.8).said > 0.99, 'it would be heard');
    const heard = await mixedOf(t, silencesOf([pause(1, 2.05)], [segment(0, 1), segment(2, 4)]));
    t.equal(heard(1.04, 1.96).silent, 1, 'nothing of the pause');
    t.ok(heard(0.5, 1).said > 0.99, 'what was said before it');
    t.ok(heard(2.02, 4).said > 0.99, 'what was said after it');
  },
);
