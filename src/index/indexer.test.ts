// The indexer: each recording is looked into once, what fails is tried again, nothing is lost by an end at any instant.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import { archiveSpoken, idOf, START } from './fixtures/recordings.ts';
import { openIndex, openIndexReader } from './index.ts';
import { Indexer } from './indexer.ts';

function installed(t: Test) {
  const folder = t.testdir();
  const paths = {
    archive: join(folder, 'archive'),
    catalog: join(folder, 'catalog.db'),
    index: join(folder, 'index.db'),
    folder: join(folder, 'indexing'),
  };
  const catalog = openCatalog(paths.catalog);
  t.teardown(() => catalog.close());
  const problems: string[] = [];
  const onProblem = (problem: string) => problems.push(problem);
  const start = () => {
    const indexer = new Indexer({ ...paths, ffmpeg: undefined, onProblem, pollMs: 10, firstRetryMs: 40 });
    indexer.start();
    return indexer;
  };
  return { ...paths, store: catalog, problems, start };
}

/** Waits until it is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
}

t.test('a recording is looked into, and what its voices tell is found', async (t) => {
  const { archive, store, index, start } = installed(t);
  archiveSpoken(archive, store, { id: idOf(1), agentId: 'alice' });
  const indexer = start();
  await until(() => indexer.status().waiting === 0 && indexer.status().recordings === 1);
  archiveSpoken(archive, store, { id: idOf(2), at: START + 60_000 });
  await until(() => indexer.status().recordings === 2 && indexer.status().waiting === 0);
  t.match(indexer.status(), { problems: 0, behind: 0, problem: null });
  await indexer.stop();
  const reader = openIndexReader(index);
  t.teardown(() => reader.close());
  const told = reader.analytics(idOf(1));
  const [agent, customer] = told?.parties ?? [];
  t.match(agent, { role: 'agent', agentId: 'alice', turns: 2, interruptions: 0 });
  t.match(customer, { role: 'customer', turns: 2, interruptions: 0 });
  t.ok(Math.abs((agent?.talk ?? 0) - 6400) < 400, `${agent?.talk}`);
  t.ok(Math.abs((customer?.talk ?? 0) - 6000) < 400, `${customer?.talk}`);
  t.ok((told?.talkOver ?? 0) > 0, 'the agent answers before the customer has ended');
});

t.test('what fails is listed and tried again; what is encrypted waits for nothing', async (t) => {
  const { archive, store, index, problems, start } = installed(t);
  const broken = archiveSpoken(archive, store, { id: idOf(1) });
  renameSync(join(broken, 'audio.wav'), join(broken, 'away'));
  const sealed = archiveSpoken(archive, store, { id: idOf(2) });
  renameSync(join(sealed, 'audio.wav'), join(sealed, 'audio.wav.cms'));
  const damaged = archiveSpoken(archive, store, { id: idOf(3) });
  writeFileSync(join(damaged, 'metadata.json'), '{"version": 2');
  const indexer = start();
  t.teardown(() => indexer.stop());
  const reader = openIndex(index);
  t.teardown(() => reader.close());
  const attemptsOf = (id: string) => reader.problems().find((row) => row.id === id)?.attempts ?? 0;
  await until(() => attemptsOf(idOf(1)) > 1 && attemptsOf(idOf(3)) > 1);
  t.match(
    reader.problems().find((row) => row.id === idOf(2)),
    { problem: /encrypted/, dueAt: null, attempts: 1 },
  );
  t.equal(problems.filter((problem) => /metadata\.json/.test(problem)).length, 1, 'told once');
  renameSync(join(broken, 'away'), join(broken, 'audio.wav'));
  await until(() => reader.analytics(idOf(1)) !== undefined);
  t.same(reader.problems().length, 2);
});

t.test('made again it is looked into again, unless it is made of the same', async (t) => {
  const { archive, store, index, start } = installed(t);
  archiveSpoken(archive, store, { id: idOf(1), madeOf: 'a' });
  const indexer = start();
  t.teardown(() => indexer.stop());
  const reader = openIndex(index);
  t.teardown(() => reader.close());
  await until(() => reader.analytics(idOf(1)) !== undefined);
  const masked = [{ startTime: new Date(START).toISOString(), recording: 'r', reason: 'card' }];
  archiveSpoken(archive, store, { id: idOf(1), madeOf: 'a', masked }, START + 20_000);
  archiveSpoken(archive, store, { id: idOf(2), madeOf: 'a' }, START + 20_000);
  await until(() => reader.analytics(idOf(2)) !== undefined && reader.state(idOf(1))?.dueAt === null);
  t.equal(reader.analytics(idOf(1))?.masked, 0, 'it was not looked into');
  archiveSpoken(archive, store, { id: idOf(1), madeOf: 'b', masked }, START + 30_000);
  await until(() => reader.analytics(idOf(1))?.masked === 12_400);
  t.equal(reader.analytics(idOf(1))?.talk, 0, 'and nothing is said where it is masked');
  t.equal(indexer.redo('all'), 2);
  await until(() => indexer.status().waiting === 0);
});

t.test('one that was killed leaves its queue, and nothing in clear', async (t) => {
  const { archive, store, index, folder, start } = installed(t);
  archiveSpoken(archive, store, { id: idOf(1) });
  mkdirSync(join(folder, 'wav-x'), { recursive: true });
  const killed = openIndex(index);
  const row = { ...store.list()[0], finishedAt: START + 15_000 } as Parameters<typeof killed.put>[0];
  killed.put(row, 1);
  killed.take(1, () => 1);
  killed.close();
  const indexer = start();
  t.teardown(() => indexer.stop());
  t.notOk(existsSync(folder));
  await until(() => indexer.status().waiting === 0);
});
