// Other formats with the real ffmpeg: lossless comes back sample by sample, the others as long as they were.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { grec, stateWithRecordings } from './fixtures/state.ts';
import { TRANSCODED_FORMATS } from './transcode-formats.ts';

const isInstalled = spawnSync('ffmpeg', ['-version']).error === undefined;

/** Samples as 16-bit PCM. */
function decode(file: string): Buffer {
  return spawnSync('ffmpeg', ['-v', 'error', '-i', file, '-ar', '8000', '-f', 's16le', '-'], {
    maxBuffer: 1 << 24,
  }).stdout;
}

t.test('every format', { skip: isInstalled ? false : 'ffmpeg is not installed' }, async (t) => {
  const state = stateWithRecordings(t);
  for (const format of TRANSCODED_FORMATS) {
    const file = join(state.directory, `a.${format}`);
    const { code, err } = await grec(state, ['export', '1a2b', '-o', file]);
    t.equal(code, 0, err);
    const seconds = decode(file).length / 4 / 8000;
    t.ok(Math.abs(seconds - 2) < 0.2, `${format}: ${seconds} s`);
  }
  const flac = decode(join(state.directory, 'a.flac'));
  t.ok(flac.equals(readFileSync(join(state.recording, 'audio.wav')).subarray(44)), 'flac is exact');
  const piped = await grec(state, ['export', '1a2b', '-o', '-', '--format', 'flac']);
  t.equal(piped.bytes.toString('latin1', 0, 4), 'fLaC');
});
