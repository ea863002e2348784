// A catalog that is lost learns again of what failed, from what was set aside: every field, or as much as the facts tell.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { recordingIdOfSegment } from '../archive/ids.ts';
import { CALL, type Failing, failing, RECORDING, tellCall } from '../processing/fixtures/failing.ts';
import { T0 } from '../processing/fixtures/segments.ts';

function loseCatalog({ config }: Failing, alsoJournals = true): void {
  for (const end of ['', '-wal', '-shm']) rmSync(`${config.paths.catalog}${end}`, { force: true });
  if (alsoJournals) rmSync(config.paths.journal, { recursive: true, force: true });
}

const known = (it: Failing) =>
  it.ask((catalog) => [catalog.failed(), catalog.alarms().map(({ id: _, ...alarm }) => alarm)]);

t.test('the row, its segments and its alarm are what they were, without a journal', async (t) => {
  const it = failing(t);
  tellCall(it);
  const daemon = await it.start();
  await it.sync(daemon);
  const before = known(it);
  t.match(before, [
    [{ id: RECORDING, dn: '7001', direction: 'internal' }],
    [{ message: /no decoder for G722/ }],
  ]);
  await daemon.stop();
  loseCatalog(it);
  const second = await it.start();
  await it.sync(second);
  t.match(known(it)[0], before[0]);
  t.match(it.list(second), [{ isRetryable: true, details: { calls: [CALL] } }]);
  t.equal(
    it.ask((catalog) => catalog.alarmCount()),
    1,
  );
});

t.test('also when it is taken away while grec-procd runs', async (t) => {
  const it = failing(t);
  tellCall(it);
  const daemon = await it.start();
  await it.sync(daemon);
  const before = known(it);
  loseCatalog(it, false);
  await it.sync(daemon);
  t.same(known(it)[0], before[0]);
});

t.test('what an older grec has set aside, and notes that are none', async (t) => {
  const it = failing(t);
  tellCall(it);
  const daemon = await it.start();
  await it.sync(daemon);
  await daemon.stop();
  const file = join(it.failedFolder, 'seg-1', 'failure.json');
  const note = readFileSync(file, 'utf8');
  const others = [
    'nonsense',
    '{}',
    note.replace(RECORDING, '../../x'),
    note.replace('"seg-1"', '"seg-2"'),
    undefined,
  ];
  for (const other of others) {
    if (other === undefined) rmSync(file);
    else writeFileSync(file, other);
    loseCatalog(it);
    const second = await it.start();
    const [row] = it.ask((catalog) => catalog.failed());
    t.match(row, {
      id: RECORDING,
      reason: /why is not known any more/,
      caller: '7002',
      callee: '7001',
      startTime: T0 / 1000,
    });
    t.match(it.list(second), [{ isRetryable: true }]);
    await second.stop();
  }
  writeFileSync(join(it.failedFolder, 'seg-1', 'facts.jsonl'), 'nonsense');
  loseCatalog(it);
  const third = await it.start();
  t.match(it.list(third), [{ id: recordingIdOfSegment('seg-1'), isRetryable: false }]);
});

t.test('a capture of an archived recording is no failure, nor what lies there besides', async (t) => {
  const it = failing(t);
  tellCall(it, { both: false });
  const daemon = await it.start();
  await it.sync(daemon);
  writeFileSync(join(it.failedFolder, 'notes.txt'), 'of an operator');
  await daemon.stop();
  loseCatalog(it, false);
  const second = await it.start({ now: () => T0 + 60e6 });
  await it.sync(second);
  t.match(
    it.ask((catalog) => catalog.list()),
    [{ id: RECORDING, state: 'partial' }],
  );
  t.equal(
    it.ask((catalog) => catalog.count()),
    1,
  );
});
