// `grec config`: check finds every mistake, show prints a file that means the same.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../config.ts';
import { emptyState, grec } from './fixtures/state.ts';

t.test('check: valid', async (t) => {
  const state = emptyState(t);
  const { code, out } = await grec(state, ['config', 'check']);
  t.equal(code, 0);
  t.match(out, `${state.configFile}: valid\n  state    ${state.directory}/state\n`);
  t.match(JSON.parse((await grec(state, ['config', 'check', '--json'])).out), { valid: true, problems: [] });
});

t.test('check: every mistake, with line and key', async (t) => {
  const state = emptyState(t);
  const file = join(state.directory, 'bad.toml');
  writeFileSync(file, '[sip]\nring-timeout = 1\n[sipp]\n');
  const { code, err } = await grec(state, ['config', 'check', file]);
  t.equal(code, 78);
  t.match(err, `${file}:2: sip.ring-timeout: expected a whole number of seconds from 5 to 600`);
  t.match(err, `${file}:3: sipp: unknown key`);
  const json = await grec(state, ['config', 'check', file, '--json']);
  t.equal(json.code, 78);
  t.match(JSON.parse(json.out), {
    valid: false,
    file,
    problems: [
      { line: 2, key: 'sip.ring-timeout' },
      { line: 3, key: 'sipp' },
    ],
  });
  t.equal((await grec(state, ['config', 'check', '/nonexistent'])).code, 78);
  t.equal((await grec(state, ['config', 'check', '/nonexistent', '--json'])).code, 78);
});

t.test('check: a consent tone that cannot be played', async (t) => {
  const state = emptyState(t);
  const file = join(state.directory, 'tone.toml');
  writeFileSync(file, '[recording.consent-tone]\nfile = "tone.wav"\n');
  writeFileSync(join(state.directory, 'tone.wav'), 'noise');
  const { code, err } = await grec(state, ['config', 'check', file]);
  t.equal(code, 78);
  t.match(
    err,
    /tone\.toml: recording\.consent-tone\.file: cannot play the sound .*tone\.wav: it is no WAV file/,
  );
  t.match(err, 'ffmpeg');
  const json = await grec(state, ['config', 'check', file, '--json']);
  t.equal(json.code, 78);
  t.match(JSON.parse(json.out), { valid: false, problems: [{ key: 'recording.consent-tone.file' }] });
});

t.test('every other command refuses a bad configuration with the same words', async (t) => {
  const state = emptyState(t);
  writeFileSync(state.configFile, 'x = 1\n');
  for (const command of ['ls', 'status', 'up']) {
    const { code, err } = await grec(state, [command]);
    t.equal(code, 78, command);
    t.match(err, `${state.configFile}:1: x: unknown key; accepted here: state, log`);
  }
});

t.test('show prints a configuration file with the same meaning', async (t) => {
  const state = emptyState(t);
  writeFileSync(
    state.configFile,
    `state.directory = "elsewhere"
    log.level = "debug"
    sip.listen = ["udp:[::1]:5070", "tcp:127.0.0.1:5060"]
    mediad.ports = "20000-20999"
    media.server = "[::1]:2224"
    export.ffmpeg = "/opt/ffmpeg"
    switch.strategy = "routes.toml"
    index = { model = "en", phrases = ["refund"] }
    [[trunk]]
    name = "carrier"
    host = "192.0.2.1"`,
  );
  const { code, out } = await grec(state, ['config', 'show']);
  t.equal(code, 0);
  const copy = join(t.testdir(), 'copy.toml');
  writeFileSync(copy, out);
  const strip = ({
    file: _file,
    state: _state,
    archive: _archive,
    switch: _switch,
    index: _index,
    ...config
  }: ReturnType<typeof loadConfig>) => config;
  t.strictSame(strip(loadConfig({ file: copy })), strip(loadConfig({ file: state.configFile })));
  t.match(JSON.parse((await grec(state, ['config', 'show', '--json'])).out), {
    file: state.configFile,
    paths: { state: join(state.directory, 'elsewhere') },
    values: { log: { level: 'debug' }, trunk: [{ name: 'carrier', port: 5060 }] },
  });
});
