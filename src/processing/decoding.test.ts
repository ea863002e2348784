// Codecs that ffmpeg decodes: what was said stands in the recording, where and when it was said.
import t from 'tap';
import {
  type Coded,
  codings,
  datagramsOf,
  format,
  mix,
  other,
  SECONDS,
  said,
  startOfOther,
} from './fixtures/coded-calls.ts';
import { cut, hasFfmpeg, likeness, loudness, RATE_HZ } from './fixtures/reference-speech.ts';
import { type Datagram, T0, talk } from './fixtures/segments.ts';

const NO_FFMPEG = hasFfmpeg() ? false : 'ffmpeg is not installed';

/** 1.2 s of it are lost; a packet is overtaken by its neighbour, and comes twice. */
function damaged(coded: Coded): Datagram[] {
  const datagrams = datagramsOf(coded).filter(({ at }) => at < T0 + 2_000_000 || at >= T0 + 3_200_000);
  return datagrams.flatMap((datagram, index) => {
    const late = { ...datagram, at: datagram.at + 45_000 };
    return index === 20 ? [late, { ...late, at: late.at + 500 }] : [datagram];
  });
}

const coded = NO_FFMPEG === false ? await codings() : [];
if (NO_FFMPEG !== false) t.test('codecs that ffmpeg decodes', { skip: NO_FFMPEG }, async () => {});

for (const coding of coded) {
  const skip = coding.payloads === undefined ? 'no encoder for it is installed' : false;
  t.test(`${coding.name} is heard where it was said`, { skip }, async (t) => {
    const { left, right, channels, problems, frames } = await mix(
      t,
      [...damaged(coding), ...other()],
      [coding.format],
    );
    t.same([...channels[0].decoded.keys()], [coding.format.encoding.toUpperCase()]);
    t.same([channels[0].undecodable, problems], [new Map(), []]);
    const start = startOfOther(right);
    t.ok(start >= 0 && start < 80, 'the other party is sample-exact');
    const shape = coding.keepsLoudness === true ? loudness : (samples: Int16Array) => samples;
    for (const [from, to] of [
      [0.1, 1.9],
      [3.4, SECONDS - 0.2],
    ] as const) {
      const expected = shape(said.subarray(from * RATE_HZ, to * RATE_HZ));
      const { lag, correlation } = likeness(expected, shape(left.subarray(start + from * RATE_HZ)), 200);
      const isTrue = correlation > coding.least && Math.abs(lag) <= (coding.late ?? 0.02 * RATE_HZ);
      t.ok(isTrue, `from ${from} s: ${correlation} like, ${lag} samples late`);
    }
    const gap = left.subarray(start + 2.1 * RATE_HZ, start + 3.1 * RATE_HZ);
    t.ok(
      gap.every((sample) => sample === 0),
      'what was lost is silent',
    );
    t.ok(Math.abs(frames - SECONDS * RATE_HZ) <= 160, `${frames} samples`);
  });
}

t.test('L16 at the rate of the recording is exact', { skip: NO_FFMPEG }, async (t) => {
  const bytes = Buffer.from(said.slice().buffer).swap16();
  const l16: Coded = { name: 'L16', format: format('L16'), payloads: cut(bytes, 320), ticks: 160, least: 1 };
  const { left } = await mix(t, datagramsOf(l16), [l16.format]);
  t.ok(left.length === said.length && left.every((sample, at) => sample === said[at]));
});

t.test(
  'codecs and sources change in the call, a party is held for minutes: all stands where it was said',
  {
    skip: NO_FFMPEG,
  },
  async (t) => {
    const [g722, opus] = coded;
    if (g722 === undefined || opus === undefined) return t.fail('no encoder');
    const [second, third] = [T0 + 8_001_000, T0 + 180_001_000];
    const datagrams = [
      ...datagramsOf(g722),
      ...datagramsOf(opus, second),
      ...datagramsOf(g722, third, 77),
      ...talk({ label: 'b', packets: 50 * 190 }),
    ];
    const { left, right, channels } = await mix(t, datagrams, [g722.format, opus.format]);
    const start = right.findIndex((sample) => sample !== 0);
    t.same(channels[0].undecodable, new Map());
    for (const at of [T0 + 1000, second, third]) {
      const from = start + ((at - T0 - 1000) * RATE_HZ) / 1e6;
      const { lag, correlation } = likeness(said.subarray(800, 32_000), left.subarray(from + 800), 200);
      t.ok(correlation > 0.9 && Math.abs(lag) < 0.02 * RATE_HZ, `${correlation} like, ${lag} late`);
    }
    t.ok(
      left.subarray(start + 15 * RATE_HZ, start + 179 * RATE_HZ).every((sample) => sample === 0),
      'silence between',
    );
  },
);

t.test(
  'a call longer than what is held of it: all of it comes out of the decoder in time',
  { skip: NO_FFMPEG },
  async (t) => {
    const seconds = 100;
    // The fewer bytes a codec needs, the more of the call lies in pipes and buffers.
    const thin: Coded[] = [
      { name: 'G729', format: format('G729'), payloads: [new Uint8Array(20).fill(5)], ticks: 160, least: 0 },
      {
        name: 'opus',
        format: format('opus', { clockRate: 48_000 }),
        payloads: [Uint8Array.of(0x78, 1, 2)],
        ticks: 960,
        least: 0,
      },
    ];
    for (const coding of thin) {
      const payloads = Array.from({ length: seconds * 50 }, () => coding.payloads?.[0] ?? new Uint8Array());
      const datagrams = [
        ...datagramsOf({ ...coding, payloads }),
        ...talk({ label: 'b', packets: seconds * 50 }),
      ];
      const { channels } = await mix(t, datagrams, [coding.format]);
      t.match(channels, [
        { audioMs: seconds * 1000, late: 0, undecodable: new Map() },
        { audioMs: seconds * 1000, late: 0 },
      ]);
    }
  },
);
