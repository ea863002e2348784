// `grec export`: whole files or none, never over another file, other formats through ffmpeg.
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hashFile } from '../archive/read.ts';
import { FIRST_ID, grec, metadata, stateWithRecordings } from './fixtures/state.ts';

process.env.TZ = 'UTC';
const NAME = 'grec-20260131-090507-7002-7001-1a2b3c4d';

t.test('into a directory: a name that says when and who, byte for byte the archive', async (t) => {
  const state = stateWithRecordings(t);
  const out = join(state.directory, 'out');
  mkdirSync(out);
  const result = await grec(state, ['export', '1a2b', '-o', out, '--metadata']);
  t.strictSame([result.code, result.out], [0, `${out}/${NAME}.wav\n${out}/${NAME}.json\n`]);
  t.strictSame(readdirSync(out).sort(), [`${NAME}.json`, `${NAME}.wav`], 'and no temporary file');
  for (const [made, original] of [
    ['wav', 'audio.wav'],
    ['json', 'metadata.json'],
  ])
    t.ok(
      readFileSync(join(out, `${NAME}.${made}`)).equals(readFileSync(join(state.recording, original ?? ''))),
    );
});

t.test(
  "a recording with a name of its DN's template gets that; one that leads elsewhere does not",
  async (t) => {
    const state = stateWithRecordings(t);
    const out = join(state.directory, 'out');
    mkdirSync(out);
    for (const [fileName, expected] of [
      ['2026-01-31 Ann 1a2b3c4d', '2026-01-31 Ann 1a2b3c4d.wav'],
      ['../escaped', `${NAME}.wav`],
    ] as const) {
      rewriteMetadata(state.recording, { fileName });
      const { code, out: printed } = await grec(state, ['export', '1a2b', '-o', out]);
      t.strictSame([code, printed], [0, `${out}/${expected}\n`]);
    }
    t.equal(existsSync(join(state.directory, 'escaped.wav')), false);
    t.equal((await grec(state, ['export', '1a2b', '-o', out])).code, 5, 'nothing is replaced');
  },
);

/** Changes metadata and manifest together, as nobody but an attacker does. */
function rewriteMetadata(directory: string, changes: object): void {
  const file = join(directory, 'metadata.json');
  writeFileSync(file, JSON.stringify({ ...metadata(), ...changes }));
  const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'));
  for (const entry of manifest.files)
    if (entry.path === 'metadata.json') Object.assign(entry, hashFile(file));
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
}

t.test('an existing file is kept, unless --force', async (t) => {
  const state = stateWithRecordings(t);
  const file = join(state.directory, 'mine.wav');
  writeFileSync(file, 'mine');
  const refused = await grec(state, ['export', '1a2b', '-o', file]);
  t.equal(refused.code, 5);
  t.match(refused.err, `grec: ${file} exists already`);
  t.equal(readFileSync(file, 'utf8'), 'mine');
  const forced = await grec(state, ['export', '1a2b', '-o', file, '--force', '--json']);
  t.match(JSON.parse(forced.out), { id: FIRST_ID, file, format: 'wav', size: 64_044, metadata: null });
  t.equal(readFileSync(file).length, 64_044);
});

t.test('to standard output', async (t) => {
  const state = stateWithRecordings(t);
  const { code, bytes } = await grec(state, ['export', '1a2b', '-o', '-']);
  t.equal(code, 0);
  t.ok(bytes.equals(readFileSync(join(state.recording, 'audio.wav'))));
  t.equal((await grec(state, ['export', '1a2b', '-o', '-'], { tty: true })).code, 2, 'but not to a terminal');
  t.equal((await grec(state, ['export', '1a2b', '-o', '-', '--metadata'])).code, 2);
});

t.test('files that are not what the manifest says are not exported', async (t) => {
  const state = stateWithRecordings(t);
  appendFileSync(join(state.recording, 'metadata.json'), ' ');
  const file = join(state.directory, 'a.wav');
  const { code, err } = await grec(state, ['export', '1a2b', '-o', file]);
  t.equal(code, 1);
  t.match(err, /recording 1a2b3c4d is not intact: metadata\.json/);
  t.notOk(existsSync(file));
});

t.test('mistakes', async (t) => {
  const state = stateWithRecordings(t);
  const fails = async (code: number, said: RegExp, ...argv: string[]) => {
    const { code: found, err } = await grec(state, ['export', ...argv]);
    t.equal(found, code, argv.join(' '));
    t.match(err, said);
  };
  await fails(
    1,
    /cannot write .*there is no directory .*no\/such\n/,
    '1a2b',
    '-o',
    join(state.directory, 'no', 'such', 'a.wav'),
  );
  const long = join(state.directory, `${'x'.repeat(300)}.wav`);
  await fails(1, /^grec: cannot write .*ENAMETOOLONG[^\n]*\n {2}look at[^\n]*\n$/, '1a2b', '-o', long);
  await fails(2, /no format is called \.xyz/, '1a2b', '-o', 'a.xyz');
  await fails(2, /Allowed choices are wav/, '1a2b', '--format', 'xyz');
  await fails(3, /no recording/, 'ffffffff');
  await fails(1, /has no audio: no media server/, 'deadfa11');
  await fails(
    2,
    /name of the metadata/,
    '1a2b',
    '--format',
    'wav',
    '--metadata',
    '-o',
    join(state.directory, 'a.json'),
  );
});

t.test('another format: ffmpeg missing is status 6 and leaves nothing', async (t) => {
  const state = stateWithRecordings(t);
  writeFileSync(state.configFile, 'state.directory = "state"\nexport.ffmpeg = "/nonexistent/ffmpeg"\n');
  const file = join(state.directory, 'a.mp3');
  const { code, err } = await grec(state, ['export', '1a2b', '-o', file]);
  t.equal(code, 6);
  t.match(err, 'grec: cannot run /nonexistent/ffmpeg; mp3 needs it\n  install it');
  t.strictSame(readdirSync(state.directory).sort(), ['grec.toml', 'state']);
});

t.test('another format: ffmpeg failing is said in its words', async (t) => {
  const state = stateWithRecordings(t);
  const ffmpeg = join(state.directory, 'ffmpeg');
  writeFileSync(ffmpeg, '#!/bin/sh\necho "no such encoder" >&2\nexit 1\n', { mode: 0o755 });
  writeFileSync(state.configFile, `state.directory = "state"\nexport.ffmpeg = "${ffmpeg}"\n`);
  const { code, err } = await grec(state, ['export', '1a2b', '-o', join(state.directory, 'a.flac')]);
  t.equal(code, 1);
  t.match(err, /^grec: ffmpeg failed: /);
  t.notOk(existsSync(join(state.directory, 'a.flac')));
});
