// `grec strategy`: check finds every mistake, test tells the decision and the rule that made it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { emptyState, grec } from './fixtures/state.ts';

const STRATEGY = `
time-zone = "UTC"
[external]
url = "http://127.0.0.1:1/route"
fallback = "closed"
[[rule]]
name = "vip"
match.from = "+49*"
match.trunk = "carrier"
record = "destination"
attach = { queue = "vip" }
route = { dn = ["7001", "7002"], ring-time = 5 }
[[rule]]
name = "night"
match.hours = "22:00-06:00"
reject = { code = 480, reason = "Closed" }
[[rule]]
name = "sampled"
match = { to = "71XX", percent = 50 }
record = "source"
[[rule]]
name = "campaign"
match.headers.X-Campaign = "spring*"
external = true
[[rule]]
name = "closed"
match.percent = 0
reject.code = 486
`;

function stateWith(t: Test, strategy: string | undefined) {
  const state = emptyState(t);
  const file = join(state.directory, 'strategy.toml');
  if (strategy !== undefined) writeFileSync(file, strategy);
  writeFileSync(
    state.configFile,
    'state.directory = "state"\n[[trunk]]\nname = "carrier"\nhost = "192.0.2.1"\n',
  );
  return { ...state, file };
}

const NOON = ['--at', '2026-01-05T12:00:00Z'];

t.test('check: valid', async (t) => {
  const state = stateWith(t, STRATEGY);
  const { code, out } = await grec(state, ['strategy', 'check']);
  t.equal(code, 0);
  t.match(out, `${state.file}: valid`);
  t.match(out, /rules +5\n.*external +http:\/\/127\.0\.0\.1:1\/route/s);
  const json = JSON.parse((await grec(state, ['strategy', 'check', '--json'])).out);
  t.match(json, { valid: true, file: state.file, problems: [], rules: 5, routingPoints: [] });
});

t.test('check: every mistake, with line and key', async (t) => {
  const state = stateWith(t, '[[rule]]\nname = "r"\nrecord = "all"\nroute.trunk = "elsewhere"\n');
  const { code, err } = await grec(state, ['strategy', 'check']);
  t.equal(code, 78);
  t.match(err, `${state.file}:3: rule[0].record: expected one of "source"`);
  t.match(err, `${state.file}:4: rule[0].route.trunk: there is no [[trunk]] elsewhere; there is: carrier`);
  const json = await grec(state, ['strategy', 'check', state.file, '--json']);
  t.equal(json.code, 78);
  t.match(JSON.parse(json.out), { valid: false, problems: [{ line: 3 }, { line: 4 }] });
});

t.test('no file: none is needed, but one that is named is', async (t) => {
  const state = stateWith(t, undefined);
  t.match(await grec(state, ['strategy', 'check']), { code: 0, out: /no strategy file/ });
  t.match(await grec(state, ['strategy', 'check', join(state.directory, 'x')]), { code: 78 });
  t.match(await grec(state, ['strategy', 'test', '--from', '1', '--to', '2']), {
    code: 0,
    out: /rule +none\nroute +to 2, the number that is dialled/,
  });
  writeFileSync(state.configFile, 'switch.strategy = "x.toml"\n');
  t.match(await grec(state, ['strategy', 'check']), { code: 78, err: /cannot read the strategy/ });
});

t.test('test: the decision, and why the rules before it did not match', async (t) => {
  const state = stateWith(t, STRATEGY);
  const call = ['strategy', 'test', '--from', '+4930', '--to', '7001', '--trunk', 'carrier'];
  const { code, out } = await grec(state, call);
  t.equal(code, 0);
  t.match(out, /rule +vip\nroute +DNs 7001, 7002 in order, 5 s each\nrecord +destination, by rule vip/);
  t.match(out, /attached +queue=vip/);
  t.match(JSON.parse((await grec(state, [...call, '--json'])).out), {
    rule: 'vip',
    rules: ['vip'],
    decision: {
      route: { dn: ['7001', '7002'], ring: 'in-order', 'ring-time': 5 },
      record: 'destination',
      attach: { queue: 'vip' },
    },
    passed: [],
  });
  const night = ['strategy', 'test', '--from', '7002', '--to', '7001', '--at', '2026-01-05T23:00:00Z'];
  const { out: rejected } = await grec(state, night);
  t.match(rejected, /rule +night\nroute +rejected with 480 Closed/);
  t.match(rejected, /did not match\n +vip +match\.from does not hold/);
});

t.test('test: a sample is a matter of the session', async (t) => {
  const state = stateWith(t, STRATEGY);
  const decided = async (session: string) => {
    const call = ['strategy', 'test', '--from', '7002', '--to', '7100', ...NOON, '--session-id', session];
    return JSON.parse((await grec(state, [...call, '--json'])).out).rule;
  };
  const sessions = Array.from({ length: 16 }, (_, index) => index.toString(16).padStart(32, '0'));
  const rules = new Set<string | null>();
  for (const session of sessions) {
    const rule = await decided(session);
    rules.add(rule);
    t.equal(await decided(session), rule);
  }
  t.same(rules, new Set(['sampled', null]));
});

t.test('test: an external strategy is not asked; its fallback is shown', async (t) => {
  const state = stateWith(t, STRATEGY);
  const call = [
    'strategy',
    'test',
    '--from',
    '7002',
    '--to',
    '7001',
    ...NOON,
    '--header',
    'X-Campaign=Spring 26',
  ];
  const { out } = await grec(state, call);
  t.match(out, /asked +http:\/\/127\.0\.0\.1:1\/route, for 1000 ms/);
  t.match(out, /or else +rule campaign \/ closed; route rejected with 486/);
  t.match(JSON.parse((await grec(state, [...call, '--json'])).out), {
    decision: { external: true },
    fallback: { rule: 'closed', decision: { reject: { code: 486 } } },
  });
});

t.test('test: another file', async (t) => {
  const state = stateWith(t, STRATEGY);
  const draft = join(state.directory, 'draft.toml');
  writeFileSync(draft, '[default]\nreject.code = 404');
  const { out } = await grec(state, ['strategy', 'test', '--from', '1', '--to', '2', '--file', draft]);
  t.match(out, /rule +default\nroute +rejected with 404/);
});

t.test('what is wrong on the command line', async (t) => {
  const state = stateWith(t, STRATEGY);
  const call = ['strategy', 'test', '--from', '1', '--to', '2'];
  t.equal((await grec(state, ['strategy', 'test', '--from', '1'])).code, 2);
  t.match(await grec(state, [...call, '--at', 'noon']), { code: 2, err: /is not a time/ });
  t.match(await grec(state, [...call, '--header', 'X']), { code: 2, err: /NAME=VALUE/ });
  t.match(await grec(state, [...call, '--session-id', '1']), { code: 2, err: /32 hexadecimal digits/ });
});
