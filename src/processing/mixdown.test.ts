// A recording's WAV holds exactly what was sent, in true time, agent left and customer right.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { encodeMulaw, MULAW_TO_LINEAR } from '../rtp/g711.ts';
import { buildRtpPacket } from '../testing/packets.ts';
import {
  captureOf,
  channelOf,
  type Datagram,
  type FactsOptions,
  factsOf,
  PCMU,
  PORTS,
  streamOf,
  T0,
  talk,
  tone,
} from './fixtures/segments.ts';
import { type Mixdown, mixDown } from './mixdown.ts';

const linear = (bytes: Uint8Array) => Int16Array.from(bytes, (byte) => MULAW_TO_LINEAR[byte] ?? 0);

interface Mixed extends Mixdown {
  file: string;
  left: Int16Array;
  right: Int16Array;
}

/** Mixes one segment for each list of datagrams; caller right, callee left. */
async function mix(folder: string, segments: Datagram[][], options: FactsOptions = {}): Promise<Mixed> {
  const parts = segments.map((datagrams, index) => {
    const captureFile = join(folder, `${index}.pcap`);
    writeFileSync(captureFile, captureOf(datagrams));
    const closed = { at: (datagrams.at(-1)?.at ?? T0) + 1_000_000 };
    return {
      facts: factsOf(`s${index}`, { closed, ...options }),
      captureFile,
      lanes: { a: 1, b: 0 } as const,
    };
  });
  const file = join(folder, 'audio.wav');
  const mixdown = await mixDown(parts, file);
  return { ...mixdown, file, left: channelOf(file, 0), right: channelOf(file, 1) };
}

t.test('the bytes of a WAV', async (t) => {
  const packet = (port: number, payload: number[]): Datagram => ({
    at: T0,
    port,
    payload: buildRtpPacket({
      payloadType: 0,
      ssrc: 1,
      sequenceNumber: 1,
      timestamp: 1,
      payload: Uint8Array.from(payload),
    }),
  });
  const { file } = await mix(t.testdir(), [
    [packet(PORTS.a, [0x00, 0x80]), packet(PORTS.b, [0xff, 0x7f, 0xfe])],
  ]);
  const expected = [
    '52494646 30000000 57415645 666d7420 10000000 0100 0200 401f0000 007d0000 0400 1000 64617461 0c000000',
    // Left, right: 0 and -32124, 0 and 32124, 8 and silence.
    '0000 8482  0000 7c7d  0800 0000',
  ];
  t.equal(readFileSync(file).toString('hex'), expected.join('').replaceAll(' ', ''));
});

t.test('both parties, each on its channel, sample-exact, aligned by arrival', async (t) => {
  const sent = [
    ...talk({ label: 'a', packets: 500 }),
    ...talk({ label: 'b', at: T0 + 51_000, packets: 500 }),
  ];
  const { left, right, startAt, frames } = await mix(t.testdir(), [sent]);
  t.equal(startAt, T0 + 1000);
  t.equal(frames, 500 * 160 + 400);
  t.same(right.subarray(0, 80_000), linear(tone(0, 80_000, 0)));
  t.same(left.subarray(400), linear(tone(0, 80_000, 1)));
  t.ok(left.subarray(0, 400).every((sample) => sample === 0));
  t.ok(right.subarray(80_000).every((sample) => sample === 0));
});

t.test(
  'rule 4, report 1: a party is known by its port: who comes first and with what SSRC means nothing',
  async (t) => {
    const sent = [
      ...talk({ label: 'b', ssrc: 7, packets: 5 }),
      ...talk({ label: 'a', at: T0 + 500_000, ssrc: 7, packets: 5 }),
    ];
    const { left, right } = await mix(t.testdir(), [sent]);
    t.not(left[0], 0);
    t.equal(right[0], 0);
    t.not(right[4000], 0);
  },
);

t.test('a clock that drifts costs or gets single samples, and is never heard to click', async (t) => {
  const packets = 6000;
  const amplitude = 8000;
  const sine = (sample: number) => encodeMulaw(Math.round(amplitude * Math.sin((sample * Math.PI) / 10)));
  const drifting = (label: 'a' | 'b', ppm: number) =>
    talk({ label, packets }).map((datagram, index) => {
      const payload = Buffer.from(datagram.payload);
      for (let at = 0; at < 160; at += 1) payload[12 + at] = sine(index * 160 + at);
      return { ...datagram, at: T0 + 1000 + Math.round((index * 20_000) / (1 + ppm * 1e-6)), payload };
    });
  const { left, right, channels, frames } = await mix(t.testdir(), [
    [...drifting('a', 500), ...drifting('b', -500)],
  ]);
  for (const [index, samples] of [left, right].entries()) {
    const { driftPpm, slips } = channels[index === 0 ? 0 : 1];
    t.ok(Math.abs((driftPpm ?? 0) - (index === 0 ? -500 : 500)) < 10, `${driftPpm} ppm`);
    t.ok(slips > 440 && slips < 490, `${slips} samples`);
    const bends = samples
      .subarray(2, 950_000)
      .map((sample, at) => sample - 2 * (samples[at + 1] ?? 0) + (samples[at] ?? 0));
    const worst = bends.reduce((most, bend) => Math.max(most, Math.abs(bend)), 0);
    // A lost sample bends the wave by the way it goes in one, a third of its amplitude; a hole by all of that.
    t.ok(worst < amplitude * 0.45, `a bend of ${worst}`);
  }
  t.ok(Math.abs(frames - packets * 160) < 500, 'both end together, with the time that it took');
});

t.test('silence longer than the window, then audio', async (t) => {
  const after = {
    at: T0 + 601_000_000,
    sequenceNumber: 100,
    timestamp: (4_294_967_000 + 4_807_992) % 2 ** 32,
  };
  const sent = [
    ...talk({ label: 'a', packets: 10 }),
    ...talk({ label: 'a', packets: 10, ...after, from: 1600 }),
  ];
  const { right, frames, channels } = await mix(t.testdir(), [sent]);
  t.equal(frames, 4_807_992 + 1600);
  t.same(right.subarray(4_807_992), linear(tone(1600, 1600, 0)));
  t.ok(right.subarray(1600, 4_807_992).every((sample) => sample === 0));
  t.equal(channels[1].audioMs, 400);
});

t.test('segments stand on one timeline, the gap between them is silent', async (t) => {
  const folder = t.testdir();
  const { right, frames } = await mix(folder, [
    talk({ label: 'a', packets: 10 }),
    talk({
      label: 'a',
      at: T0 + 5_001_000,
      packets: 10,
      ssrc: 99,
      timestamp: 5,
      sequenceNumber: 5,
      from: 1600,
    }),
  ]);
  t.equal(frames, 5 * 8000 + 1600);
  t.same(right.subarray(40_000), linear(tone(1600, 1600, 0)));
});

t.test('what payload types mean may change in the call', async (t) => {
  const folder = t.testdir();
  const streams = (payloadType: number, encoding: string) => [
    streamOf('a', [{ ...PCMU, payloadType, encoding }]),
  ];
  const facts = factsOf('s', { streams: streams(96, 'PCMU'), closed: { at: T0 + 9e6 } });
  facts.media.push({ type: 'media', at: T0 + 210_000, streams: streams(97, 'PCMA') });
  const captureFile = join(folder, 'c.pcap');
  const later = talk({
    label: 'a',
    packets: 10,
    payloadType: 97,
    at: T0 + 201_000,
    sequenceNumber: 65_540,
    timestamp: 1304,
  });
  writeFileSync(captureFile, captureOf([...talk({ label: 'a', packets: 10, payloadType: 96 }), ...later]));
  const { channels, frames } = await mixDown(
    [{ facts, captureFile, lanes: { a: 0, b: 1 } }],
    join(folder, 'o.wav'),
  );
  t.equal(frames, 3200);
  // The first packet with the new type came before the media server knew of it: it counts all the same.
  t.same(
    channels[0].decoded,
    new Map([
      ['PCMU', 10],
      ['PCMA', 10],
    ]),
  );
  t.same(channels[0].undecodable, new Map());
});

t.test('a codec without decoder is counted, the other channel is whole', async (t) => {
  const evs = [
    streamOf('a', [{ payloadType: 96, encoding: 'EVS', clockRate: 16_000, channels: 1 }]),
    streamOf('b'),
  ];
  const sent = [...talk({ label: 'a', payloadType: 96 }), ...talk({ label: 'b' })];
  const { channels } = await mix(t.testdir(), [sent], { streams: evs });
  t.same(channels[1].undecodable, new Map([['EVS', 50]]));
  t.equal(channels[1].audioMs, 0);
  t.equal(channels[0].audioMs, 1000);
});

t.test('RTCP, strangers and noise are no audio', async (t) => {
  const noise = [
    { at: T0, port: PORTS.a + 1, payload: Buffer.from('80c8000600000001', 'hex') },
    { at: T0, port: PORTS.a, payload: Buffer.from('80c9000100000001', 'hex') },
    { at: T0, port: PORTS.a, payload: Buffer.from('hello, world') },
    { at: T0, port: PORTS.a, payload: Buffer.alloc(0) },
    { at: T0, port: 39_999, payload: talk({ label: 'a', packets: 1 })[0]?.payload ?? Buffer.alloc(0) },
    {
      at: T0 + 1e12,
      port: PORTS.a,
      payload: talk({ label: 'a', packets: 1 })[0]?.payload ?? Buffer.alloc(0),
    },
  ];
  const { startAt, frames, channels } = await mix(t.testdir(), [noise], { closed: { at: T0 + 1e6 } });
  t.equal(startAt, undefined);
  t.equal(frames, 0);
  t.equal(channels[1].packets, 0);
});

t.test('a capture that breaks off gives what it holds; one that is none is named', async (t) => {
  const folder = t.testdir();
  const whole = captureOf(talk({ label: 'a', packets: 20 }));
  const facts = factsOf('s');
  const tryCapture = async (bytes: Buffer) => {
    writeFileSync(join(folder, 'c.pcap'), bytes);
    return mixDown(
      [{ facts, captureFile: join(folder, 'c.pcap'), lanes: { a: 0, b: 1 } }],
      join(folder, 'o.wav'),
    );
  };
  t.equal((await tryCapture(whole.subarray(0, whole.length - 5))).frames, 19 * 160);
  const broken = Buffer.concat([whole, Buffer.alloc(64, 0xff)]);
  t.match(await tryCapture(broken), { frames: 3200, problems: [/segment s: the capture breaks off/] });
  t.match((await tryCapture(Buffer.from('not a pcap, really not'))).unreadable.get('s'), /is no capture/);
  t.match((await tryCapture(Buffer.alloc(0))).unreadable.get('s'), /is no capture/);
});

t.test(
  'any loss, jitter and order: each sample that came stands where it was sent, all else is silent',
  async (t) => {
    const folder = t.testdir();
    const fate = fc.record({ jitter: fc.integer({ min: 0, max: 150_000 }), isLost: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(fate, { minLength: 5, maxLength: 80 }), async (fates) => {
        const sent = talk({ label: 'a', packets: fates.length });
        // One undelayed packet at the start says when the party began to speak.
        const arrived = sent.flatMap((packet, index) => {
          const { jitter = 0, isLost = false } = index === 0 ? {} : (fates[index] ?? {});
          return isLost ? [] : [{ ...packet, at: packet.at + jitter }];
        });
        const { right } = await mix(folder, [arrived]);
        const expected = linear(tone(0, fates.length * 160));
        for (const [index, { isLost }] of fates.entries()) {
          if (index > 0 && isLost) expected.fill(0, index * 160, index * 160 + 160);
        }
        return (
          Buffer.from(right.buffer).equals(Buffer.from(expected.buffer, 0, right.byteLength)) &&
          expected.subarray(right.length).every((sample) => sample === 0)
        );
      }),
      { numRuns: 40 },
    );
    t.pass();
  },
);

t.test('ffmpeg reads it', { skip: hasFfprobe() ? false : 'ffprobe is not installed' }, async (t) => {
  const { file } = await mix(t.testdir(), [talk({ label: 'a', packets: 150 })]);
  const asked = [
    '-v',
    'error',
    '-of',
    'json',
    '-show_entries',
    'stream=codec_name,channels,sample_rate,duration',
    file,
  ];
  const { streams } = JSON.parse(execFileSync('ffprobe', asked, { encoding: 'utf8' }));
  t.match(streams, [{ codec_name: 'pcm_s16le', channels: 2, sample_rate: '8000', duration: '3.000000' }]);
});

function hasFfprobe(): boolean {
  try {
    execFileSync('ffprobe', ['-version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
