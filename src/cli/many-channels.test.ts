// A recording of three parties: shown with three channels, and each is heard wherever there is place for two alone.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import { hashFile } from '../archive/read.ts';
import { CliContext } from './context.ts';
import { grec, metadata, type State, stateWithRecordings } from './fixtures/state.ts';
import { play } from './play.ts';

const skip = spawnSync('ffmpeg', ['-version']).error === undefined ? false : 'ffmpeg is not installed';
/** Hertz of the party on each channel: agent, customer, a second agent. */
const TONES = [400, 900, 1500];
const FRAMES = 8000;

const toneAt = (hertz: number, frame: number) =>
  Math.round(8000 * Math.sin((2 * Math.PI * hertz * frame) / 8000));

/** The first recording, with three channels. */
function stateWithThree(t: Test): State {
  const state = stateWithRecordings(t);
  const header = readFileSync(join(state.recording, 'audio.wav')).subarray(0, 44);
  const bytes = Buffer.alloc(44 + FRAMES * 6);
  header.copy(bytes);
  bytes.writeUInt16LE(3, 22);
  bytes.writeUInt32LE(8000 * 6, 28);
  bytes.writeUInt16LE(6, 32);
  bytes.writeUInt32LE(FRAMES * 6, 40);
  for (let frame = 0; frame < FRAMES; frame += 1)
    for (const [channel, hertz] of TONES.entries())
      bytes.writeInt16LE(toneAt(hertz, frame), 44 + 2 * (frame * 3 + channel));
  writeFileSync(join(state.recording, 'audio.wav'), bytes);
  const plain = metadata();
  const [agent] = plain.parties;
  const parties = [...plain.parties, { ...agent, channel: 2, number: '7009', uri: 'sip:7009@h' }];
  const mediaFiles = plain.mediaFiles.map((media) => ({ ...media, channels: 3 }));
  writeFileSync(join(state.recording, 'metadata.json'), JSON.stringify({ ...plain, parties, mediaFiles }));
  const manifest = JSON.parse(readFileSync(join(state.recording, 'manifest.json'), 'utf8'));
  manifest.files = ['audio.wav', 'metadata.json'].map((path) => {
    return { path, ...hashFile(join(state.recording, path)) };
  });
  writeFileSync(join(state.recording, 'manifest.json'), JSON.stringify(manifest));
  return state;
}

/** Which of the tones are in each of the channels of 16-bit samples at 8 kHz. */
function tonesIn(samples: Int16Array, channels: number): number[][] {
  return Array.from({ length: channels }, (_, channel) =>
    TONES.filter((hertz) => amplitudeOf(samples, channels, channel, hertz) > 1000),
  );
}

function amplitudeOf(samples: Int16Array, channels: number, channel: number, hertz: number): number {
  let [real, imaginary] = [0, 0];
  const frames = Math.floor(samples.length / channels);
  for (let frame = 0; frame < frames; frame += 1) {
    const [sample, angle] = [samples[frame * channels + channel] ?? 0, (2 * Math.PI * hertz * frame) / 8000];
    real += sample * Math.cos(angle);
    imaginary += sample * Math.sin(angle);
  }
  return (2 * Math.hypot(real, imaginary)) / frames;
}

function decode(file: string): Int16Array {
  const options = ['-v', 'error', '-i', file, '-ar', '8000', '-f', 's16le', '-'];
  const { stdout } = spawnSync('ffmpeg', options, { maxBuffer: 1 << 24 });
  return new Int16Array(stdout.buffer, stdout.byteOffset, stdout.length >> 1);
}

t.test('shown with all of them', async (t) => {
  const { out, code } = await grec(stateWithThree(t), ['show', '1a2b']);
  t.equal(code, 0, out);
  t.match(out, /channel 3\s+agent 7009/);
  t.match(out, /^3 ▁|^3 .*[▂-█]/m);
});

t.test('exported: each alone without loss, by sides otherwise', { skip }, async (t) => {
  const state = stateWithThree(t);
  for (const format of ['flac', 'mp3', 'opus', 'ogg', 'm4a']) {
    const file = join(state.directory, `a.${format}`);
    const { code, err } = await grec(state, ['export', '1a2b', '-o', file]);
    t.equal(code, 0, err);
    const alone = format === 'flac';
    const expected = alone ? [[400], [900], [1500]] : [[400, 1500], [900]];
    t.same(tonesIn(decode(file), alone ? 3 : 2), expected, format);
  }
});

t.test('played: a player gets two sides', async (t) => {
  const state = stateWithThree(t);
  const seen = join(state.directory, 'seen.wav');
  const program = join(state.directory, 'player');
  writeFileSync(program, `#!/bin/sh\ncp "$1" ${seen}\n`, { mode: 0o755 });
  const host = { daemonsDirectory: '', stdout: new PassThrough(), stderr: new PassThrough() };
  const context = new CliContext(host, { config: state.configFile, json: false, color: false });
  t.equal(await play(context, '1a2b', {}, [{ program, argv: (file: string) => [file] }]), 0);
  const bytes = readFileSync(seen);
  t.equal(bytes.readUInt16LE(22), 2);
  const samples = Int16Array.from({ length: (bytes.length - 44) / 2 }, (_, at) =>
    bytes.readInt16LE(44 + 2 * at),
  );
  t.same(tonesIn(samples, 2), [[400, 1500], [900]]);
});
