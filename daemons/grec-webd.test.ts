// grec-webd as a process: TLS, its life, and a configuration that it does not take.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startDaemons } from '../src/cli/daemons-runner.ts';
import { loadConfig, socketOf } from '../src/config.ts';
import { askDaemon } from '../src/control.ts';
import { makeCertificate } from '../src/testing/certificate.ts';

function start(t: Test, toml: string) {
  const directory = mkdtempSync(join(tmpdir(), 'grec-webd-'));
  const authority = makeCertificate({ name: 'authority', names: [] });
  const configFile = join(directory, 'grec.toml');
  writeFileSync(configFile, `state.directory = "state"\n[web]\nlisten = "127.0.0.1:0"\n${toml}\n`);
  const write = () => {
    const { certificate, key } = authority.issue();
    writeFileSync(join(directory, 'chain.pem'), certificate);
    writeFileSync(join(directory, 'key.pem'), key, { mode: 0o600 });
  };
  write();
  const log: string[] = [];
  const daemons = startDaemons({
    daemonsDirectory: import.meta.dirname,
    configFile,
    names: ['grec-webd'],
    onLine: (_, line) => void log.push(line),
  });
  t.teardown(async () => {
    await daemons.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  return { daemons, log, authority, write, config: () => loadConfig({ file: configFile }) };
}

t.test('it serves TLS, takes another certificate at SIGHUP, and ends when told', async (t) => {
  const { daemons, authority, write, config, log } = start(t, 'certificate = "chain.pem"\nkey = "key.pem"');
  await daemons.ready;
  const status = () =>
    askDaemon<{ listen: string; users: number }>(
      'grec-webd',
      socketOf(config(), 'grec-webd'),
      'GET',
      '/status',
    );
  const { listen, users } = await status();
  t.equal(users, 0);
  t.match(log.join('\n'), /there is no user yet/);
  const ask = async () => {
    const request = get(`https://${listen}/api/v2/health`, { ca: authority.certificate, agent: false });
    const [answer] = await once(request, 'response');
    answer.resume();
    return {
      status: answer.statusCode,
      hsts: answer.headers['strict-transport-security'],
      serial: answer.socket.getPeerCertificate().serialNumber,
    };
  };
  const before = await ask();
  t.match(before, { status: 200, hsts: /max-age/ });
  write();
  const webd = daemons.processes.get('grec-webd');
  webd?.kill('SIGHUP');
  while (!/configuration read again/.test(log.join('\n'))) await once(webd?.stderr ?? process, 'data');
  t.not((await ask()).serial, before.serial);
  t.match(await daemons.stop(), [{ name: 'grec-webd', code: 0 }]);
});

t.test('a certificate that is not there is said, and it does not start', async (t) => {
  const { daemons, log } = start(t, 'certificate = "gone.pem"\nkey = "key.pem"');
  const end = await daemons.died;
  t.equal(end.code, 1);
  t.match(log.join('\n'), /cannot read a file of \[web\]/);
});
