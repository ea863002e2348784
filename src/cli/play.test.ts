// `grec play`: pipes, single channels, and players that are missing or fail.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { CliContext } from './context.ts';
import { grec, type State, stateWithRecordings } from './fixtures/state.ts';
import { play } from './play.ts';

t.test('--stdout gives the file, or one channel of it', async (t) => {
  const state = stateWithRecordings(t);
  const wav = readFileSync(join(state.recording, 'audio.wav'));
  const whole = await grec(state, ['play', '1a2b', '--stdout']);
  t.equal(whole.code, 0);
  t.ok(whole.bytes.equals(wav));
  for (const [option, offset] of [
    ['--left', 44],
    ['--right', 46],
  ] as const) {
    const { bytes } = await grec(state, ['play', '1a2b', '--stdout', option]);
    t.equal(bytes.readUInt16LE(22), 1, 'mono');
    t.equal(bytes.readUInt32LE(24), 8000);
    t.equal(bytes.length, 44 + 32_000);
    for (const frame of [0, 1, 7_999, 8_000, 15_999])
      t.equal(bytes.readInt16LE(44 + frame * 2), wav.readInt16LE(offset + frame * 4), `${option} ${frame}`);
  }
  t.equal((await grec(state, ['play', '1a2b', '--stdout'], { tty: true })).code, 2, 'not to a terminal');
  t.equal((await grec(state, ['play', '1a2b', '--left', '--right'])).code, 2);
});

/** A player that is a shell script; `$1` is the file. */
function player(state: State, script: string) {
  const program = join(state.directory, 'player');
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { program, argv: (file: string) => [file] };
}

function contextOf({ configFile }: State) {
  const host = { daemonsDirectory: '', stdout: new PassThrough(), stderr: new PassThrough() };
  return new CliContext(host, { config: configFile, json: false, color: false });
}

const MISSING = { program: '/nonexistent/player', argv: (file: string) => [file] };

t.test(
  'the first player that is installed gets the file; a channel alone is removed afterwards',
  async (t) => {
    const state = stateWithRecordings(t);
    const seen = join(state.directory, 'seen');
    const found = player(state, `echo "$1" > ${seen}; test -s "$1"`);
    t.equal(await play(contextOf(state), '1a2b', {}, [MISSING, found]), 0);
    t.equal(readFileSync(seen, 'utf8').trim(), join(state.recording, 'audio.wav'));
    t.equal(await play(contextOf(state), '1a2b', { right: true }, [found]), 0);
    const temporary = readFileSync(seen, 'utf8').trim();
    t.not(temporary, join(state.recording, 'audio.wav'));
    t.notOk(existsSync(temporary));
  },
);

t.test('no player', async (t) => {
  const state = stateWithRecordings(t);
  await t.rejects(play(contextOf(state), '1a2b', {}, [MISSING]), {
    code: 'PLAYER_MISSING',
    hint: new RegExp(`apt install ffmpeg.*${state.recording}/audio.wav`),
  });
});

t.test('a player that fails, or says 0 without a sound device', async (t) => {
  const state = stateWithRecordings(t);
  for (const [script, said] of [
    ['exit 2', 'status 2'],
    ['echo "noise" >&2; echo "cannot open device" >&2; exit 1', 'cannot open device'],
    ['echo "audio open failed" >&2', 'there is no sound device here'],
    ['echo "ALSA lib cannot find card" >&2; exit 1', 'there is no sound device here'],
    ['kill -9 $$', 'SIGKILL'],
  ] as const)
    await t.rejects(play(contextOf(state), '1a2b', {}, [player(state, script)]), {
      code: 'PLAYER_FAILED',
      message: new RegExp(`could not play it: ${said}$`),
    });
  await t.rejects(play(contextOf(state), '1a2b', {}, [player(state, 'exit 2')]), {
    code: 'PLAYER_FAILED',
    hint: new RegExp(`^grec --config ${state.configFile} play `),
  });
  t.equal(await play(contextOf(state), '1a2b', {}, [player(state, 'exit 123')]), 0, 'ffplay after Ctrl-C');
});
