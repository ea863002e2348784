// `grec status`: daemons that run, do not run, or do not make sense.
import { appendFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { loadConfig } from '../config.ts';
import { type ControlRoutes, type DaemonName, serveControl, socketOf } from '../control.ts';
import { emptyState, grec, type State, stateWithRecordings } from './fixtures/state.ts';

async function run(t: Test, { configFile }: State, name: DaemonName, routes: ControlRoutes): Promise<void> {
  const server = await serveControl(socketOf(loadConfig({ file: configFile }), name), routes);
  t.teardown(() => server.close());
}

function answer(pid: number, figures: object): ControlRoutes {
  const startedAt = new Date(Date.now() - 30_000).toISOString();
  return {
    'GET /status': () => ({
      daemon: 'x',
      version: '1',
      pid,
      startedAt,
      config: null,
      stateDirectory: '/',
      ...figures,
    }),
  };
}

t.test('all run: status 0, figures in a table', async (t) => {
  const state = stateWithRecordings(t);
  await run(t, state, 'grec-sipd', answer(11, { calls: 2, openSockets: 3, deep: { a: 1 } }));
  await run(
    t,
    state,
    'grec-mediad',
    answer(12, { media: { portsUsed: 4, portsFree: 9996 }, spool: { freeBytes: 2.5e9 } }),
  );
  await run(t, state, 'grec-procd', answer(13, {}));
  const { code, out, err } = await grec(state, ['status']);
  t.strictSame([code, err], [0, '']);
  t.match(out, /^grec-sipd {4}running {2}11 {3}3\d s {2}calls 2, open sockets 3$/m);
  t.match(out, /^grec-mediad {2}running {2}12 {3}3\d s {2}port pairs 4 of 10000, disk free 2\.5 GB$/m);
  t.match(out, /1 alarm:\n {2}20\d\d-.* major {2}recording .*: no media server/);
});

t.test('a disk that is nearly full, refuses, or has lost something is told', async (t) => {
  const state = stateWithRecordings(t);
  const spool = {
    freeBytes: 4e6,
    minFreeBytes: 1e9,
    isLow: true,
    refused: 2,
    lostPackets: 70,
    lostRecordings: 0,
  };
  await run(t, state, 'grec-sipd', answer(11, {}));
  await run(t, state, 'grec-mediad', answer(12, { spool }));
  await run(t, state, 'grec-procd', answer(13, {}));
  const { out } = await grec(state, ['status']);
  t.match(out, '  the disk of the spool is nearly full: 4.0 MB left, less than 1.0 GB\n');
  t.match(out, '  the disk of the spool takes nothing of 2 recordings at the moment\n');
  t.match(out, '  70 packets could not be written since grec-mediad started\n');
  t.notMatch(out, 'nothing could be written');
});

t.test('one is down: status 4, and how to start it', async (t) => {
  const state = emptyState(t);
  await run(t, state, 'grec-sipd', answer(11, {}));
  await run(t, state, 'grec-procd', {});
  const { code, out, err } = await grec(state, ['status']);
  t.equal(code, 4);
  t.match(out, /^grec-mediad {2}not running/m);
  t.match(out, /^grec-procd {3}not answering/m);
  t.match(out, 'no GET /status here');
  t.match(err, `grec --config ${state.configFile} up`);
});

t.test('with an rtpengine as media server none of ours is missed', async (t) => {
  const state = emptyState(t);
  appendFileSync(state.configFile, '\n[media]\nengine = "rtpengine"\n');
  await run(t, state, 'grec-sipd', answer(11, {}));
  await run(t, state, 'grec-procd', answer(12, {}));
  const { code, out } = await grec(state, ['status']);
  t.equal(code, 0);
  t.notMatch(out, /mediad/);
});

t.test('JSON', async (t) => {
  const state = stateWithRecordings(t);
  await run(t, state, 'grec-sipd', answer(11, { deep: { a: 1 } }));
  const { code, out } = await grec(state, ['status', '--json']);
  t.equal(code, 4);
  t.match(JSON.parse(out), {
    daemons: [
      { daemon: 'grec-sipd', state: 'running', status: { pid: 11, deep: { a: 1 } } },
      { daemon: 'grec-mediad', state: 'not running' },
      { daemon: 'grec-procd', state: 'not running' },
    ],
    alarmCount: 1,
    alarms: [{ severity: 'major', message: 'no media server' }],
  });
});
