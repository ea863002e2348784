// `grec up`: starts all, says what to do, stops all in order, and leaves nothing behind however it ends.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  type FakeInstallation,
  fakeInstallation,
  type Running,
  runUp,
} from '../../src/cli/fixtures/daemons.ts';
import { loadConfig } from '../../src/config.ts';
import { askDaemon, socketOf } from '../../src/control.ts';

const NAMES = ['grec-sipd', 'grec-mediad', 'grec-procd'] as const;

function interrupt({ child }: Running): void {
  // To the group, as the terminal does it.
  process.kill(-(child.pid ?? Number.NaN), 'SIGINT');
}

function sockets({ configFile }: FakeInstallation): string[] {
  const config = loadConfig({ file: configFile });
  return NAMES.map((name) => socketOf(config, name));
}

t.test('Ctrl-C stops the daemons one after the other, the switch first', async (t) => {
  const installation = fakeInstallation(t);
  const up = runUp(t, installation);
  t.match(await up.line(/grec is up/), 'UDP 127.0.0.1:5060, TCP 127.0.0.1:5060');
  t.match(await up.line(/dn add/), `grec --config ${installation.configFile} dn add 7001 record=true`);
  t.match(await up.line(/Only phones/), `grec --config ${installation.configFile} up --listen ADDRESS`);
  interrupt(up);
  t.strictSame(await up.ended, { code: 0, signal: null });
  const order = up.lines
    .map((line) => /^(grec-\w+) *\| .*(syncing|stopping|stopped)/.exec(line)?.slice(1).join(' '))
    .filter(Boolean);
  const expected = NAMES.flatMap((name) => [`${name} stopping`, `${name} stopped`]);
  expected.splice(-2, 0, 'grec-procd syncing');
  t.strictSame(order, expected, 'the processor finishes what the others left before it stops');
  t.strictSame(sockets(installation).filter(existsSync), []);
});

t.test('a daemon that dies at the start is named, and the others are stopped', async (t) => {
  const installation = fakeInstallation(t, { mediad: 'dies' });
  const up = runUp(t, installation);
  t.equal((await up.ended).code, 1);
  t.match(
    up.lines.join('\n'),
    'grec: grec-mediad ended with status 3 before it was ready; stopping the others',
  );
  t.match(up.lines.join('\n'), /grec-mediad +\| .*no luck/);
  t.strictSame(sockets(installation).filter(existsSync), []);
});

t.test('a daemon that dies later ends the others too', async (t) => {
  const installation = fakeInstallation(t);
  const up = runUp(t, installation);
  await up.line(/grec is up/);
  await askDaemon('grec-procd', sockets(installation)[2] ?? '', 'POST', '/die').catch(() => undefined);
  t.equal((await up.ended).code, 1);
  t.match(up.lines.join('\n'), 'grec: grec-procd was ended by SIGKILL; stopping the others');
});

t.test('a second Ctrl-C ends a drain that hangs', async (t) => {
  const up = runUp(t, fakeInstallation(t, { mediad: 'hangs' }));
  await up.line(/grec is up/);
  interrupt(up);
  await up.line(/grec-mediad.*stopping/);
  // One that comes at once is the same Ctrl-C delivered twice and must not force: so they are repeated.
  const again = setInterval(() => interrupt(up), 100);
  await up.line(/ending at once/).finally(() => clearInterval(again));
  t.strictSame(await up.ended, { code: 130, signal: null });
});

t.test('daemons do not outlive a grec up that was killed', async (t) => {
  const installation = fakeInstallation(t);
  const up = runUp(t, installation);
  await up.line(/grec is up/);
  const config = loadConfig({ file: installation.configFile });
  const statuses = NAMES.map((name) =>
    askDaemon<{ pid: number }>(name, socketOf(config, name), 'GET', '/status'),
  );
  const pids = (await Promise.all(statuses)).map(({ pid }) => pid);
  up.child.kill('SIGKILL');
  await up.ended;
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 20));
  t.strictSame(sockets(installation).filter(existsSync), [], 'they stopped in good order');
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

t.test('--listen sets the addresses of SIP and media for this run alone', async (t) => {
  const installation = fakeInstallation(t);
  const up = runUp(t, installation, ['--listen', '127.0.0.2:5099']);
  t.match(await up.line(/grec is up/), 'UDP 127.0.0.2:5099, TCP 127.0.0.2:5099');
  const [socket = ''] = sockets(installation);
  const status = await askDaemon('grec-sipd', socket, 'GET', '/status');
  t.match(status, { address: '127.0.0.2', listen: '127.0.0.2:5099,127.0.0.2:5099' });
  up.child.kill('SIGTERM');
  t.equal((await up.ended).code, 0, 'SIGTERM stops it too');
  t.notOk(existsSync(join(installation.directory, 'state', 'run', 'up.toml')), 'its file is gone');
});
