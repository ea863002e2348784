// The indexer beside the processor: a process of its own, begun again when it ends, told through the control socket's routes.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import { loadConfig } from '../config.ts';
import type { ControlRequest } from '../control.ts';
import { createLogger } from '../log.ts';
import { archiveSpoken, idOf, NO_TRANSCRIBER } from './fixtures/recordings.ts';
import { withIndexer } from './supervise.ts';

const SECRET = 'GREC_PRIVATE_KEY';

t.test('killed, it comes back and goes on; stopped, it is gone', async (t) => {
  const env = { GREC_CONFIG: '', XDG_STATE_HOME: t.testdir() };
  const config = loadConfig({ env, uid: 1 });
  const catalog = openCatalog(config.paths.catalog);
  t.teardown(() => catalog.close());
  archiveSpoken(config.paths.archive, catalog, { id: idOf(1) });
  process.env[SECRET] = '/secret/key.pem';
  t.teardown(() => delete process.env[SECRET]);
  const log = createLogger({ name: 'test', level: 'silent' });
  let isStopped = false;
  const start = async () => {
    const stop = async () => {
      isStopped = true;
    };
    return { status: () => ({ recordings: 7 }), stop };
  };
  const options = {
    firstRestartMs: 20,
    settings: { pollMs: 20, transcription: NO_TRANSCRIBER },
  };
  const daemon = await withIndexer({ config, log }, start, options);
  const indexer = async () =>
    (await daemon.routes?.['GET /index']?.({} as ControlRequest)) as Record<string, unknown>;
  const until = async (isSo: (told: Record<string, unknown>) => boolean) => {
    for (;;) {
      const told = await indexer();
      if (isSo(told)) return told;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const first = await until(({ recordings, waiting }) => recordings === 1 && waiting === 0);
  const stat = readFileSync(`/proc/${first['pid']}/stat`, 'utf8');
  t.equal(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16], '19', 'at the lowest priority');
  t.notMatch(readFileSync(`/proc/${first['pid']}/environ`, 'utf8'), SECRET);
  t.match(await daemon.status(), { recordings: 7, indexWaiting: 0, indexFailed: 0 });

  const redo = daemon.routes?.['POST /index/redo'];
  await t.rejects(async () => redo?.({ body: { which: 'some' } } as ControlRequest), { code: 'USAGE' });
  t.same(await redo?.({ body: { which: 'all' } } as ControlRequest), { count: 1 });

  process.kill(Number(first['pid']), 'SIGKILL');
  archiveSpoken(config.paths.archive, catalog, { id: idOf(2), at: Date.now() });
  const second = await until(({ pid, recordings, waiting }) => {
    return pid !== first['pid'] && recordings === 2 && waiting === 0;
  });
  await daemon.stop();
  t.ok(isStopped);
  t.throws(() => process.kill(Number(second['pid']), 0), { code: 'ESRCH' });
});

t.test('an index that it cannot use is told, and tried again', async (t) => {
  const env = { GREC_CONFIG: '', XDG_STATE_HOME: t.testdir({ grec: { 'index.db': {} } }) };
  const config = loadConfig({ env, uid: 1 });
  openCatalog(config.paths.catalog).close();
  const told: string[] = [];
  const log = createLogger({ name: 'test', level: 'silent' });
  log.warn = (_: unknown, message?: string) => void told.push(String(message));
  let endings = 0;
  const ended = new Promise<void>((resolve) => {
    log.error = () => {
      endings += 1;
      if (endings === 2) resolve();
    };
  });
  const start = async () => ({ status: () => ({}), stop: async () => {} });
  const daemon = await withIndexer({ config, log }, start, { firstRestartMs: 10 });
  await ended;
  await daemon.stop();
  t.match(told[0], /cannot use the index .*index\.db/);
});
