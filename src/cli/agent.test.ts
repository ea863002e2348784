// `grec agent`: who may log in where, and what is said when they may not.
import t from 'tap';
import { emptyState, grec } from './fixtures/state.ts';
import { withSwitch } from './fixtures/switch.ts';

async function prepared(t: Parameters<typeof withSwitch>[0]) {
  const all = await withSwitch(t);
  for (const words of [
    ['7001'],
    ['7002'],
    ['2201', '--type', 'agent-login', 'name=Bea'],
    ['2202', '--type', 'agent-login'],
  ])
    await grec(all.state, ['dn', 'add', ...words]);
  return all;
}

t.test('one agent on one DN, one DN for one agent', async (t) => {
  const { state, events } = await prepared(t);
  const run = (...argv: string[]) => grec(state, ['agent', ...argv]);
  t.equal((await run('login', '2201', '--dn', '7001')).out, '2201 logged in on DN 7001\n');
  t.equal((await run('login', '2201', '--dn', '7001')).out, '2201 is logged in already on DN 7001\n');
  const moved = await run('login', '2201', '--dn', '7002');
  t.equal(moved.code, 5);
  t.match(moved.err, /agent 2201 is logged in on DN 7001 since 20.*\n.*agent login 2201 --dn 7002 --force/);
  const taken = await run('login', '2202', '--dn', '7001');
  t.equal(taken.code, 5);
  t.match(taken.err, 'agent 2201 is logged in on DN 7001 since');
  t.equal((await run('login', '2202', '--dn', '7001', '--force')).code, 0);
  t.match(JSON.parse((await run('list', '--json')).out), [
    { agent: '2201', name: 'Bea', dn: null, since: null },
    { agent: '2202', dn: '7001', since: /^20.*Z$/ },
  ]);
  t.equal((await run('logout', '2202')).out, '2202 logged out from DN 7001\n');
  t.equal((await run('logout', '2202')).out, '2202 is not logged in, nothing to do\n');
  t.same(events, [
    { type: 'agent.loggedIn', agent: '2201', dn: '7001', by: 'control' },
    { type: 'agent.loggedOut', agent: '2201', dn: '7001', reason: '2202 was logged in on 7001 by force' },
    { type: 'agent.loggedIn', agent: '2202', dn: '7001', by: 'control' },
    { type: 'agent.loggedOut', agent: '2202', dn: '7001', reason: 'logged out by the operator' },
  ]);
});

t.test('a DN that goes, or becomes something else, has nobody logged in', async (t) => {
  const { state, events, store } = await prepared(t);
  await grec(state, ['agent', 'login', '2201', '--dn', '7001']);
  await grec(state, ['dn', 'rm', '7001']);
  t.same(store.logins.all(), []);
  await grec(state, ['agent', 'login', '2201', '--dn', '7002']);
  await grec(state, ['dn', 'rm', '2201']);
  t.same(store.logins.all(), []);
  t.match(
    events.filter(({ type }) => type === 'agent.loggedOut'),
    [{ reason: '7001 was removed' }, { reason: '2201 was removed' }],
  );
  await grec(state, ['agent', 'login', '2202', '--dn', '7002']);
  await grec(state, ['dn', 'set', '2202', '--type', 'routing-point']);
  t.same(store.logins.all(), []);
});

t.test('what is no agent, and where no agent can be', async (t) => {
  const { state } = await prepared(t);
  for (const [argv, code, said] of [
    [['login', '9', '--dn', '7001'], 3, '9 is no agent login: there is none'],
    [['login', '7001', '--dn', '7002'], 3, '7001 is no agent login: it is an extension'],
    [['login', '2201', '--dn', '9'], 3, 'there is no DN 9'],
    [['login', '2201', '--dn', '2202'], 2, 'nobody can log in on 2202: it is an agent-login'],
    [['login', '2201'], 2, "required option '--dn <number>'"],
    [['logout', '7001'], 3, '7001 is no agent login'],
  ] as const) {
    const result = await grec(state, ['agent', ...argv]);
    t.equal(result.code, code, argv.join(' '));
    t.ok(result.err.includes(said), result.err);
  }
  t.equal((await grec(emptyState(t), ['agent', 'list'])).code, 4);
});
