// `grec alarms`: the catalog's, and a test that says who is told.
import t from 'tap';
import { loadConfig } from '../config.ts';
import { type DaemonName, serveControl, socketOf } from '../control.ts';
import { emptyState, grec, stateWithRecordings } from './fixtures/state.ts';

t.test('those of the catalog, in a table and as JSON; none before the first start', async (t) => {
  const state = stateWithRecordings(t);
  const { code, out } = await grec(state, ['alarms']);
  t.equal(code, 0);
  t.match(out, /major +recording .* no media server/);
  t.match(JSON.parse((await grec(state, ['alarms', '--json'])).out), {
    alarmCount: 1,
    alarms: [{ severity: 'major' }],
  });
  t.same(JSON.parse((await grec(emptyState(t), ['alarms', '--json'])).out), { alarmCount: 0, alarms: [] });
  for (const limit of ['0', 'x', '1.5', '10001'])
    t.match(await grec(state, ['alarms', '--limit', limit]), { code: 2, err: /no number of alarms/ });
});

t.test('a test: which daemons tell somebody', async (t) => {
  const state = emptyState(t);
  t.match(await grec(state, ['alarms', 'test']), { code: 4, err: /no daemon runs/ });
  const config = loadConfig({ file: state.configFile });
  const run = async (name: DaemonName, targets: number) => {
    const server = await serveControl(socketOf(config, name), { 'POST /alarms/test': () => ({ targets }) });
    t.teardown(() => server.close());
  };
  await run('grec-sipd', 2);
  t.match(await grec(state, ['alarms', 'test']), { code: 0, out: 'grec-sipd: tells 2 targets\n' });
  await run('grec-procd', 0);
  t.match(await grec(state, ['alarms', 'test']), {
    code: 1,
    out: /^grec-procd: tells nobody but the log$/m,
    err: /\[alarms\] command or webhook/,
  });
  t.same(JSON.parse((await grec(state, ['alarms', 'test', '--json'])).out), [
    { daemon: 'grec-sipd', targets: 2 },
    { daemon: 'grec-procd', targets: 0 },
  ]);
});
