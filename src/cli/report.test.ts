// `grec report`, `grec index`, and what `grec show` tells of who talked.
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import { serveControl } from '../control.ts';
import { archiveSpoken, idOf, START } from '../index/fixtures/recordings.ts';
import { indexedState } from './fixtures/indexed.ts';
import { emptyState, grec } from './fixtures/state.ts';

process.env.TZ = 'UTC';
const DAY = 86_400_000;
const TWO = [
  { id: idOf(1), agentId: 'alice', dn: '=7001' },
  { id: idOf(2), agentId: 'bob, "b"', at: START + DAY },
];

t.test('sums by day, DN and agent, as a table, as CSV and as JSON', async (t) => {
  const state = await indexedState(t, TWO);
  const table = await grec(state, ['report']);
  t.strictSame([table.code, table.err], [0, '']);
  t.match(table.out, /^DAY .*FIRST WORD\n2026-01-31 +1 +0:12 +0:0[67] +0:06 .*\n2026-02-01 +1 /);
  const [first] = JSON.parse((await grec(state, ['report', '--by', 'agent', '--json'])).out);
  t.match(first, { agent: 'alice', recordings: 1, duration: 12_400, hold: 0, agentInterruptions: 0 });
  t.ok(first.agentTalk > 5500 && first.agentTalk < 7000, `${first.agentTalk}`);
  const csv = (await grec(state, ['report', '--by', 'agent', '--csv'])).out.split('\n');
  t.match(csv[0], /^agent,recordings,duration,agentTalk,customerTalk,/);
  t.match(csv[2], /^"bob, ""b""",1,12400,/);
  t.match(
    (await grec(state, ['report', '--by', 'dn', '--csv'])).out,
    /^'=7001,1,/m,
    'no formula for a spreadsheet',
  );
  const later = await grec(state, ['report', '--since', '2026-02-01', '--by', 'dn', '--json']);
  t.match(JSON.parse(later.out), [{ dn: '7001', recordings: 1 }]);
  t.match((await grec(state, ['report', '--since', '2027-01-01'])).err, 'no recordings found');
  t.match((await grec(state, ['audit'])).out, /list.*report=day/);
});

t.test('what cannot be asked', async (t) => {
  const state = emptyState(t);
  t.match(await grec(state, ['report']), { code: 1, err: /there is no index at .*\n.*up/ });
  t.match(await grec(state, ['index']), { code: 1, err: /there is no index/ });
  const one = await indexedState(t, TWO.slice(0, 1));
  t.equal((await grec(one, ['report', '--by', 'moon'])).code, 2);
  t.equal((await grec(one, ['report', '--since', 'soon'])).code, 2);
  t.match(await grec(one, ['report', '--since', '1d', '--until', '2d']), { code: 2, err: /is not before/ });
  t.match(await grec(one, ['index', 'rebuild']), { code: 4, err: /not running/ });
});

t.test('show tells who talked, or why nobody knows', async (t) => {
  const state = await indexedState(t, TWO, {}, (directory, index) => {
    if (index === 1) renameSync(join(directory, 'audio.wav'), join(directory, 'audio.wav.cms'));
  });
  const { out } = await grec(state, ['show', idOf(1)]);
  t.match(
    out,
    /\ntalk\n {2}agent =7001 +talks 6\.\d s, in 2 turns, first word at 0\.\d s\n {2}customer 5551234 +talks/,
  );
  t.match(out, /both at once +0\.\d s\n {2}silence +\d\.\d s, the longest \d\.\d s at 0:/);
  t.match(JSON.parse((await grec(state, ['show', idOf(1), '--json'])).out), {
    analytics: { duration: 12_400 },
  });
  t.match((await grec(state, ['show', idOf(2)])).out, /\ntalk\n {2}not indexed +its audio is encrypted/);
  t.match(await grec(state, ['index', 'problems']), {
    code: 0,
    out: /^ID .*\n00000002 .* - +its audio is encrypted/,
  });
  const [problem] = JSON.parse((await grec(state, ['index', 'problems', '--json'])).out);
  t.match(problem, { id: idOf(2), dueAt: null, startTime: '2026-02-01T09:00:00.000Z' });
});

t.test('an index that is behind says by how much', async (t) => {
  const state = await indexedState(t, TWO.slice(0, 1));
  const catalog = openCatalog(state.catalog);
  for (const number of [3, 4])
    archiveSpoken(join(state.directory, 'state', 'archive'), catalog, { id: idOf(number) });
  catalog.close();
  t.match((await grec(state, ['report'])).err, 'the index lacks 2 recordings');
  t.match((await grec(state, ['index'])).out, /recordings +1\nwaiting +2\n/);
  t.match(JSON.parse((await grec(state, ['index', '--json'])).out), { recordings: 1, unseen: 2, waiting: 0 });
});

t.test('rebuild asks the indexer', async (t) => {
  const state = emptyState(t);
  mkdirSync(join(state.directory, 'state', 'run'), { recursive: true });
  const asked: unknown[] = [];
  const server = await serveControl(join(state.directory, 'state', 'run', 'procd.sock'), {
    'POST /index/redo': ({ body }) => {
      asked.push(body);
      return { count: 3 };
    },
  });
  t.teardown(() => server.close());
  t.match(await grec(state, ['index', 'rebuild']), { code: 0, err: /3 recordings wait/ });
  t.match(JSON.parse((await grec(state, ['index', 'rebuild', '--problems', '--json'])).out), { count: 3 });
  t.same(asked, [{ which: 'all' }, { which: 'problems' }]);
});
