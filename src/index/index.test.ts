// The index: the queue hands out the newest first and each once, what was found comes back, sums add up, files that cannot be used.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import type { MadeRow } from '../catalog/changes.ts';
import type { Analytics, PartyTalk } from '../speech/analytics.ts';
import { idOf, START } from './fixtures/recordings.ts';
import { openIndex, openIndexOrBegin, openIndexReader } from './index.ts';
import type { IndexedRow } from './rows.ts';

const row = (number: number, changes: Partial<MadeRow> = {}): MadeRow => ({
  ...{ id: idOf(number), state: 'complete', direction: 'inbound', startTime: START, duration: 60_000 },
  ...{ caller: '5551', callee: '7001', dn: '7001', path: `2026/01/31/${idOf(number)}`, finishedAt: START },
  ...changes,
});
const party = (changes: Partial<PartyTalk>): PartyTalk => ({
  ...{
    channel: 0,
    role: 'agent',
    number: '7001',
    dn: '7001',
    agentId: 'alice',
    talk: 20_000,
    silence: 40_000,
  },
  ...{ turns: 3, longestTurn: 9000, interruptions: 1, firstWord: 500 },
  ...changes,
});
const analytics = (changes: Partial<Analytics> = {}): Analytics => ({
  ...{ duration: 60_000, talk: 45_000, silence: 10_000, longestSilence: 4000, longestSilenceAt: 30_000 },
  ...{ talkOver: 2000, firstWord: 500, hold: 5000, holds: 1, masked: 0 },
  parties: [
    party({}),
    {
      ...party({ channel: 1, role: 'customer', number: '5551', talk: 27_000, interruptions: 2 }),
      dn: undefined,
      agentId: undefined,
      firstWord: undefined,
    },
  ],
  ...changes,
});
const found = (changes: Partial<Analytics> = {}, agent?: string) => ({
  madeOf: 'a',
  agent,
  analytics: analytics(changes),
  passages: [],
});
const never = () => Number.MAX_SAFE_INTEGER;
const taken = (row: IndexedRow | undefined): IndexedRow => {
  if (row === undefined) throw new Error('nothing was due');
  return row;
};

t.test('the queue: the newest first, and one that ends its taker is not the first again', async (t) => {
  const index = openIndex(join(t.testdir(), 'index.db'));
  t.teardown(() => index.close());
  t.ok(index.put(row(1), 100));
  t.notOk(index.put(row(1), 150), 'as it is known');
  t.ok(index.put(row(2, { startTime: START + 1 }), 200));
  t.ok(index.put(row(3), 50), 'of the same millisecond as the first');
  const retryAt = (attempts: number) => 1000 * attempts;
  t.equal(index.take(300, retryAt)?.id, idOf(2));
  t.match(index.take(300, retryAt), { id: idOf(1), attempts: 0, madeOf: null });
  t.equal(index.take(300, retryAt)?.id, idOf(3));
  t.equal(index.take(300, retryAt), undefined);
  t.match(index.take(1000, retryAt), { id: idOf(2), attempts: 1 });
});

t.test('what was found comes back; what changed meanwhile is looked into again', async (t) => {
  const file = join(t.testdir(), 'index.db');
  const index = openIndex(file);
  t.teardown(() => index.close());
  index.put(row(1), 1);
  const first = taken(index.take(1, never));
  index.put(row(1, { finishedAt: START + 9, duration: 70_000 }), 2);
  index.done(first, found());
  t.equal(index.analytics(idOf(1)), undefined, 'of what it was before');
  const second = taken(index.take(2, never));
  index.done(second, found({ hold: 1 }, 'alice'));
  const reader = openIndexReader(file);
  t.teardown(() => reader.close());
  t.same(reader.analytics(idOf(1)), JSON.parse(JSON.stringify(analytics({ hold: 1 }))));
  t.same(reader.state(idOf(1)), { dueAt: null, problem: null });
  index.put(row(1, { finishedAt: START + 10 }), 3);
  t.match(index.take(3, never), { agent: 'alice', madeOf: 'a' });
  t.ok(index.drop(idOf(1)));
  t.notOk(index.drop(idOf(1)));
  t.equal(reader.analytics(idOf(1)), undefined);
});

t.test(
  'what could not be indexed is listed with its reason, and tried again when it is asked for',
  async (t) => {
    const index = openIndex(join(t.testdir(), 'index.db'));
    t.teardown(() => index.close());
    index.put(row(1), 1);
    index.put(row(2, { startTime: START + 1 }), 1);
    index.failed(taken(index.take(1, never)), 'sealed', null);
    index.failed(taken(index.take(1, never)), 'damaged', 500);
    t.match(index.problems(), [
      { id: idOf(2), problem: 'sealed', attempts: 1, dueAt: null },
      { id: idOf(1), problem: 'damaged', attempts: 1, dueAt: 500 },
    ]);
    t.match(index.backlog(), { waiting: 0, problems: 2 });
    t.equal(index.take(499, never), undefined);
    const again = taken(index.take(500, never));
    t.match(again, { id: idOf(1), attempts: 1 });
    index.done(again, found());
    t.equal(index.redo('problems', 600), 1);
    t.equal(index.redo('all', 700), 2);
    t.same([index.take(700, never)?.id, index.take(700, never)?.id], [idOf(2), idOf(1)]);
  },
);

t.test('sums by DN, agent and day', async (t) => {
  const index = openIndex(join(t.testdir(), 'index.db'));
  t.teardown(() => index.close());
  const day = 86_400_000;
  for (const [number, dn, agent, at] of [
    [1, '7001', 'alice', START],
    [2, '7001', undefined, START + 1],
    [3, null, 'bob', START + 3 * day],
  ] as const) {
    index.put(row(number, { dn, startTime: at }), number);
    const longestSilence = number * 1000;
    index.done(
      taken(index.take(number, never)),
      found({ longestSilence, ...(number === 3 && { parties: [] }) }, agent),
    );
  }
  t.match(index.report('dn'), [
    { group: '', recordings: 1, agentTalk: 0, customerTalk: 0, agentFirstWord: null },
    {
      ...{ group: '7001', recordings: 2, duration: 120_000, agentTalk: 40_000, customerTalk: 54_000 },
      ...{ silence: 20_000, longestSilence: 2000, talkOver: 4000, hold: 10_000, holds: 2 },
      ...{ agentInterruptions: 2, customerInterruptions: 4, agentFirstWord: 500 },
    },
  ]);
  t.same(
    index.report('agent').map(({ group, recordings }) => [group, recordings]),
    [
      ['', 1],
      ['alice', 1],
      ['bob', 1],
    ],
  );
  t.same(
    index.report('day').map(({ recordings }) => recordings),
    [2, 1],
  );
  t.equal(index.report('day', { since: START + 1, until: START + 2 })[0]?.recordings, 1);
  t.same(index.report('dn', { since: START + 9 * day }), []);
});

t.test('a file that cannot be used says why; a damaged one is set aside by its writer', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'index.db');
  t.throws(() => openIndexReader(file), { code: 'INDEX_UNUSABLE', hint: /grec up/ });
  writeFileSync(file, 'no database at all. '.repeat(500));
  t.throws(() => openIndexReader(file), { code: 'INDEX_UNUSABLE', hint: /set|sets it aside/ });
  const told: string[] = [];
  openIndexOrBegin(file, (problem) => told.push(problem)).close();
  t.match(told, [/not a database/]);
  t.ok(existsSync(`${file}.damaged`));
  openIndexReader(file).close();
  const newer = join(folder, 'newer.db');
  const db = new Database(newer);
  db.pragma('user_version = 99');
  db.close();
  t.throws(() => openIndexOrBegin(newer, () => {}), { code: 'INDEX_UNUSABLE', hint: /newer grec/ });
  const older = join(folder, 'older.db');
  new Database(older).exec('CREATE TABLE x (y)').close();
  t.throws(() => openIndexReader(older), { code: 'INDEX_UNUSABLE', hint: /start this version/ });
});
