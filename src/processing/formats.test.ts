// What a recording is archived as: each format holds what WAV holds, and no recording is lost for its format.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { AudioFormat } from '../archive/audio-format.ts';
import { readMetadata, verifyFiles } from '../archive/read.ts';
import { decodeAlaw, decodeMulaw, encodeMulaw } from '../rtp/g711.ts';
import { buildRtpPacket } from '../testing/packets.ts';
import type { AudioSetting } from './audio-file.ts';
import { finishRecording } from './finish.ts';
import { hasFfmpeg, likeness, speech } from './fixtures/reference-speech.ts';
import {
  captureOf,
  channelOf,
  type Datagram,
  factsOf,
  metadataOf,
  PCMA,
  PORTS,
  streamOf,
  T0,
  talk,
} from './fixtures/segments.ts';
import { mixInFormat } from './mix-in-format.ts';

const skip = hasFfmpeg() ? false : 'ffmpeg is not installed';
const RECORDING = '019aa000-0000-7000-8000-00001a2b3c4d';
const SECONDS = 5;
const voices = [speech(SECONDS, 1), speech(SECONDS, 99)] as const;

/** A dialogue in PCMU: party a says the first voice, party b the second one. */
function dialogue(): Datagram[] {
  return (['a', 'b'] as const).flatMap((label, index) => {
    const voice = voices[index] ?? new Int16Array();
    return Array.from({ length: voice.length / 160 }, (_, packet) => ({
      at: T0 + 1000 + packet * 20_000,
      port: PORTS[label],
      payload: buildRtpPacket({
        payloadType: 0,
        ssrc: index,
        sequenceNumber: packet,
        timestamp: packet * 160,
        payload: Uint8Array.from(voice.subarray(packet * 160, packet * 160 + 160), encodeMulaw),
      }),
    }));
  });
}

function segmentOf(t: Test, datagrams: Datagram[], streams = [streamOf('a'), streamOf('b')]) {
  const folder = t.testdir();
  const captureFile = join(folder, 'c.pcap');
  writeFileSync(captureFile, captureOf(datagrams));
  const metadata = metadataOf(RECORDING, 'call');
  const facts = factsOf('s', { streams, metadata, closed: { at: T0 + SECONDS * 1e6 + 1e6 } });
  return { folder, segment: { id: 's', facts, captureFile, lanes: { a: 0, b: 1 } as const } };
}

async function mix(
  t: Test,
  setting: AudioSetting,
  datagrams = dialogue(),
  streams?: Parameters<typeof segmentOf>[2],
) {
  const { folder, segment } = segmentOf(t, datagrams, streams);
  const plain = join(folder, 'plain');
  const made = join(folder, 'made');
  for (const directory of [plain, made]) mkdirSync(directory);
  const wav = await mixInFormat([segment], plain, {});
  const mixed = await mixInFormat([segment], made, setting);
  return { ...mixed, made, wav: wav.file, left: channelOf(wav.file, 0), right: channelOf(wav.file, 1) };
}

function mkdirIn(folder: string, name: string): string {
  const directory = join(folder, name);
  mkdirSync(directory);
  return directory;
}

/** Samples of a file at 8 kHz, interleaved. */
function decode(file: string): Int16Array {
  const { stdout } = spawnSync('ffmpeg', ['-v', 'error', '-i', file, '-ar', '8000', '-f', 's16le', '-'], {
    maxBuffer: 1 << 26,
  });
  return Int16Array.from({ length: stdout.length / 2 }, (_, at) => stdout.readInt16LE(2 * at));
}

/** Besides what proves them. */
const filesIn = (directory: string) =>
  readdirSync(directory)
    .filter((name) => !name.startsWith('manifest.'))
    .toSorted();

const every = (samples: Int16Array, step: number, from: number) =>
  Int16Array.from(
    { length: Math.floor((samples.length - from + step - 1) / step) },
    (_, at) => samples[at * step + from] ?? 0,
  );

t.test('G.711 in WAV: literal bytes, mu-law or A-law as the call was', async (t) => {
  const packet = (payloadType: number, payload: number[]): Datagram => ({
    at: T0,
    port: PORTS.a,
    payload: buildRtpPacket({
      payloadType,
      ssrc: 1,
      sequenceNumber: 1,
      timestamp: 1,
      payload: Uint8Array.from(payload),
    }),
  });
  const { file, format, remarks } = await mix(t, { format: 'wav-g711' }, [packet(0, [0x00, 0x80])]);
  t.same([format, remarks], ['wav-g711', []]);
  const head = '52494646 36000000 57415645 666d7420 12000000 0700 0200 401f0000 803e0000 0200 0800 0000';
  const rest = '66616374 04000000 02000000 64617461 04000000 00ff 80ff';
  t.equal(readFileSync(file).toString('hex'), `${head}${rest}`.replaceAll(' ', ''));
  const alaw = await mix(
    t,
    { format: 'wav-g711', channels: 'mixed' },
    [packet(8, [0x2a, 0x55, 0xaa])],
    [streamOf('a', [PCMA])],
  );
  const bytes = readFileSync(alaw.file);
  t.same([bytes.readUInt16LE(20), bytes.readUInt16LE(22), bytes.readUInt32LE(54)], [6, 1, 3]);
  t.equal(bytes.subarray(58).toString('hex'), '2a55aa00', 'an odd number of bytes is followed by one more');
  t.equal(bytes.readUInt32LE(4), bytes.length - 8);
});

t.test('G.711 in WAV is what PCM has, in half of its space', async (t) => {
  const { file, wav, left, right } = await mix(t, { format: 'wav-g711' });
  const bytes = readFileSync(file).subarray(58);
  t.equal(bytes.length * 2, statSync(wav).size - 44);
  t.ok(left.every((sample, at) => decodeMulaw(bytes[2 * at] ?? 0) === sample));
  t.ok(right.every((sample, at) => decodeMulaw(bytes[2 * at + 1] ?? 0) === sample));
  t.equal(decodeAlaw(0x2a), -32256);
});

t.test('mixed: one channel, the sum of both, and never beyond the loudest sample', async (t) => {
  const loud = (['a', 'b'] as const).flatMap((label) => talk({ label, packets: 50 }));
  for (const datagrams of [dialogue(), loud]) {
    const { file, left, right } = await mix(t, { channels: 'mixed' }, datagrams);
    const bytes = readFileSync(file);
    t.same([bytes.readUInt16LE(22), bytes.readUInt32LE(40)], [1, left.length * 2]);
    const sum = (at: number) => Math.max(-32768, Math.min(32767, (left[at] ?? 0) + (right[at] ?? 0)));
    t.ok(left.every((_, at) => bytes.readInt16LE(44 + 2 * at) === sum(at)));
  }
});

const COMPRESSED: [AudioFormat, number][] = [
  ['flac', 1],
  ['opus', 0.95],
  ['mp3', 0.95],
];
for (const [format, least] of COMPRESSED)
  t.test(`${format}: both parties, each on its channel, as long as they spoke`, { skip }, async (t) => {
    const { file, remarks, wav, left, right } = await mix(t, { format });
    t.same(remarks, []);
    t.ok(
      statSync(file).size < statSync(wav).size * (format === 'flac' ? 0.95 : 0.5),
      `${statSync(file).size} bytes`,
    );
    t.equal(statSync(file).mode & 0o777, 0o640);
    const samples = decode(file);
    t.ok(
      Math.abs(samples.length / 2 - left.length) <= 160,
      `${samples.length / 2} of ${left.length} samples`,
    );
    for (const [channel, expected, other] of [
      [0, left, right],
      [1, right, left],
    ] as const) {
      const heard = every(samples, 2, channel);
      const { correlation, lag } = likeness(expected.subarray(400, 36_000), heard.subarray(400), 160);
      t.ok(correlation >= least - 1e-9 && Math.abs(lag) < 160, `${correlation} like, ${lag} samples late`);
      const leak = likeness(other.subarray(400, 36_000), heard.subarray(400), 20);
      const usual = likeness(other.subarray(400, 36_000), expected.subarray(400), 20);
      t.ok(leak.correlation < usual.correlation + 0.02, `${leak.correlation} like the other party`);
    }
    const mono = await mix(t, { format, channels: 'mixed' });
    t.ok(Math.abs(decode(mono.file).length - left.length) <= 160, 'mixed: as long');
  });

/** Archives the dialogue; `audioOf` gets the folder in which that happens. */
async function finish(t: Test, audioOf: (folder: string) => AudioSetting) {
  const { folder, segment } = segmentOf(t, dialogue());
  const task = {
    archive: join(folder, 'archive'),
    signingKey: join(folder, 'signing-key.pem'),
    recording: RECORDING,
    calls: [],
    partial: [],
    remarks: [],
    madeOf: 'm',
    segments: [{ ...segment, directory: folder, source: 0, size: 0, changedAt: 0, problem: undefined }],
  };
  const finished = await finishRecording({ ...task, audio: audioOf(folder) });
  if (finished.result !== 'archived') throw new Error(JSON.stringify(finished));
  return { directory: join(task.archive, finished.path), finished, again: () => finishRecording(task) };
}

const LIST = 'case "$*" in *coders*) echo " A....D flac FLAC"; exit 0;; esac';
const BROKEN: { what: string; script: string | undefined; why: RegExp }[] = [
  { what: 'missing', script: undefined, why: /flac needs ffmpeg: cannot run / },
  { what: 'without the encoder', script: 'echo " A....D aac AAC"', why: /lacks the encoder flac/ },
  {
    what: 'failing at once',
    script: `${LIST}; echo "no room" >&2; exit 1`,
    why: /made no flac of it: no room/,
  },
  {
    what: 'failing in the middle',
    script: `${LIST}; head -c 9000 >/dev/null; exit 1`,
    why: /made no flac of it: /,
  },
  { what: 'content with nothing', script: `${LIST}; cat >/dev/null`, why: /wrote nothing/ },
  { what: 'hanging', script: `${LIST}; exec sleep 60`, why: /stood still/ },
];
for (const { what, script, why } of BROKEN)
  t.test(`ffmpeg ${what}: the recording is WAV, and says why`, async (t) => {
    const { directory, finished } = await finish(t, (folder) => {
      const ffmpeg = join(folder, 'ffmpeg');
      if (script !== undefined) writeFileSync(ffmpeg, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      return { format: 'flac', ffmpeg, stallMs: 300 };
    });
    t.same(filesIn(directory), ['audio.wav', 'metadata.json']);
    t.ok(verifyFiles(directory).ok);
    const { remarks, mediaFiles } = readMetadata(directory);
    t.match(remarks, [why]);
    t.match(mediaFiles, [
      { mediaPath: 'audio.wav', type: 'audio/wav', channels: 2, duration: SECONDS * 1000 },
    ]);
    t.same(finished.setAside, []);
  });

t.test('a recording in FLAC is whole, and told so', { skip }, async (t) => {
  const { directory, again } = await finish(t, () => ({ format: 'flac', channels: 'mixed' }));
  t.same(filesIn(directory), ['audio.flac', 'metadata.json']);
  t.ok(verifyFiles(directory).ok);
  const { size } = statSync(join(directory, 'audio.flac'));
  const { mediaFiles, remarks } = readMetadata(directory);
  const expected = {
    mediaPath: 'audio.flac',
    type: 'audio/flac',
    sampleRate: 8000,
    channels: 1,
    duration: SECONDS * 1000,
    size,
  };
  t.match(mediaFiles, [expected]);
  t.same(remarks, []);
  t.equal((await again()).result, 'archived', 'what is made is taken over');
  t.ok(existsSync(join(directory, 'audio.flac')));
});

t.test(
  'three parties: a channel each where the format takes it, sides otherwise, one when mixed',
  { skip },
  async (t) => {
    const { folder, segment } = segmentOf(t, dialogue());
    const wav = await mixInFormat([segment], mkdirIn(folder, 'two'), {});
    const [left, right] = [channelOf(wav.file, 0), channelOf(wav.file, 1)];
    const rankAt = () => 0;
    // The second party is the third one's channel; nobody is on the second.
    const plan = {
      sides: [0, 1, 0] as const,
      lanes: [
        { channel: 0, rankAt },
        { channel: 2, rankAt },
      ],
    };
    const mixed = Int16Array.from(left, (sample, at) =>
      Math.max(-32_768, Math.min(32_767, sample + (right[at] ?? 0))),
    );
    for (const format of ['wav', 'wav-g711', 'flac'] as const) {
      const { file, mixdown } = await mixInFormat([segment], mkdirIn(folder, format), { format }, plan);
      t.equal(mixdown.fileChannels, 3, format);
      const samples = decode(file);
      t.same(every(samples, 3, 0), left, `${format}: the first party`);
      t.ok(
        every(samples, 3, 1).every((sample) => Math.abs(sample) <= 8),
        `${format}: nobody`,
      );
      t.same(every(samples, 3, 2), right, `${format}: the second party`);
    }
    for (const format of ['opus', 'mp3'] as const) {
      const { file, mixdown } = await mixInFormat([segment], mkdirIn(folder, format), { format }, plan);
      t.equal(mixdown.fileChannels, 2, format);
      const samples = decode(file);
      const { correlation } = likeness(mixed.subarray(400, 36_000), every(samples, 2, 0).subarray(400), 1200);
      t.ok(correlation > 0.9, `${format}: both on one side, ${correlation}`);
    }
    const one = await mixInFormat([segment], mkdirIn(folder, 'mixed'), { channels: 'mixed' }, plan);
    t.equal(one.mixdown.fileChannels, 1);
    t.same(decode(one.file), mixed);
  },
);

t.test('as many channels as FLAC takes; with more, sides', { skip }, async (t) => {
  const { folder, segment } = segmentOf(t, dialogue());
  const rankAt = () => 0;
  for (const count of [4, 5, 6, 7, 8, 9]) {
    const sides = Array.from({ length: count }, (_, channel) => (channel % 2 === 0 ? 0 : 1) as 0 | 1);
    const lanes = [0, count - 1].map((channel) => ({ channel, rankAt }));
    const directory = mkdirIn(folder, `${count}`);
    const { file, mixdown } = await mixInFormat([segment], directory, { format: 'flac' }, { sides, lanes });
    t.equal(mixdown.fileChannels, count < 9 ? count : 2);
    const [first, last] = [0, mixdown.fileChannels - 1].map((channel) =>
      every(decode(file), mixdown.fileChannels, channel),
    );
    const isPart = count < 9;
    t.equal(isPart && first?.some((sample, at) => sample !== last?.[at]), isPart, 'two voices');
    t.equal(
      last?.some((sample) => sample !== 0),
      isPart,
      'the last party is on the last channel',
    );
  }
});
