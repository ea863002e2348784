// Files of DNs: made whole or not at all, again without a change, and every mistake told with its line.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { grec } from './fixtures/state.ts';
import { withSwitch } from './fixtures/switch.ts';

const FILE = `
[[dn]]
number = "7001"
name = "Front desk"
password = "secret"
record = true
mandatory = true
recording-filename = "$date$-$ani$-$id$"

[[dn]]
number = "2201"
type = "agent-login"
record = false
retention = "one-year"

[[dn]]
number = "7900"
type = "routing-point"
`;

t.test('a file of DNs may be taken in again and again, and comes out as it went in', async (t) => {
  const { state, store } = await withSwitch(t);
  const file = join(state.directory, 'dns.toml');
  writeFileSync(file, FILE);
  t.equal(
    (await grec(state, ['dn', 'import', file, '--dry-run'])).out,
    '3 DNs, no mistake; nothing changed\n',
  );
  t.same(store.dns(), []);
  t.equal((await grec(state, ['dn', 'import', file])).out, '3 added, 0 changed, 0 unchanged\n');
  t.equal((await grec(state, ['dn', 'import', file])).out, '0 added, 0 changed, 3 unchanged\n');
  t.match(store.dn('7001'), { name: 'Front desk', record: true, ha1: /^[0-9a-f]{32}$/ });

  const exported = await grec(state, ['dn', 'export']);
  t.notMatch(exported.out, /secret|password =|ha1/);
  const again = await grec(state, ['dn', 'import', '-', '--json'], { stdin: exported.out });
  t.match(JSON.parse(again.out), { dns: 3, created: 0, changed: 0, unchanged: 3 });
  t.match(store.dn('7001'), { ha1: /./ }, 'a password that is not given stays');

  const less = await grec(state, ['dn', 'import', '-'], { stdin: '[[dn]]\nnumber = "7001"\n' });
  t.equal(less.out, '0 added, 1 changed, 0 unchanged\n');
  t.match(store.dn('7001'), { name: null, record: undefined }, 'what is left out is taken away');
  t.equal(store.dns().length, 3, 'the others stay');
});

t.test('export writes a file, and replaces none by accident', async (t) => {
  const { state } = await withSwitch(t);
  const file = join(state.directory, 'out.toml');
  await grec(state, ['dn', 'add', '7001', 'record=true']);
  t.match((await grec(state, ['dn', 'export', file])).out, `1 DNs written to ${file}`);
  t.match(readFileSync(file, 'utf8'), /\[\[dn\]\]\nnumber = "7001"\ntype = "extension"\nrecord = true\n/);
  t.equal((await grec(state, ['dn', 'export', file])).code, 5);
  t.equal((await grec(state, ['dn', 'export', file, '--force'])).code, 0);
});

t.test('every mistake has its line, and nothing is changed', async (t) => {
  const { state, store } = await withSwitch(t);
  const file = join(state.directory, 'bad.toml');
  writeFileSync(
    file,
    `[[dn]]
number = "7001"
record = "yes"
[[dn]]
number = "70 02"
colour = "red"
[[dn]]
number = "7001"
type = "trunk"
[[dn]]
number = "7900"
type = "routing-point"
record = true
[[dn]]
number = "2201"
type = "agent-login"
password = "x"
`,
  );
  const { code, err } = await grec(state, ['dn', 'import', file]);
  t.equal(code, 78);
  for (const said of [
    `${file}:3: dn[0].record: expected true or false`,
    `${file}:5: dn[1].number: expected a DN`,
    `${file}:6: dn[1].colour: unknown key`,
    `${file}:8: dn[2].number: another DN has this number`,
    `${file}:9: dn[2].type: expected one of "extension"`,
    `${file}:12: dn[3].type: a routing-point takes a name alone, and record is set`,
    `${file}:16: dn[4].type: no phone registers as an agent-login`,
  ])
    t.ok(err.includes(said), said);
  t.same(store.dns(), []);
  t.equal((await grec(state, ['dn', 'import', '/nonexistent'])).code, 2);
});

t.test('a thousand and more are made at once', async (t) => {
  const { state, store } = await withSwitch(t);
  const dns = Array.from(
    { length: 2500 },
    (_, index) => `[[dn]]\nnumber = "${10_000 + index}"\npassword = "p${index}"\n`,
  );
  const { out } = await grec(state, ['dn', 'import', '-'], { stdin: dns.join('') });
  t.equal(out, '2500 added, 0 changed, 0 unchanged\n');
  t.equal(store.dns().length, 2500);
});
