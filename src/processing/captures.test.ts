// Raw captures: they go when their recording was read again as it was written, and not before; kept ones go with it.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCatalogReader } from '../catalog/catalog.ts';
import { type Config, loadConfig } from '../config.ts';
import type { ControlRequest } from '../control.ts';
import type { RunningDaemon } from '../daemon.ts';
import { silentLogger } from '../log.ts';
import { finishRecording } from './finish.ts';
import { callBegins, callEnds, captureOf, FakeState, metadataOf, T0, talk } from './fixtures/segments.ts';
import { type ProcessorOptions, startProcessor } from './processor.ts';

const CALL = '019aa000-0000-7000-8000-0000000000ca';
const RECORDING = '019aa000-0000-7000-8000-00001a2b3c4d';
const BOTH = captureOf([...talk({ label: 'a' }), ...talk({ label: 'b' })]);
const END = T0 + 1_100_000;
const DAY_US = 86_400_000_000;

interface Bench {
  config: Config;
  state: FakeState;
  clock: { now: number };
  start(options?: Partial<ProcessorOptions>): Promise<RunningDaemon>;
}

/** One call, recorded in one segment, that waits to be made. */
function bench(t: Test, settings = ''): Bench {
  const directory = mkdtempSync(join(tmpdir(), 'grec-captures-'));
  writeFileSync(join(directory, 'grec.toml'), `state.directory = "state"\n${settings}`);
  const config = loadConfig({ file: join(directory, 'grec.toml'), env: {} });
  const state = new FakeState(config.paths.state);
  state.append('grec-sipd', T0, ...callBegins(CALL, RECORDING));
  state.writeSegment('seg-1', { metadata: metadataOf(RECORDING, CALL), closed: { at: END } }, BOTH);
  state.append('grec-sipd', END, ...callEnds(CALL, RECORDING));
  const clock = { now: END };
  const daemons: RunningDaemon[] = [];
  t.teardown(async () => {
    for (const daemon of daemons) await daemon.stop().catch(() => undefined);
    rmSync(directory, { recursive: true, force: true });
  });
  const start = async (options: Partial<ProcessorOptions> = {}) => {
    const daemon = await startProcessor({ config, log: silentLogger(), now: () => clock.now, ...options });
    daemons.push(daemon);
    await ask(daemon, 'POST /sync');
    return daemon;
  };
  return { config, state, clock, start };
}

async function ask(
  daemon: RunningDaemon,
  route: string,
  more: Partial<ControlRequest> = {},
): Promise<unknown> {
  return daemon.routes?.[route]?.({ params: {}, query: new URLSearchParams(), body: undefined, ...more });
}

function catalogOf<T>({ config }: Bench, question: (catalog: ReturnType<typeof openCatalogReader>) => T): T {
  const catalog = openCatalogReader(config.paths.catalog);
  try {
    return question(catalog);
  } finally {
    catalog.close();
  }
}

const spool = ({ config }: Bench) => readdirSync(config.paths.spool).sort();

t.test('by default a capture goes with its recording made', async (t) => {
  const it = bench(t);
  await it.start();
  t.same(spool(it), []);
  t.match(
    catalogOf(it, (catalog) => catalog.get(RECORDING)),
    { state: 'complete' },
  );
});

t.test('captures that are to be kept stand aside, and go with their recording at the latest', async (t) => {
  const it = bench(t, '[archive]\ncaptures = "forever"\n[[retention]]\nname = "default"\ndelete = "30d"');
  let daemon = await it.start();
  const kept = join(it.config.paths.spool, 'kept/seg-1/capture.pcap');
  t.ok(existsSync(kept));
  await daemon.stop();
  daemon = await it.start();
  t.same(spool(it), ['kept'], 'it is no segment');
  const hold = { params: { id: RECORDING }, body: { type: 'hold', reason: 'case 12' } };
  t.match(await ask(daemon, 'POST /recordings/:id/acts', hold), { hold: { reason: 'case 12' } });
  it.clock.now = END + 31 * DAY_US;
  t.match(await ask(daemon, 'POST /purge'), { deleted: [], kept: [{ id: RECORDING }] });
  t.ok(existsSync(kept));
  await ask(daemon, 'POST /recordings/:id/acts', { ...hold, body: { type: 'unhold', reason: 'settled' } });
  t.match(await ask(daemon, 'POST /purge'), { deleted: [{ id: RECORDING }] });
  t.notOk(existsSync(join(kept, '..')));
});

t.test(
  'a recording that is not on the disk as it was written keeps its captures, and an alarm says so',
  async (t) => {
    const it = bench(t);
    await it.start({
      finish: async (task) => {
        const finished = await finishRecording(task);
        if (finished.result === 'archived')
          writeFileSync(join(it.config.paths.archive, finished.path, 'audio.wav'), 'zeros of a broken disk');
        return finished;
      },
    });
    t.ok(existsSync(join(it.config.paths.spool, 'failed/seg-1/capture.pcap')));
    const [alarm] = catalogOf(it, (catalog) => catalog.alarms());
    t.match(alarm, {
      severity: 'major',
      message: /its captures are kept: audio\.wav is not what was written/,
    });
  },
);

t.test('one that is made again is read again before its captures go', async (t) => {
  const it = bench(t);
  let isBroken = false;
  const daemon = await it.start({
    finish: async (task) => {
      const finished = await finishRecording(task);
      if (isBroken && finished.result === 'archived')
        writeFileSync(join(it.config.paths.archive, finished.path, 'audio.wav'), 'zeros of a broken disk');
      return finished;
    },
  });
  isBroken = true;
  it.clock.now = END + 20_000_000;
  it.state.writeSegment('seg-2', { metadata: metadataOf(RECORDING, CALL), closed: { at: END } }, BOTH);
  await ask(daemon, 'POST /sync');
  for (const segment of ['seg-1', 'seg-2'])
    t.ok(existsSync(join(it.config.paths.spool, `failed/${segment}/capture.pcap`)), segment);
  t.match(
    catalogOf(it, (catalog) => catalog.alarms()),
    [{ message: /captures are kept/ }],
  );
});

t.test('a recording that was deleted is not made again, nor missed, when the catalog is lost', async (t) => {
  const it = bench(t, '[[retention]]\nname = "default"\ndelete = "30d"');
  const daemon = await it.start();
  it.clock.now = END + 31 * DAY_US;
  await ask(daemon, 'POST /purge');
  await daemon.stop();
  for (const end of ['', '-wal', '-shm']) rmSync(`${it.config.paths.catalog}${end}`, { force: true });
  await it.start();
  t.equal(
    catalogOf(it, (catalog) => catalog.count()),
    0,
  );
  t.match(
    catalogOf(it, (catalog) => catalog.deleted(RECORDING)),
    { rule: 'default: delete = 30d' },
  );
  t.same(
    catalogOf(it, (catalog) => catalog.alarms()),
    [],
  );
});
