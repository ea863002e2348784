// `grec find`: what is printed, what is noted, what cannot be asked.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import { archiveSpoken, idOf, NO_TRANSCRIBER, START } from '../index/fixtures/recordings.ts';
import { index, indexedState } from './fixtures/indexed.ts';
import { emptyState, grec } from './fixtures/state.ts';

process.env.TZ = 'UTC';
const TWO = [
  { id: idOf(1), agentId: 'alice' },
  { id: idOf(2), dn: '7002', at: START + 86_400_000 },
];
const VTT = 'WEBVTT\n\n00:00:00.600 --> 00:00:01.900\nI want a Refund \u001b[31m now\n';
const command = ['/bin/sh', '-c', `cat <<'END'\n${VTT}END`];
const spoken = { transcription: { ...NO_TRANSCRIBER, transcriber: 'command' as const, command } };

t.test('what was said, by whom and when; and recordings', async (t) => {
  const state = await indexedState(t, TWO, spoken);
  const { code, out, err } = await grec(state, ['find', 'refund', '--party', 'customer']);
  t.strictSame([code, err], [0, '']);
  t.equal(
    out,
    `00000002  2026-02-01 09:00:00  5551234 → 7001  at 0:04  customer: I want a Refund  [31m now
00000001  2026-01-31 09:00:00  5551234 → 7001  at 0:04  customer: I want a Refund  [31m now\n`,
  );
  t.match((await grec(state, ['find', 'refund'], { tty: true })).out, 'I want a \u001b[1mRefund\u001b[22m');
  const json = JSON.parse(
    (await grec(state, ['find', 'want a', '--agent', 'alice', '--party', 'agent', '--json'])).out,
  );
  t.match(json, [
    {
      id: idOf(1),
      startTime: '2026-01-31T09:00:00.000Z',
      party: 'agent',
      matches: ['want a'],
      snippet: /^I want a Refund/,
    },
  ]);
  const rows = await grec(state, ['find', '--dn', '7002', '--longer-than', '10s']);
  t.equal(rows.out, '00000002  2026-02-01 09:00:00  0:12  5551234 → 7001  7002\n');
  t.match(await grec(state, ['find', 'refund', '--limit', '1']), { err: /the first 1 are shown/ });
  t.match(await grec(state, ['find', 'refund', '--since', '2027-01-01']), {
    code: 0,
    out: '',
    err: /nothing found/,
  });
  t.same(JSON.parse((await grec(state, ['find', 'nothing', '--json'])).out), []);
  t.match(
    (await grec(state, ['audit', '--what', 'list'])).out,
    /words=refund.*found=2|found=2.*words=refund/,
  );
});

t.test('about a topic, or one of a program', async (t) => {
  const state = await indexedState(t, TWO, spoken);
  const topic = '[[topic]]\nname = "money"\nfind = ["refund"]\n[[topic]]\nname = "rare"\nfind = ["xyz"]\n';
  writeFileSync(
    join(state.directory, 'topics.toml'),
    `${topic}[[program]]\nname = "all"\ntopics = ["money", "rare"]\n`,
  );
  t.equal((await grec(state, ['find', '--topic', 'money'])).out, '', 'not tagged yet');
  const catalog = openCatalog(state.catalog);
  archiveSpoken(join(state.directory, 'state', 'archive'), catalog, { id: idOf(3) });
  catalog.close();
  await index(state, spoken);
  t.match((await grec(state, ['find', '--topic', 'money'])).out, /^00000003 [^\n]*\n$/);
  t.match(
    (await grec(state, ['find', 'refund', '--topic', 'all', '--party', 'agent'])).out,
    /^00000003 [^\n]* agent: /,
  );
  t.equal((await grec(state, ['find', '--topic', 'rare'])).out, '');
  t.match((await grec(state, ['show', idOf(3)])).out, /\n {2}about +money, agent at 0:00, in 2 passages\n/);
  t.match(await grec(state, ['find', '--topic', 'none']), {
    code: 2,
    err: /no topic "none"\n.*money, rare, all/,
  });
  writeFileSync(join(state.directory, 'topics.toml'), 'x');
  t.equal((await grec(state, ['find', '--topic', 'money'])).code, 78);
});

t.test('what cannot be asked', async (t) => {
  t.match(await grec(emptyState(t), ['find', 'x']), { code: 1, err: /there is no index/ });
  const state = await indexedState(t, TWO.slice(0, 1), spoken);
  for (const [argv, err] of [
    [['!!!'], /there is no word in/],
    [['a*'], /too short/],
    [['NOT', 'refund'], /what is wanted/],
    [['--party', 'agent'], /give some/],
    [['--sort', 'relevance'], /give some/],
    [['refund', '--sort', 'size'], /newest/],
    [['refund', '--longer-than', '5 minutes'], /is not a length/],
    [['refund', '--since', 'soon'], /is not a time/],
    [['refund', '--since', '1d', '--until', '2d'], /is not before/],
    [['refund', '--limit', '0'], /whole number/],
  ] as const)
    t.match(await grec(state, ['find', ...argv]), { code: 2, out: '', err }, argv.join(' '));
  for (const text of ['"', "it's", 'a AND (', 'x:y', '*', '\ud800', 'NEAR(']) {
    const { code } = await grec(state, ['find', text]);
    t.ok(code === 0 || code === 2, `${JSON.stringify(text)}: ${code}`);
  }
});

t.test('an index that is behind says by how much', async (t) => {
  const state = await indexedState(t, TWO.slice(0, 1), spoken);
  const catalog = openCatalog(state.catalog);
  archiveSpoken(join(state.directory, 'state', 'archive'), catalog, { id: idOf(9) });
  catalog.close();
  t.match((await grec(state, ['find', 'refund'])).err, 'the index lacks 1 recording');
});
