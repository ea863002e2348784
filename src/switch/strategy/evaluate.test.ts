// Which rule decides, and what its decision is: conditions, order, routing points, the default, samples.
import fc from 'fast-check';
import t from 'tap';
import { evaluate } from './evaluate.ts';
import { parseStrategy } from './read.ts';
import type { StrategyCall } from './strategy.ts';

const SESSION = 'ab'.repeat(16);
/** A Monday, noon in UTC. */
const NOON = Date.parse('2026-01-05T12:00:00Z');

const call = (more: Partial<StrategyCall> = {}): StrategyCall => ({
  sessionId: SESSION,
  from: '7002',
  to: '7001',
  dn: '7002',
  trunk: undefined,
  headers: {},
  ...more,
});

function decide(toml: string, more: Partial<StrategyCall> = {}, now = NOON) {
  return evaluate({ strategy: parseStrategy(toml, 'strategy.toml'), call: call(more), now });
}

/** The rules that decide, when one rule named `r` has this match. */
const matches = (match: string, more: Partial<StrategyCall> = {}, now = NOON) =>
  decide(`time-zone = "UTC"\n[[rule]]\nname = "r"\n${match}`, more, now).rules.length === 1;

t.test('without a rule that matches the call goes where it would without a strategy', async (t) => {
  const nothing = { rules: [], route: { kind: 'dialled' }, record: undefined, attach: {} };
  t.same(decide(''), nothing);
  t.same(decide('[[rule]]\nname = "r"\nmatch.to = "9"'), nothing);
});

t.test('each condition', async (t) => {
  t.ok(matches(''));
  t.ok(matches('match.from = "70XX"'));
  t.notOk(matches('match.from = "71XX"'));
  t.ok(matches('match.to = ["9", "7000-7005"]'));
  t.ok(matches('match.dn = "7002"'));
  t.notOk(matches('match.dn = "7002"', { dn: undefined, trunk: 'carrier' }), 'a number is not yet a DN');
  t.ok(matches('match.trunk = "carr*"', { dn: undefined, trunk: 'carrier' }));
  t.notOk(matches('match.trunk = "*"'), 'a DN is no trunk');
  t.ok(matches('match.headers.X-Queue = "sales*"', { headers: { 'x-queue': 'Sales 3' } }));
  t.notOk(matches('match.headers.X-Queue = "*"'), 'a header that is not there');
  t.ok(matches('match.days = "mon"\nmatch.hours = "11:00-13:00"'));
  t.notOk(matches('match.hours = "11:00-13:00"\nmatch.time-zone = "Asia/Tokyo"'));
  t.ok(matches('match.percent = 100'));
  t.notOk(matches('match.percent = 0'));
});

t.test('how long a recording is kept: the last rule that says so', async (t) => {
  const toml = (last: string) => `
    default.retention = "long"
    [[rule]]
    name = "in"
    match.to = "7001"
    retention = "short"
    route.routing-point = "9000"
    [[routing-point]]
    number = "9000"
    rule = [{ name = "point", ${last}record = "source" }]
  `;
  t.equal(decide(toml('')).retention, 'short');
  t.equal(decide(toml('retention = "year", ')).retention, 'year');
  t.equal(decide(toml(''), { to: '7003' }).retention, 'long');
  t.throws(() => decide('default.retention = "7 years"'), { message: /retention class/ });
});

t.test('all conditions must hold', async (t) => {
  t.ok(matches('match.from = "7002"\nmatch.to = "7001"\nmatch.days = "mon"'));
  t.notOk(matches('match.from = "7002"\nmatch.to = "9"'));
  t.notOk(matches('match.from = "9"\nmatch.to = "7001"'));
});

t.test('the first rule that matches decides alone', async (t) => {
  const toml = `
[[rule]]
name = "one"
match.to = "9*"
record = "source"
[[rule]]
name = "two"
attach = { queue = "sales" }
[[rule]]
name = "three"
record = "destination"
[default]
record = "source"`;
  t.same(decide(toml), {
    rules: ['two'],
    route: { kind: 'dialled' },
    record: undefined,
    attach: { queue: 'sales' },
  });
  t.same(decide(toml, { to: '99' }).record, { word: 'source', rule: 'one' });
});

t.test('every way to send a call', async (t) => {
  const route = (toml: string) => decide(`[[rule]]\nname = "r"\n${toml}`).route;
  t.same(route('route.dn = "7005"'), { kind: 'dn', dns: ['7005'], ring: 'in-order', ringTimeMs: 20_000 });
  t.same(route('route = { dn = ["1", "2"], ring = "together" }'), {
    kind: 'dn',
    dns: ['1', '2'],
    ring: 'together',
    ringTimeMs: 20_000,
  });
  t.match(route('route = { dn = ["1", "2"], ring-time = 5 }'), { ring: 'in-order', ringTimeMs: 5000 });
  t.same(route('route.trunk = "carrier"'), { kind: 'trunk', trunk: 'carrier' });
  t.same(route('reject = { code = 603, reason = "Closed" }'), {
    kind: 'reject',
    status: 603,
    reason: 'Closed',
  });
});

t.test('the default decides what no rule does', async (t) => {
  t.same(decide('[default]\nreject.code = 404'), {
    rules: ['default'],
    route: { kind: 'reject', status: 404, reason: undefined },
    record: undefined,
    attach: {},
  });
});

const POINTS = `
[[rule]]
name = "sales"
match.to = "7900"
record = "destination"
attach = { queue = "sales", priority = "1" }
route.routing-point = "7950"

[[routing-point]]
number = "7950"
[[routing-point.rule]]
name = "vip"
match.from = "+49*"
record = "source"
attach = { priority = "9" }
route.dn = "7001"
[[routing-point.rule]]
name = "staff"
match.from = "70XX"
[default]
attach = { seen = "default" }`;

t.test('a routing point decides on; its word goes before that of the rule that led there', async (t) => {
  t.same(decide(POINTS, { to: '7900', from: '+4930' }), {
    rules: ['sales', 'vip'],
    route: { kind: 'dn', dns: ['7001'], ring: 'in-order', ringTimeMs: 20_000 },
    record: { word: 'source', rule: 'vip' },
    attach: { queue: 'sales', priority: '9' },
  });
  t.match(decide(POINTS, { to: '7900' }), {
    rules: ['sales', 'staff'],
    route: { kind: 'dialled' },
    record: { word: 'destination', rule: 'sales' },
  });
});

t.test('a routing point can be dialled, and is the end when none of its rules matches', async (t) => {
  t.same(decide(POINTS, { to: '7950', from: '+4930' }).rules, ['vip']);
  t.match(decide(POINTS, { to: '7950', from: 'anonymous' }), {
    rules: [],
    route: { kind: 'reject', status: 480, reason: 'No Rule At Routing Point 7950' },
  });
});

const NUMBERED = `
[[rule]]
name = "service"
match.to = "0800*"
attach = { line = "service" }
record = "destination"
route.routing-point = "7900"
[[rule]]
name = "vip"
match = { to = "7900", from = "+4930*" }
route.dn = "7001"
[[rule]]
name = "data only"
match = { to = "7900", from = "7XXX" }
attach = { internal = "1" }
[[rule]]
name = "round"
match.to = ["7911", "7912"]
route.routing-point = "7912"
`;

t.test(
  'a call that is led to a routing point among the DNs is looked at again, as a call to it',
  async (t) => {
    t.match(decide(NUMBERED, { to: '08001', from: '+4930' }), {
      rules: ['service', 'vip'],
      route: { kind: 'dn', dns: ['7001'] },
      record: { word: 'destination', rule: 'service' },
      attach: { line: 'service' },
    });
    const nowhere = { kind: 'reject', status: 480, reason: 'No Rule At Routing Point 7900' };
    t.match(decide(NUMBERED, { to: '08001', from: '+4940' }), { rules: ['service'], route: nowhere });
    t.match(decide(NUMBERED, { to: '08001', from: '7002' }), {
      rules: ['service', 'data only'],
      route: nowhere,
    });
    t.match(decide(`${NUMBERED}[default]\nroute.dn = "7009"`, { to: '08001', from: '+4940' }), {
      rules: ['service', 'default'],
      route: { kind: 'dn', dns: ['7009'] },
    });
  },
);

t.test('a circle of routing points ends the call, not the switch', async (t) => {
  const { rules, route } = decide(NUMBERED, { to: '7911' });
  t.match(route, { kind: 'reject', status: 482, reason: 'Routing Points Lead In A Circle' });
  t.equal(rules.length, 20);
});

t.test('whoever listens hears why each rule did not match', async (t) => {
  const passed: string[] = [];
  const strategy = parseStrategy(
    '[[rule]]\nname = "one"\nmatch.to = "9"\n[[rule]]\nname = "two"\nmatch.headers.X-A = "1"',
    'f',
  );
  evaluate({
    strategy,
    call: call(),
    now: NOON,
    onPassed: ({ name }, key) => passed.push(`${name}: ${key}`),
  });
  t.same(passed, ['one: match.to', 'two: match.headers.X-A']);
});

const session = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 });

t.test('a sample is the same for a call every time, and grows with its percentage', async () => {
  const at = (sessionId: string, percent: number) => matches(`match.percent = ${percent}`, { sessionId });
  fc.assert(
    fc.property(session, fc.integer({ min: 0, max: 99 }), (sessionId, percent) => {
      const taken = at(sessionId, percent);
      return taken === at(sessionId, percent) && (!taken || at(sessionId, percent + 1));
    }),
  );
});

t.test(
  'a sample has the size it says, and samples of two rules have nothing to do with each other',
  async (t) => {
    const strategy = parseStrategy(
      '[[rule]]\nname = "one"\nmatch.percent = 10\n[[rule]]\nname = "two"\nmatch.percent = 50',
      'f',
    );
    const counts: Record<string, number> = { one: 0, two: 0, none: 0 };
    const calls = 20_000;
    for (let index = 0; index < calls; index++) {
      const sessionId = index.toString(16).padStart(32, '0');
      const { rules } = evaluate({ strategy, call: call({ sessionId }), now: NOON });
      counts[rules[0] ?? 'none'] = (counts[rules[0] ?? 'none'] ?? 0) + 1;
    }
    const share = (name: string) => (counts[name] ?? 0) / calls;
    t.ok(Math.abs(share('one') - 0.1) < 0.01, `${share('one')}`);
    t.ok(Math.abs(share('two') - 0.45) < 0.015, `${share('two')}`);
  },
);

t.test(
  'whatever the call, there is one decision, and it is that of the first rule which matches',
  async () => {
    const number = fc.string({ unit: fc.constantFrom(...'0123456789+*#aX'), maxLength: 6 });
    const strategy = parseStrategy(
      '[[rule]]\nname = "a"\nmatch.to = "7*"\n[[rule]]\nname = "b"\nmatch.from = "X"\n[default]\nrecord = "source"',
      'f',
    );
    fc.assert(
      fc.property(number, number, (from, to) => {
        const expected = to.startsWith('7') ? 'a' : /^\d$/.test(from) ? 'b' : 'default';
        const { rules } = evaluate({ strategy, call: call({ from, to }), now: NOON });
        return rules.length === 1 && rules[0] === expected;
      }),
    );
  },
);
