// The life of a daemon, as a process: lock, ready signal, reload, drain, and mistakes an operator can mend.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Running, runProgram, shortDirectory } from './cli/fixtures/daemons.ts';
import { askDaemon } from './control.ts';

const START = `({ status: () => ({ figures: 7 }), reload: (config) => log.warn({ realm: config.sip.realm }, 'reloaded'),
  routes: { 'GET /extra': () => ({ extra: true }) }, stop: async () => log.warn('drained') })`;

/** Its drain lasts until the second signal is there, so that this one can never come after the end. */
const DRAINS_UNTIL_SIGINT = START.replace(
  'stop: async () => ',
  "stop: async () => new Promise((resolve) => process.once('SIGINT', resolve)).then(() => ",
).replace(/ \}\)$/, ') })');

/** A daemon whose start is the given expression (of `config` and `log`). */
function program(t: Test, start = START) {
  const directory = shortDirectory(t);
  const file = join(directory, 'grec-procd.ts');
  writeFileSync(
    file,
    `import { runDaemon } from '${import.meta.dirname}/daemon.ts';
     import { GrecError } from '${import.meta.dirname}/errors.ts';
     await runDaemon('grec-procd', process.argv.slice(2), async ({ config, log }) => ${start});`,
  );
  const configFile = join(directory, 'grec.toml');
  writeFileSync(configFile, 'state.directory = "state"\n');
  return { file, directory, configFile, socket: join(directory, 'state', 'run', 'procd.sock') };
}

function run(t: Test, { file, configFile }: { file: string; configFile: string }): Running {
  return runProgram(t, [file, '--config', configFile]);
}

t.test('ready: its socket answers, then SIGTERM drains and leaves nothing', async (t) => {
  const daemon = program(t, DRAINS_UNTIL_SIGINT);
  const running = run(t, daemon);
  await running.line(/"msg":"ready"/);
  t.match(await askDaemon('grec-procd', daemon.socket, 'GET', '/status'), {
    daemon: 'grec-procd',
    pid: running.child.pid,
    config: daemon.configFile,
    stateDirectory: join(daemon.directory, 'state'),
    figures: 7,
  });
  t.strictSame(await askDaemon('grec-procd', daemon.socket, 'GET', '/extra'), { extra: true });
  // Twice, as a launcher and a process group do it: the second one comes while it drains.
  running.child.kill('SIGTERM');
  await running.line(/"msg":"stopping"/);
  running.child.kill('SIGINT');
  t.strictSame(await running.ended, { code: 0, signal: null });
  t.match(running.lines.join('\n'), /stopping[\s\S]*drained[\s\S]*"msg":"stopped"/);
  t.equal(running.lines.filter((line) => line.includes('"msg":"stopping"')).length, 1);
  t.notOk(existsSync(daemon.socket));
  t.notOk(existsSync(daemon.socket.replace('procd.sock', 'grec-procd.pid')));
});

t.test('a second one on the same state is refused; a killed one leaves no lock', async (t) => {
  const daemon = program(t);
  const first = run(t, daemon);
  await first.line(/"msg":"ready"/);
  const second = run(t, daemon);
  t.equal((await second.ended).code, 1);
  t.match(
    second.lines.join('\n'),
    `grec-procd (pid ${first.child.pid}) already uses ${join(daemon.directory, 'state')}`,
  );
  t.match(
    await askDaemon('grec-procd', daemon.socket, 'GET', '/status'),
    { pid: first.child.pid },
    'the first one lives on',
  );
  first.child.kill('SIGKILL');
  await first.ended;
  const third = run(t, daemon);
  await third.line(/"msg":"ready"/);
  third.child.kill('SIGINT');
  t.equal((await third.ended).code, 0);
});

t.test('SIGHUP takes over a new configuration; a bad one leaves the old in force', async (t) => {
  const daemon = program(t);
  const running = run(t, daemon);
  await running.line(/"msg":"ready"/);
  writeFileSync(daemon.configFile, 'state.directory = "state"\nsip.realm = "other"\n');
  running.child.kill('SIGHUP');
  t.match(await running.line(/"msg":"reloaded"/), '"realm":"other"');
  await running.line(/configuration read again/);
  writeFileSync(daemon.configFile, 'nonsense = 1\n');
  running.child.kill('SIGHUP');
  t.match(await running.line(/reload failed/), 'the configuration in force stays');
  running.child.kill('SIGTERM');
  t.equal((await running.ended).code, 0);
});

t.test('the service manager is told when it is ready and when it stops', async (t) => {
  const daemon = program(t);
  // systemd-notify itself, as far as its arguments: what it does with them is systemd's.
  const told = join(daemon.directory, 'told');
  writeFileSync(
    join(daemon.directory, 'systemd-notify'),
    `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> ${told}\n`,
    { mode: 0o755 },
  );
  const running = runProgram(
    t,
    [
      '-c',
      `NOTIFY_SOCKET=/run/n PATH=${daemon.directory}:$PATH exec ${process.execPath} ${daemon.file} --config ${daemon.configFile}`,
    ],
    'sh',
  );
  await running.line(/"msg":"ready"/);
  while (!existsSync(told)) await new Promise((resolve) => setTimeout(resolve, 10));
  running.child.kill('SIGTERM');
  await running.ended;
  const pid = running.child.pid;
  t.equal(readFileSync(told, 'utf8'), `/run/n --pid=${pid} READY=1\n/run/n --pid=${pid} STOPPING=1\n`);
});

t.test('a start that fails says what to do, and frees what it took', async (t) => {
  const daemon = program(
    t,
    `{ throw new GrecError('PORT_IN_USE', 'udp 127.0.0.1:5060 is in use', { hint: 'see ss -lunp' }); }`,
  );
  const running = run(t, daemon);
  t.equal((await running.ended).code, 1);
  t.match(
    running.lines.join('\n'),
    /"hint":"see ss -lunp","code":"PORT_IN_USE","msg":"udp 127.0.0.1:5060 is in use"/,
  );
  t.notOk(existsSync(daemon.socket.replace('procd.sock', 'grec-procd.pid')));
});

t.test('a drain that fails ends with status 1, at once, and frees what it took', async (t) => {
  const daemon = program(t, `({ status: () => ({}), stop: async () => { throw new Error('stuck'); } })`);
  const running = run(t, daemon);
  await running.line(/"msg":"ready"/);
  running.child.kill('SIGTERM');
  t.equal((await running.ended).code, 1);
  t.match(running.lines.join('\n'), '"msg":"stuck"');
  t.notOk(existsSync(daemon.socket));
  t.notOk(existsSync(daemon.socket.replace('procd.sock', 'grec-procd.pid')));
});

t.test('mistakes before the log exists: one line, a hint, a status', async (t) => {
  const daemon = program(t);
  const ends = async (code: number, said: RegExp, ...argv: string[]) => {
    const running = runProgram(t, [daemon.file, ...argv]);
    t.equal((await running.ended).code, code, argv.join(' '));
    t.match(running.lines.join('\n'), said);
  };
  writeFileSync(join(daemon.directory, 'bad.toml'), 'x = 1\n');
  writeFileSync(join(daemon.directory, 'state.toml'), 'state.directory = "/dev/null/x"\n');
  await Promise.all([
    ends(78, /^grec-procd: .*bad\.toml:1: x: unknown key/, '--config', join(daemon.directory, 'bad.toml')),
    ends(78, /^grec-procd: cannot read the configuration/, '--config=/nonexistent'),
    ends(
      1,
      /cannot use the state directory \/dev\/null\/x/,
      '--config',
      join(daemon.directory, 'state.toml'),
    ),
    ends(1, /^grec-procd: grec-procd does not take --verbose\n {2}usage: grec-procd/, '--verbose'),
    ends(0, /^grec-procd \d/, '--version'),
    ends(0, /^Usage: grec-procd/, '--help'),
  ]);
});

t.test('signals that come while it starts end nothing half-way', async (t) => {
  const daemon = program(
    t,
    `{ log.warn('starting'); while (!fs.existsSync(config.paths.state + '/go')) await new Promise((go) => setTimeout(go, 5));
       return ${START}; }`,
  );
  writeFileSync(daemon.file, `import fs from 'node:fs';\n${readFileSync(daemon.file, 'utf8')}`);
  const running = run(t, daemon);
  await running.line(/"msg":"starting"/);
  writeFileSync(daemon.configFile, 'state.directory = "state"\nsip.realm = "other"\n');
  running.child.kill('SIGHUP');
  running.child.kill('SIGTERM');
  await running.line(/"msg":"stopping"/);
  writeFileSync(join(daemon.directory, 'state', 'go'), '');
  t.strictSame(await running.ended, { code: 0, signal: null });
  t.match(running.lines.join('\n'), /drained[\s\S]*"msg":"stopped"/);
});

t.test('a log that cannot be written ends no daemon', async (t) => {
  const daemon = program(t);
  for (const format of ['json', 'readable']) {
    writeFileSync(daemon.configFile, `state.directory = "state"\nlog.format = "${format}"\n`);
    const command = `exec ${process.execPath} ${daemon.file} --config ${daemon.configFile} 2>/dev/full`;
    const running = runProgram(t, ['-c', command], 'sh');
    const isUp = () => askDaemon('grec-procd', daemon.socket, 'GET', '/status').catch(() => undefined);
    while (running.child.exitCode === null && (await isUp()) === undefined) await delay(20);
    running.child.kill('SIGTERM');
    t.strictSame(await running.ended, { code: 0, signal: null }, format);
  }
});
