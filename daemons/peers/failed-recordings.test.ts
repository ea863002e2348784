// grec-procd as a process, and the operator's commands: what failed is listed, made again at SIGHUP, and a lost catalog comes back.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { grec as runCli } from '../../src/cli/fixtures/state.ts';
import { askDaemon } from '../../src/control.ts';
import { RECORDING, tellCall } from '../../src/processing/fixtures/failing.ts';
import { FakeState } from '../../src/processing/fixtures/segments.ts';

const PROGRAM = fileURLToPath(new URL('../grec-procd.ts', import.meta.url));
const NO_FFMPEG = spawnSync('ffmpeg', ['-version']).status === 0 ? false : 'ffmpeg is not installed';

async function start(t: Test, file: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM, '--config', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stderr }))
    if (JSON.parse(line).msg === 'ready') break;
  child.stderr.resume();
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  await once(child, 'exit');
}

t.test('grec failed, a SIGHUP, grec reindex', { skip: NO_FFMPEG, timeout: 60_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'grec-failed-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'grec.toml');
  const toml = (ffmpeg: string) =>
    `state.directory = "state"\nlog.format = "json"\nexport.ffmpeg = "${directory}/${ffmpeg}"\n`;
  writeFileSync(file, toml('none'));
  const place = { directory, configFile: file, catalog: join(directory, 'state/catalog.db'), recording: '' };
  const grec = (...argv: string[]) => runCli(place, argv);
  const state = new FakeState(join(directory, 'state'));
  tellCall({ state });
  const procd = await start(t, file);
  const sync = () => askDaemon('grec-procd', join(directory, 'state/run/procd.sock'), 'POST', '/sync');
  t.match(await sync(), { failed: 1, alarms: 1 });
  const [failure] = JSON.parse((await grec('failed', '--json')).out);
  t.match(failure, { id: RECORDING, isRetryable: true, reason: /no decoder for G722/ });
  t.match(await grec('retry', RECORDING), { code: 1, out: /failed again: no decoder for G722/ });
  t.match(await grec('reindex'), { code: 1, err: /grec-procd \(pid \d+\) already uses/ });
  symlinkSync(
    execFileSync('sh', ['-c', 'command -v ffmpeg'], { encoding: 'utf8' }).trim(),
    join(directory, 'ffmpeg'),
  );
  writeFileSync(file, toml('ffmpeg'));
  procd.kill('SIGHUP');
  while (JSON.parse((await grec('ls', '--json')).out)[0]?.state !== 'complete') await sync();
  t.match(await grec('failed'), { code: 0, err: 'nothing has failed\n' });
  t.match(await sync(), { failed: 0, alarms: 0 });
  const before = (await grec('ls', '--json')).out;
  await stop(procd);
  for (const end of ['', '-wal', '-shm']) rmSync(join(directory, `state/catalog.db${end}`), { force: true });
  t.match(await grec('reindex'), { code: 0, err: /1 recordings are listed again/ });
  t.equal((await grec('ls', '--json')).out, before);
  const again = await start(t, file);
  t.match(await sync(), { recordings: 1, failed: 0, alarms: 0 });
  t.equal((await grec('ls', '--json')).out, before);
  await stop(again);
  t.match(await grec('verify', '--all'), { code: 0 });
});
