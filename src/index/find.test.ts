// Finding: words, party, DN, agent, number, time and length in one question; the newest first; what is gone is not found.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { MadeRow } from '../catalog/changes.ts';
import type { SpokenPassage } from '../speech/transcript.ts';
import { idOf, START } from './fixtures/recordings.ts';
import { openIndex } from './index.ts';
import { readQuery } from './query.ts';
import type { FindFilter, IndexedRow } from './rows.ts';

const HOUR = 3_600_000;
const ANALYTICS = {
  ...{
    duration: 1,
    talk: 1,
    silence: 0,
    longestSilence: 0,
    longestSilenceAt: 0,
    talkOver: 0,
    hold: 0,
    holds: 0,
  },
  ...{ masked: 0, parties: [] },
};

interface Told extends Partial<MadeRow> {
  agent?: string;
}

function opened(t: Test) {
  const file = join(t.testdir(), 'index.db');
  const index = openIndex(file);
  t.teardown(() => index.close());
  const put = (
    number: number,
    { agent, ...changes }: Told,
    ...said: [SpokenPassage['role'], string, number?][]
  ) => {
    const row: MadeRow = {
      ...{
        id: idOf(number),
        state: 'complete',
        direction: null,
        startTime: START + number * HOUR,
        duration: 60_000,
      },
      ...{ caller: '5551', callee: '7001', dn: '7001', path: `x/${number}`, finishedAt: 1 },
      ...changes,
    };
    index.put(row, number);
    const taken = index.take(number, () => Number.MAX_SAFE_INTEGER) as IndexedRow;
    const passages = said.map(([role, text, at = 1000]): SpokenPassage => {
      return {
        channel: role === 'agent' ? 0 : 1,
        role,
        number: '1',
        from: at,
        to: at + 500,
        text,
        confidence: 0.5,
      };
    });
    index.done(taken, { madeOf: 'a', agent, analytics: ANALYTICS, passages });
  };
  const ask = (question: string, filter: Partial<FindFilter> = {}) =>
    index.findPassages(readQuery(question) ?? '', { limit: 50, ...filter });
  const ids = (question: string, filter: Partial<FindFilter> = {}) =>
    ask(question, filter).map(({ id }) => Number(id.slice(-4)));
  return { index, put, ask, ids, file };
}

t.test('words and what is known of the recording in one question', async (t) => {
  const { put, ask, ids } = opened(t);
  put(1, { agent: 'alice' }, ['customer', 'I want a refund'], ['agent', 'no refund today', 5000]);
  put(2, { dn: '7002', agent: 'bob', duration: 600_000, caller: '42' }, ['agent', 'about your refund']);
  put(3, { dn: null, callee: '42' }, ['customer', 'refund refund refund'], [undefined, 'a refund', 9000]);
  t.same(ids('refund'), [3, 3, 2, 1, 1]);
  t.match(ask('refund')[4], {
    ...{ id: idOf(1), startTime: START + HOUR, caller: '5551', dn: '7001', agent: 'alice', channel: 1 },
    ...{ party: 'customer', from: 1000, to: 1500, confidence: 0.5, snippet: 'I want a \ue000refund\ue001' },
  });
  t.same(ids('refund', { sort: 'oldest' }), [1, 1, 2, 3, 3]);
  t.equal(ids('refund', { sort: 'relevance' })[0], 3);
  t.same(ids('refund', { party: 'customer' }), [3, 1]);
  t.same(ids('refund', { party: 'agent', dn: '7001' }), [1]);
  t.same(ids('refund', { agent: 'bob' }), [2]);
  t.same(ids('refund', { dn: '7003' }), []);
  t.same(ids('refund', { number: '42' }), [3, 3, 2]);
  t.same(ids('refund', { longerThan: 300_000 }), [2]);
  t.same(ids('refund', { shorterThan: 300_000, since: START + 2 * HOUR }), [3, 3]);
  t.same(ids('refund', { until: START + 2 * HOUR }), [1, 1]);
  t.same(ids('refund', { since: START + 2 * HOUR, until: START + 3 * HOUR }), [2]);
  t.same(ids('refund OR today NOT no', { limit: 2 }), [3, 3]);
  t.same(ids('agent'), [], 'a party is no word');
});

t.test('without words: what is known alone', async (t) => {
  const { index, put } = opened(t);
  put(1, { agent: 'alice' });
  put(2, { dn: '7002', caller: '42', duration: 5 });
  put(3, { callee: '42', dn: '42' });
  const ids = (filter: Partial<FindFilter>) =>
    index.findRecordings({ limit: 50, ...filter }).map(({ id }) => Number(id.slice(-4)));
  t.same(ids({}), [3, 2, 1]);
  t.same(ids({ sort: 'oldest', limit: 2 }), [1, 2]);
  t.same(ids({ number: '42' }), [3, 2]);
  t.same(ids({ number: '42', longerThan: 100 }), [3]);
  t.same(ids({ agent: 'alice', since: START }), [1]);
  t.same(ids({ dn: '7002', until: START + HOUR }), []);
  t.match(index.findRecordings({ limit: 1 })[0], { id: idOf(3), callee: '42', duration: 60_000 });
});

t.test(
  'said again it is found by what is said now; deleted it is found no more, in the file neither',
  async (t) => {
    const { index, put, ids, file } = opened(t);
    put(1, {}, ['customer', 'a secretword was said']);
    put(2, {}, ['customer', 'another thing']);
    index.redo({ id: idOf(1) }, 5);
    put(1, { finishedAt: 2 }, ['customer', 'a hiddenword was said']);
    t.same([ids('secretword'), ids('hiddenword')], [[], [1]]);
    t.ok(index.drop(idOf(1)));
    t.same(ids('hiddenword'), []);
    t.same(ids('said OR thing'), [2]);
    index.close();
    for (const word of ['secretword', 'hiddenword']) t.notMatch(readFileSync(file, 'latin1'), word);
  },
);

t.test('passages of the same moment, and of many recordings, stand apart', async (t) => {
  const { put, ids } = opened(t);
  for (let number = 1; number <= 30; number++)
    put(number, { startTime: START }, ['agent', `word${number} common`], ['customer', 'common']);
  t.equal(ids('common').length, 50);
  t.same(ids('word7'), [7]);
  t.equal(ids('common', { limit: 100 }).length, 60);
});
