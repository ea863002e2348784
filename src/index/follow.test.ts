// Following the catalog: new, made again, joined, deleted, lost and found; each reaches the index once.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { idOf } from './fixtures/recordings.ts';
import { followCatalog } from './follow.ts';
import { openIndex } from './index.ts';

const NOW = Date.UTC(2026, 5, 1);
const row = (number: number, changes: Partial<RecordingRow> = {}): RecordingRow => ({
  ...{ id: idOf(number), sessionId: null, state: 'complete', reason: null, direction: null },
  ...{
    startTime: NOW - 60_000 + number,
    duration: 1,
    caller: '1',
    callee: '2',
    dn: null,
    path: `x/${number}`,
    size: 1,
  },
  ...changes,
});

function opened(t: Test) {
  const folder = t.testdir();
  const [file, indexFile] = [join(folder, 'catalog.db'), join(folder, 'index.db')];
  const [catalog, index] = [openCatalog(file), openIndex(indexFile)];
  const follower = followCatalog(file, index, { now: () => NOW, pauseMs: 300 });
  t.teardown(() => {
    follower.close();
    index.close();
    catalog.close();
  });
  return { catalog, index, follower, file };
}

t.test('what was there, what comes, what is made again', async (t) => {
  const { catalog, index, follower } = opened(t);
  catalog.transaction(() => {
    for (let number = 1; number <= 1200; number++) catalog.putRecording(row(number), [], NOW);
  });
  catalog.putRecording(row(5000, { state: 'failed', path: null }), [], NOW);
  t.equal(follower.look(), 1200, 'all but the failed one, in pieces');
  t.equal(follower.look(), 0);
  catalog.putRecording(row(5001), [], NOW + 1);
  t.equal(follower.look(), 1);
  catalog.putRecording(row(5001, { duration: 7 }), [], NOW + 2);
  t.equal(follower.look(), 1, 'made again');
  catalog.putRecording(row(7, { startTime: NOW + 9 }), [], NOW + 3);
  t.equal(follower.look(), 1, 'and begins at another time');
  t.match(index.backlog(), { waiting: 1201, recordings: 1201, problems: 0, oldest: NOW });
});

t.test('what began long ago is found as well, if not at once', async (t) => {
  const { catalog, follower } = opened(t);
  t.equal(follower.look(), 0);
  catalog.putRecording(row(1), [], NOW);
  t.equal(follower.look(), 1);
  catalog.putRecording(row(2, { startTime: 1000 }), [], NOW);
  t.equal(follower.look(), 0, 'the catalog as a whole was looked at a moment ago');
  const began = performance.now();
  while (follower.look() === 0) {
    if (performance.now() - began > 10_000) return t.fail('it was not found');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.pass();
});

t.test('what is deleted or has become part of another one leaves the index', async (t) => {
  const { catalog, index, follower } = opened(t);
  for (const number of [1, 2, 3, 4]) catalog.putRecording(row(number), [], NOW);
  follower.look();
  catalog.acts.delete({ id: idOf(1), at: '2026-05-30T00:00:00.000Z', rule: 'asked', act: 3 });
  catalog.acts.setThrough(3);
  t.equal(follower.look(), 1);
  t.equal(index.state(idOf(1)), undefined, 'its row in the catalog is still there');
  catalog.putRecording(row(2), [], NOW + 5, { joins: [idOf(3)] });
  t.equal(follower.look(), 1);
  t.equal(index.state(idOf(3)), undefined);
  t.ok(index.state(idOf(4)));
});

t.test('a catalog that was taken away and made anew is compared as a whole', async (t) => {
  const { catalog, index, follower, file } = opened(t);
  for (const number of [1, 2]) catalog.putRecording(row(number), [], NOW);
  follower.look();
  for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
  t.throws(() => follower.look(), { code: 'CATALOG_UNUSABLE' });
  const other = openCatalog(file);
  t.teardown(() => other.close());
  other.putRecording(row(2), [], NOW);
  t.equal(follower.look(), 1);
  t.equal(index.state(idOf(1)), undefined);
  t.match(index.backlog(), { recordings: 1 });
});
