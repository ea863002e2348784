// Codecs that ffmpeg decodes: what was said stands in the recording, where and when it was said.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { MULAW_TO_LINEAR } from '../rtp/g711.ts';
import type { Format } from '../spool/segment.ts';
import { buildRtpPacket } from '../testing/packets.ts';
import {
  amrPayload,
  cut,
  encode,
  encodeAmr,
  encodeAmrWb,
  encodeG729,
  hasFfmpeg,
  likeness,
  loudness,
  opusPackets,
  RATE_HZ,
  speech,
} from './fixtures/reference-speech.ts';
import {
  captureOf,
  channelOf,
  type Datagram,
  factsOf,
  PORTS,
  streamOf,
  T0,
  talk,
  tone,
} from './fixtures/segments.ts';
import { mixDown } from './mixdown.ts';

const NO_FFMPEG = hasFfmpeg() ? false : 'ffmpeg is not installed';
const SECONDS = 5;
const said = speech(SECONDS);

interface Coded {
  name: string;
  format: Format;
  payloads: Uint8Array[] | undefined;
  /** Of each payload, ticks of its clock. */
  ticks: number;
  /** The least likeness to what was said. */
  least: number;
  /** The codec keeps how loud it was, and makes up a waveform of its own. */
  keepsLoudness?: boolean;
  /** By how many samples it may be late, when that is not 20 ms. */
  late?: number;
}

const format = (encoding: string, more: Partial<Format> = {}): Format => {
  return { payloadType: 96, encoding, clockRate: 8000, channels: 1, ...more };
};

async function codings(): Promise<Coded[]> {
  const wide = new Int16Array(new Uint8Array(encode(said, ['-f', 's16le', '-ar', '16000'])).buffer);
  const ogg = encode(said, ['-c:a', 'libopus', '-b:a', '32k', '-page_duration', '20000', '-f', 'ogg']);
  const [amr, amrWb, g729] = [await encodeAmr(said), await encodeAmrWb(wide), await encodeG729(said)];
  const g726 = (name: string, bits: number, as: string): Coded => {
    const bytes = encode(said, ['-c:a', as, '-code_size', `${bits}`, '-f', as]);
    return { name, format: format(name), payloads: cut(bytes, bits * 20), ticks: 160, least: 0.8 };
  };
  return [
    {
      name: 'G722',
      format: format('G722', { payloadType: 9 }),
      payloads: cut(encode(said, ['-ar', '16000', '-f', 'g722']), 160),
      ticks: 160,
      least: 0.95,
    },
    {
      name: 'opus',
      format: format('opus', { clockRate: 48_000, channels: 2 }),
      payloads: opusPackets(ogg),
      ticks: 960,
      least: 0.9,
      late: 8,
    },
    {
      name: 'L16/16000',
      format: format('L16', { clockRate: 16_000 }),
      payloads: cut(encode(said, ['-ar', '16000', '-f', 's16be']), 640),
      ticks: 320,
      least: 0.99,
    },
    {
      name: 'L16/48000/2',
      format: format('L16', { clockRate: 48_000, channels: 2 }),
      payloads: cut(encode(said, ['-ar', '48000', '-ac', '2', '-f', 's16be']), 960),
      ticks: 240,
      least: 0.99,
    },
    g726('G726-32', 4, 'g726le'),
    g726('G726-24', 3, 'g726le'),
    g726('AAL2-G726-32', 4, 'g726'),
    {
      name: 'GSM',
      format: format('GSM', { payloadType: 3 }),
      payloads: cut(encode(said, ['-f', 'gsm']), 33),
      ticks: 160,
      least: 0.7,
    },
    {
      name: 'G723',
      format: format('G723', { payloadType: 4 }),
      payloads: cut(encode(said, ['-c:a', 'g723_1', '-b:a', '6300', '-f', 'data', '-map', '0']), 24),
      ticks: 240,
      least: 0.7,
    },
    {
      name: 'G729',
      format: format('G729', { payloadType: 18 }),
      payloads: g729 && pairs(g729),
      ticks: 160,
      least: 0.9,
      keepsLoudness: true,
    },
    {
      name: 'AMR octet-aligned',
      format: format('AMR', { fmtp: 'octet-align=1' }),
      payloads: amr?.map((frame) => amrPayload(frame, true, 244)),
      ticks: 160,
      least: 0.9,
      keepsLoudness: true,
    },
    {
      name: 'AMR bandwidth-efficient',
      format: format('AMR'),
      payloads: amr?.map((frame) => amrPayload(frame, false, 244)),
      ticks: 160,
      least: 0.9,
      keepsLoudness: true,
    },
    {
      name: 'AMR-WB',
      format: format('AMR-WB', { clockRate: 16_000 }),
      payloads: amrWb?.map((frame) => amrPayload(frame, false, 477)),
      ticks: 320,
      least: 0.9,
      keepsLoudness: true,
    },
  ];
}

function pairs(frames: Uint8Array[]): Uint8Array[] {
  return frames.flatMap((frame, index) =>
    index % 2 === 0 ? [Buffer.concat([frame, frames[index + 1] ?? frame])] : [],
  );
}

/** Datagrams of party a, in true time. */
function datagramsOf(
  { format: { payloadType, clockRate }, payloads = [], ticks }: Coded,
  at = T0 + 1000,
  ssrc = 10,
): Datagram[] {
  return payloads.map((payload, index) => ({
    at: at + Math.round((index * ticks * 1e6) / clockRate),
    port: PORTS.a,
    payload: buildRtpPacket({
      payloadType,
      ssrc,
      sequenceNumber: (65_500 + ssrc + index) & 0xffff,
      timestamp: (4_294_960_000 + index * ticks) % 2 ** 32,
      payload,
    }),
  }));
}

async function mix(t: Test, datagrams: Datagram[], formats: Format[], ffmpeg?: string, stallMs?: number) {
  const folder = existsSync(t.testdirName) ? t.testdirName : t.testdir();
  const captureFile = join(folder, 'c.pcap');
  writeFileSync(captureFile, captureOf(datagrams));
  const at = Math.max(...datagrams.map((datagram) => datagram.at)) + 1_000_000;
  const facts = factsOf('s', { streams: [streamOf('a', formats), streamOf('b')], closed: { at } });
  const file = join(folder, 'audio.wav');
  const mixdown = await mixDown([{ facts, captureFile, channels: { a: 0, b: 1 } }], file, {
    ffmpeg,
    stallMs,
  });
  return { ...mixdown, left: channelOf(file, 0), right: channelOf(file, 1) };
}

/** 1.2 s of it are lost; a packet is overtaken by its neighbour, and comes twice. */
function damaged(coded: Coded): Datagram[] {
  const datagrams = datagramsOf(coded).filter(({ at }) => at < T0 + 2_000_000 || at >= T0 + 3_200_000);
  return datagrams.flatMap((datagram, index) => {
    const late = { ...datagram, at: datagram.at + 45_000 };
    return index === 20 ? [late, { ...late, at: late.at + 500 }] : [datagram];
  });
}

const other = () => talk({ label: 'b', packets: 50 * SECONDS });
const spoken = Int16Array.from(tone(0, 160 * 50 * SECONDS, 1), (byte) => MULAW_TO_LINEAR[byte] ?? 0);

/** Where the party that speaks G.711 begins; -1 when it is not sample for sample what was said. */
function startOfOther(right: Int16Array): number {
  const start = right.findIndex((sample) => sample !== 0);
  return start >= 0 &&
    right.length >= start + spoken.length &&
    spoken.every((sample, at) => right[start + at] === sample)
    ? start
    : -1;
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
  'random bytes are no harm, whatever codec they are said to be',
  { skip: NO_FFMPEG, timeout: 60_000 },
  async (t) => {
    let state = 7;
    const random = () => {
      state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
      return state >> 8;
    };
    for (const { name, format, ticks } of coded) {
      const payloads = Array.from({ length: 200 }, () => Uint8Array.from({ length: random() % 300 }, random));
      const noise = datagramsOf({ name, format, payloads, ticks, least: 0 });
      const { right, channels } = await mix(t, [...noise, ...other()], [format]);
      const [{ decoded, undecodable }] = channels;
      t.ok(startOfOther(right) >= 0, `${name}: the other party is sample-exact`);
      const all = [...decoded.values(), ...undecodable.values()].reduce((sum, count) => sum + count, 0);
      t.equal(all, 200, 'every packet is counted');
    }
  },
);

const LIST = 'case "$*" in *coders*) echo " A....D g722 G.722"; exit 0;; esac';
const BROKEN: { what: string; script: string; why: RegExp }[] = [
  { what: 'has no decoder', script: 'echo " A....D aac AAC"', why: /lacks the decoder g722/ },
  { what: 'is none', script: 'echo hello', why: /does not answer as ffmpeg does/ },
  { what: 'cannot start', script: 'exit 3', why: /cannot run / },
  { what: 'crashes', script: `${LIST}; echo "it went wrong" >&2; exit 1`, why: /it went wrong/ },
  { what: 'is killed', script: `${LIST}; kill -9 $$`, why: /SIGKILL/ },
  { what: 'hangs', script: `${LIST}; exec sleep 60`, why: /stood still/ },
  { what: 'hangs with a child that holds its output', script: `${LIST}; sleep 5 & wait`, why: /stood still/ },
  { what: 'gives too much', script: `${LIST}; exec yes`, why: /more sound than/ },
  { what: 'gives too little', script: `${LIST}; cat >/dev/null; echo hello`, why: /less than it was given/ },
];

for (const { what, script, why } of BROKEN)
  t.test(`an ffmpeg that ${what}: the channel is not decoded, and it is said why`, async (t) => {
    const program = join(t.testdir(), 'ffmpeg');
    writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const payloads = Array.from({ length: 250 }, () => new Uint8Array(160));
    const g722 = { name: 'G722', format: format('G722', { payloadType: 9 }), payloads, ticks: 160, least: 0 };
    const datagrams = [...datagramsOf(g722), ...other()];
    const { channels, decoding, right } = await mix(t, datagrams, [g722.format], program, 300);
    t.ok((channels[0].undecodable.get('G722') ?? 0) > 0);
    t.match(decoding.get('G722'), why);
    t.ok(startOfOther(right) >= 0, 'the other party is sample-exact');
  });

t.test('without ffmpeg nothing of it is decoded', async (t) => {
  const payloads = [new Uint8Array(160), new Uint8Array(160)];
  const g722 = { name: 'G722', format: format('G722', { payloadType: 9 }), payloads, ticks: 160, least: 0 };
  const { channels, decoding, frames } = await mix(
    t,
    datagramsOf(g722),
    [g722.format],
    '/nonexistent/ffmpeg',
  );
  t.same([channels[0].decoded, channels[0].undecodable], [new Map(), new Map([['G722', 2]])]);
  t.match(decoding.get('G722'), /cannot run \/nonexistent\/ffmpeg/);
  t.equal(frames, 0);
});

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
