// Recordings that are archived in other formats than PCM: shown, played and exported like any other one.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hashFile } from '../archive/read.ts';
import { grec, metadata, type State, stateWithRecordings } from './fixtures/state.ts';

const skip = spawnSync('ffmpeg', ['-version']).error === undefined ? false : 'ffmpeg is not installed';

/** Puts another file in the place of a recording's audio, as if it had been archived so. @returns its bytes, and those it had */
function archiveAs(state: State, name: string, type: string, codec: string[]) {
  const [wav, file] = [join(state.recording, 'audio.wav'), join(state.recording, name)];
  const pcm = readFileSync(wav);
  const made = `${file}.made.${name.split('.')[1]}`;
  const { status, stderr } = spawnSync('ffmpeg', ['-v', 'error', '-i', wav, ...codec, made]);
  if (status !== 0) throw new Error(`${stderr}`);
  rmSync(wav);
  writeFileSync(file, readFileSync(made));
  rmSync(made);
  const mediaFiles = metadata().mediaFiles.map((media) => ({ ...media, mediaPath: name, type }));
  writeFileSync(join(state.recording, 'metadata.json'), JSON.stringify({ ...metadata(), mediaFiles }));
  const manifest = JSON.parse(readFileSync(join(state.recording, 'manifest.json'), 'utf8'));
  manifest.files = [name, 'metadata.json'].map((path) => ({
    path,
    ...hashFile(join(state.recording, path)),
  }));
  writeFileSync(join(state.recording, 'manifest.json'), JSON.stringify(manifest));
  return { file, pcm, bytes: readFileSync(file) };
}

/** The samples of a WAV that ffmpeg has written, whose header may be longer than ours. */
const samplesOf = (wav: Buffer) => wav.subarray(wav.indexOf('data') + 8);

t.test('FLAC', { skip }, async (t) => {
  const state = stateWithRecordings(t);
  const usual = (await grec(state, ['show', '1a2b'])).out;
  const { file, pcm, bytes } = archiveAs(state, 'audio.flac', 'audio/flac', ['-c:a', 'flac']);
  const shown = await grec(state, ['show', '1a2b']);
  t.equal(shown.code, 0);
  t.match(shown.out, file);
  const waveform = (text: string) => text.split('\n').filter((line) => /[▁▂▃▄▅▆▇█]/.test(line));
  t.ok(waveform(usual).length > 0);
  t.same(waveform(shown.out), waveform(usual), 'the waveform is that of WAV');
  const whole = await grec(state, ['play', '1a2b', '--stdout']);
  t.ok(samplesOf(whole.bytes).equals(samplesOf(pcm)), 'played as WAV');
  const right = await grec(state, ['play', '1a2b', '--stdout', '--right']);
  t.equal(right.bytes.readInt16LE(44 + 2 * 8000), pcm.readInt16LE(46 + 4 * 8000));
  const copy = await grec(state, ['export', '1a2b', '-o', `${state.directory}/`]);
  t.match(copy.out, /\.flac\n$/);
  t.ok(readFileSync(copy.out.trim()).equals(bytes), 'a copy is the file itself');
  t.ok((await grec(state, ['export', '1a2b', '-o', '-'])).bytes.equals(bytes));
  const wav = join(state.directory, 'x.wav');
  t.equal((await grec(state, ['export', '1a2b', '-o', wav])).code, 0);
  t.ok(samplesOf(readFileSync(wav)).equals(samplesOf(pcm)), 'exported as WAV');
  t.ok(existsSync(file));
});

t.test('Opus without ffmpeg: shown without a waveform, copied, and not converted', { skip }, async (t) => {
  const state = stateWithRecordings(t);
  const { bytes } = archiveAs(state, 'audio.opus', 'audio/ogg', ['-c:a', 'libopus']);
  writeFileSync(state.configFile, 'state.directory = "state"\nexport.ffmpeg = "/nonexistent/ffmpeg"\n');
  const shown = await grec(state, ['show', '1a2b']);
  t.equal(shown.code, 0);
  t.match(shown.out, 'cannot run /nonexistent/ffmpeg');
  t.ok((await grec(state, ['export', '1a2b', '-o', '-'])).bytes.equals(bytes));
  t.equal((await grec(state, ['play', '1a2b', '--stdout'])).code, 6);
  t.equal((await grec(state, ['export', '1a2b', '-o', join(state.directory, 'x.wav')])).code, 6);
});

t.test('WAV with G.711 is read without ffmpeg', { skip }, async (t) => {
  const state = stateWithRecordings(t);
  const { bytes } = archiveAs(state, 'audio.wav', 'audio/wav', ['-c:a', 'pcm_alaw']);
  writeFileSync(state.configFile, 'state.directory = "state"\nexport.ffmpeg = "/nonexistent/ffmpeg"\n');
  const shown = await grec(state, ['show', '1a2b']);
  t.equal(shown.code, 0);
  t.match(shown.out, /[▁▂▃▄▅▆▇█]/);
  const left = (await grec(state, ['play', '1a2b', '--stdout', '--left'])).bytes;
  t.equal(left.length, 44 + 32_000);
  t.ok(Math.abs(left.readInt16LE(44) - 16_384) < 600, `${left.readInt16LE(44)}`);
  t.ok((await grec(state, ['export', '1a2b', '-o', '-'])).bytes.equals(bytes));
});
