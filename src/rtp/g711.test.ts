// G.711 against the decision and output values of the Recommendation, and there and back for every byte.
import t from 'tap';
import { ALAW_TO_LINEAR, decodeAlaw, decodeMulaw, encodeAlaw, encodeMulaw, MULAW_TO_LINEAR } from './g711.ts';

const BYTES = Array.from({ length: 256 }, (_, byte) => byte);

t.test('mu-law output values are those of G.711 table 2a, times four', async (t) => {
  const table: [byte: number, value: number][] = [
    [0x80, 8031],
    [0x8f, 4191],
    [0x9f, 2079],
    [0xaf, 1023],
    [0xbf, 495],
    [0xcf, 231],
    [0xdf, 99],
    [0xef, 33],
    [0xfe, 2],
    [0xff, 0],
  ];
  for (const [byte, value] of table) {
    t.equal(decodeMulaw(byte), value * 4, `0x${byte.toString(16)}`);
    t.equal(decodeMulaw(byte & 0x7f) + 0, -value * 4 + 0, `0x${(byte & 0x7f).toString(16)} is its negative`);
  }
});

t.test('A-law output values are those of G.711 table 1a, times sixteen', async (t) => {
  // Bytes before the inversion of the even bits; values in units of 1/4096 of full scale.
  const table: [bits: number, value: number][] = [
    [0xff, 2016],
    [0xf0, 1056],
    [0xe0, 528],
    [0xd0, 264],
    [0xc0, 132],
    [0xb0, 66],
    [0xa0, 33],
    [0x80, 0.5],
  ];
  for (const [bits, value] of table) {
    t.equal(decodeAlaw(bits ^ 0x55), value * 16, `0x${bits.toString(16)}`);
    t.equal(decodeAlaw((bits & 0x7f) ^ 0x55), -value * 16, `0x${(bits & 0x7f).toString(16)}`);
  }
});

t.test('every byte comes back from its sample', async (t) => {
  const mulaw = BYTES.filter((byte) => encodeMulaw(decodeMulaw(byte)) !== byte);
  t.same(mulaw, [0x7f], 'but for the negative zero of the mu-law');
  t.equal(encodeMulaw(0), 0xff);
  t.same(
    BYTES.filter((byte) => encodeAlaw(decodeAlaw(byte)) !== byte),
    [],
  );
});

t.test('every sample is encoded to the nearest value, within half a step', async (t) => {
  for (const [encode, values] of [
    [encodeMulaw, MULAW_TO_LINEAR],
    [encodeAlaw, ALAW_TO_LINEAR],
  ] as const) {
    const sorted = [...values].sort((left, right) => left - right);
    let worst = 0;
    for (let sample = -32635; sample <= 32635; sample += 1) {
      const value = values[encode(sample)] ?? Number.NaN;
      const above = sorted.find((candidate) => candidate > value) ?? value + 1024;
      const below = sorted.findLast((candidate) => candidate < value) ?? value - 1024;
      const halfStep = Math.max(above - value, value - below) / 2;
      worst = Math.max(worst, Math.abs(sample - value) / halfStep);
    }
    t.ok(worst <= 1, `${encode.name}: ${worst}`);
  }
});

t.test('the loudest samples are clipped, not wrapped', async (t) => {
  t.same([encodeMulaw(32767), encodeMulaw(-32768)], [0x80, 0x00]);
  t.same([encodeAlaw(32767), encodeAlaw(-32768)], [0xaa, 0x2a]);
});
