// The free space of the spool: one alarm before it runs out, one word when there is room again, and a disk that is gone is told.
import t, { type Test } from 'tap';
import { createLogger } from '../log.ts';
import { SpoolHealth, type SpoolSpace } from './spool-health.ts';

const MB = 1e6;

function watch(t: Test, minFreeBytes: number, look: () => Promise<SpoolSpace>) {
  const lines: { alarm?: string; msg: string }[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const log = createLogger({ name: 'test', level: 'info', readable: false, destination });
  const health = new SpoolHealth({ spool: '/spool', minFreeBytes, log, lookMs: 1e9, look });
  t.teardown(() => health.stop());
  return { health, lines };
}

t.test(
  'one alarm when less is free than there should be, and none for what comes and goes there',
  async (t) => {
    let freeBytes = 100 * MB;
    const { health, lines } = watch(t, 50 * MB, async () => ({ freeBytes, totalBytes: 1000 * MB }));
    await health.look();
    t.match(health.state, {
      freeBytes: 100 * MB,
      totalBytes: 1000 * MB,
      minFreeBytes: 50 * MB,
      isLow: false,
    });
    for (const free of [49, 51, 48, 54]) {
      freeBytes = free * MB;
      await health.look();
      t.ok(health.state.isLow);
    }
    freeBytes = 56 * MB;
    await health.look();
    t.notOk(health.state.isLow);
    t.match(lines, [{ alarm: 'spool-space', freeBytes: 49 * MB, hint: /grec-procd/ }, { msg: /room again/ }]);
    t.equal(lines.length, 2);
  },
);

t.test('0 asks for no alarm', async (t) => {
  const { health, lines } = watch(t, 0, async () => ({ freeBytes: 0, totalBytes: 1 }));
  await health.look();
  t.notOk(health.state.isLow);
  t.strictSame(lines, []);
});

t.test('a disk that is gone is told once, and one that does not answer is asked once', async (t) => {
  let asked = 0;
  const gone = watch(t, MB, () => Promise.reject(new Error('no such device')));
  await gone.health.look();
  await gone.health.look();
  t.match(gone.lines, [{ alarm: 'spool-unusable', msg: /no such device/ }]);
  t.equal(gone.lines.length, 1);
  t.equal(gone.health.state.problem, 'no such device');
  const silent = watch(t, MB, () => {
    asked += 1;
    return new Promise(() => undefined);
  });
  void silent.health.look();
  void silent.health.look();
  t.equal(asked, 1);
});
