// Strategy files: every mistake with its line, all at once; answers in JSON by the same rules.
import fc from 'fast-check';
import t from 'tap';
import { checkStrategy, parseStrategy, readAnswer } from './read.ts';

/** The mistakes of a text as `LINE KEY: MESSAGE`. */
function problems(toml: string, trunks?: string[]): string[] {
  return checkStrategy(toml, trunks).problems.map(({ line, key, message }) => `${line} ${key}: ${message}`);
}

/** The mistakes of one rule, without line and rule. */
function inRule(toml: string, trunks?: string[]): string[] {
  return problems(`[[rule]]\nname = "r"\n${toml}`, trunks).map((problem) =>
    problem.replace(/^\d+ rule\[0\]\.?/, ''),
  );
}

t.test('every mistake at once, in the order of the file', async (t) => {
  t.strictSame(
    problems(`time-zone = "Europe/Bielefeld"
tme-zone = "UTC"
[[rule]]
name = "one"
match.from = "7000-70999"
match.form = "7000"
match.days = ["mon", "someday"]
match.hours = "9-17"
match.percent = 101
record = "both"
[[rule]]
[rule.match]
to = 7001
[rule.match.headers]
X-Queue = 3
[[rule]]
name = "one"
route = { dn = "7 1", ring = "loud" }
[default]
reject.code = 200
[[routing-point]]
[[routing-point.rule]]
name = ""
`),
    [
      '1 time-zone: expected a time zone of the IANA data base, such as "Europe/Berlin"; found "Europe/Bielefeld"',
      '2 tme-zone: unknown key; accepted here: time-zone, external, default, rule, routing-point',
      '5 rule[0].match.from: expected a range whose ends have the same length, such as "7000-7099"; before a "-" that is part of the number put \\; found "7000-70999"',
      '6 rule[0].match.form: unknown key; accepted here: from, to, dn, trunk, headers, days, hours, time-zone, percent',
      '7 rule[0].match.days[1]: expected days, such as "mon-fri" or "sun"; found "someday"',
      '8 rule[0].match.hours: expected hours, such as "09:00-17:30" or "22:00-06:00"; found "9-17"',
      '9 rule[0].match.percent: expected a number from 0 to 100; found 101',
      '10 rule[0].record: expected one of "source", "destination", "disable_source", "disable_destination"; found "both"',
      '11 rule[1].name: missing; it has no default',
      '13 rule[1].match.to: expected a pattern of numbers, or a list of them; found 7001',
      '15 rule[1].match.headers.X-Queue: expected a pattern, or a list of them; found 3',
      '17 rule[2].name: another rule has this name: one',
      '18 rule[2].route.dn: expected a DN: 1 to 32 of digits, letters and + * # _ . -; found "7 1"',
      '18 rule[2].route.ring: expected one of "in-order", "together"; found "loud"',
      '20 default.reject.code: expected a status code from 400 to 699; found 200',
      '21 routing-point[0].number: missing; it has no default',
      '23 routing-point[0].rule[0].name: expected a name, not an empty string',
    ],
  );
});

t.test('actions that exclude each other', async (t) => {
  t.match(inRule('route.dn = "1"\nreject.code = 486'), [
    'reject: expected one of route, reject and external; found route and reject',
  ]);
  t.match(inRule('route = {}'), ['route: expected one of dn, trunk and routing-point; found none']);
  t.match(inRule('route = { dn = "1", trunk = "t" }'), [/found dn and trunk/]);
  t.match(inRule('route = { dn = "1", ring = "together" }'), [
    /route.ring: it has a meaning only with several DNs/,
  ]);
  t.match(inRule('route = { dn = ["1", "2"], ring = "together", ring-time = 5 }'), [/ring-time: .*in order/]);
  t.match(inRule('route.dn = ["1", "1"]'), ['route.dn: expected each DN once']);
  t.match(inRule('route.dn = []'), [/not an empty list/]);
  t.match(inRule('match = { dn = "1", trunk = "t" }'), [/never from both/]);
  t.match(inRule('reject.code = 401'), [/401 and 407 excepted/]);
  t.match(inRule('external = true'), ['external: there is no [external] to ask']);
  t.strictSame(inRule('external = false\nroute.dn = "1"'), []);
});

t.test('references to nothing', async (t) => {
  t.match(inRule('route.routing-point = "79"'), ['route.routing-point: there is no [[routing-point]] 79']);
  t.match(inRule('route.trunk = "x"', ['carrier']), [
    'route.trunk: there is no [[trunk]] x; there is: carrier',
  ]);
  t.match(inRule('route.trunk = "x"', []), [/there is: none/]);
  t.strictSame(inRule('route.trunk = "x"'), [], 'not known, not judged');
  t.match(problems('[[rule]]\nname = "default"'), [/expected another name/]);
});

t.test('attached data', async (t) => {
  t.strictSame(inRule('attach = { a = "1", "b.c" = "" }'), []);
  t.match(inRule('attach = { a = 1 }'), [/attach.a: expected a string of 1024/]);
  t.match(inRule('attach = { "a b" = "1" }'), [/expected a key of 1 to 64/]);
  t.match(inRule('attach = { a = "\\n" }'), [/printable/]);
  t.match(inRule('attach = "x"'), [/attach: expected a table/]);
});

t.test('routing points that lead in a circle', async (t) => {
  const point = (number: string, next: string) =>
    `[[routing-point]]\nnumber = "${number}"\n[[routing-point.rule]]\nname = "n${number}"\nroute.routing-point = "${next}"\n`;
  t.match(problems(point('1', '2') + point('2', '1')), [
    '5 routing-point[0].rule[0].route.routing-point: it leads in a circle',
    '10 routing-point[1].rule[0].route.routing-point: it leads in a circle',
  ]);
  t.match(problems(point('1', '1')), [/leads in a circle/]);
  t.match(problems(point('1', '2') + point('1', '2')), [
    /no \[\[routing-point\]\] 2, and no \[\[rule\]\] whose match.to fits it/,
    /another routing point/,
    /no/,
  ]);
});

const EXTERNAL = '[external]\nurl = "http://127.0.0.1:1/"\nfallback = "plain"\n';
const ASK = '[[rule]]\nname = "ask"\nexternal = true\n';
const PLAIN = '[[rule]]\nname = "plain"\n';

t.test('an external strategy', async (t) => {
  const { external } = parseStrategy(EXTERNAL + ASK + PLAIN, 'f');
  t.match(external, { url: 'http://127.0.0.1:1/', timeoutMs: 1000, fallback: { name: 'plain' } });
  t.match(problems(EXTERNAL + PLAIN), [/^1 external: nothing asks it/]);
  t.match(problems(EXTERNAL + ASK), ['3 external.fallback: there is no rule "plain"']);
  t.match(problems(EXTERNAL.replace('plain', 'ask') + ASK), [/leads back to the external strategy/]);
  const point = '[[routing-point]]\nnumber = "9"\n[[routing-point.rule]]\nname = "again"\nexternal = true\n';
  t.match(problems(`${EXTERNAL}${PLAIN}route.routing-point = "9"\n${point}`), [/leads back/]);
  for (const url of ['ftp://127.0.0.1/', '127.0.0.1', 'http://user:secret@127.0.0.1/']) {
    const [first, ...others] = problems(EXTERNAL.replace('http://127.0.0.1:1/', url) + ASK + PLAIN);
    t.match(first, /^2 external.url: expected a URL/, url);
    t.strictSame(others, []);
  }
});

t.test('parseStrategy throws all of it', async (t) => {
  t.throws(() => parseStrategy('x = 1\ny = 2', 's.toml'), {
    code: 'CONFIG_INVALID',
    message: /^s\.toml:1: x: .*\ns\.toml:2: y: .*$/,
    hint: /grec-strategy/,
  });
});

t.test('answers of an external strategy', async (t) => {
  const strategy = parseStrategy('[[routing-point]]\nnumber = "79"\nrule = []', 'f');
  const read = (json: unknown) => readAnswer(json, strategy, ['carrier']);
  t.match(read({}), { actions: {} });
  t.match(read({ route: { dn: '7001' }, record: 'source', attach: { a: 'b' } }), {
    actions: { route: { dn: ['7001'], ring: 'in-order' }, record: 'source', attach: { a: 'b' } },
  });
  t.match(read({ route: { 'routing-point': '79' } }), { actions: {} });
  t.match(read(null), { problem: /the answer: expected a table/ });
  t.match(read([]), { problem: /the answer/ });
  t.match(read({ external: true }), { problem: /external/ });
  t.match(read({ route: { trunk: 'x' }, record: 1 }), { problem: /record: .*; route.trunk: there is no/ });
  t.match(read({ route: { 'routing-point': '80' } }), { problem: /there is no \[\[routing-point\]\] 80/ });
});

t.test('no text upsets it', async () => {
  const word = fc.constantFrom(
    '[[rule]]\n',
    '[[routing-point]]\n',
    '[[routing-point.rule]]\n',
    '[rule.match]\n',
    '[external]\n',
    '[default]\n',
    'name = "a"\n',
    'name = 1\n',
    'number = "7"\n',
    'external = true\n',
    'fallback = "a"\n',
    'match = 3\n',
    'rule = 3\n',
    'route = { routing-point = "7" }\n',
    'route.dn = []\n',
    '__proto__ = 1\n',
    'attach.constructor = "x"\n',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      const { strategy, problems } = checkStrategy(words.join(''));
      return (strategy === undefined) === problems.length > 0;
    }),
    { numRuns: 500 },
  );
});

t.test('no answer upsets it', async () => {
  const strategy = parseStrategy('', 'f');
  const key = fc.constantFrom('route', 'record', 'attach', 'reject', 'dn', 'trunk', 'code', '__proto__', 'x');
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<unknown>(null, 1, '', '7001', 'source', true),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    ),
  })).value;
  fc.assert(
    fc.property(json, (value) => {
      const answer = readAnswer(value, strategy, []);
      return 'actions' in answer || answer.problem.length > 0;
    }),
  );
});
