// `grec dn`: against the DNs of a switch.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { DnStore } from '../switch/dn-store.ts';
import { emptyState, grec } from './fixtures/state.ts';
import { withSwitch } from './fixtures/switch.ts';

/** A phone at a DN. */
function register(store: DnStore, number: string): void {
  const place = { protocol: 'udp', address: '127.0.0.1', port: 5062 } as const;
  const life = { expiresAt: Date.now() + 60_500, callId: 'c', cseq: 1 };
  const contact = `sip:${number}@127.0.0.1:5062`;
  store.replaceRegistrations(number, [{ number, contact, ...place, ...life, userAgent: 'Phone/1' }]);
}

t.test('add makes a password and shows it once', async (t) => {
  const { state, puts } = await withSwitch(t);
  const first = await grec(state, ['dn', 'add', '7001', 'record=true']);
  t.equal(first.code, 0);
  t.match(first.out, /^7001 added: recorded\npassword [A-Za-z0-9]{16}\n$/);
  t.match(first.out, String(puts[0]?.['password']));
  const again = await grec(state, ['dn', 'add', '7001', 'record=true']);
  t.strictSame({ code: again.code, out: again.out }, { code: 0, out: '7001 unchanged: recorded\n' });
  t.equal(puts.length, 1);
});

t.test('add of one that differs is refused, with the command that changes it', async (t) => {
  const { state, puts } = await withSwitch(t);
  await grec(state, ['dn', 'add', '7001']);
  const { code, err } = await grec(state, ['dn', 'add', '7001', 'record=true']);
  t.equal(code, 5);
  t.match(err, 'grec: 7001 exists already, with record=false');
  t.equal(
    (await grec(state, ['dn', 'add', '7001', 'record=false'])).code,
    0,
    'it is not recorded, by default',
  );
  t.match(err, `grec --config ${state.configFile} dn set 7001 record=true`);
  t.equal(puts.length, 1);
  const unnamed = await grec(state, ['dn', 'add', '7001', 'name=Alice B']);
  t.match(unnamed.err, 'grec: 7001 exists already, with no name\n');
  t.match(unnamed.err, "dn set 7001 'name=Alice B'");
  const kind = await grec(state, ['dn', 'add', '7001', 'mandatory=yes', '--type', 'acd-position']);
  t.match(kind.err, 'grec: 7001 exists already, as an extension with mandatory=false\n');
  t.match(kind.err, 'dn set 7001 --type acd-position mandatory=true');
});

t.test('a given password is sent and never shown', async (t) => {
  const { state, puts } = await withSwitch(t);
  const file = join(state.directory, 'password');
  writeFileSync(file, 'from file\r\nnot this\n');
  const results = [
    await grec(state, ['dn', 'add', '7001', '--password-stdin'], { stdin: 'from stdin\nnot this' }),
    await grec(state, ['dn', 'set', '7001', '--password-file', file, '--json']),
  ];
  t.strictSame(
    puts.map(({ password }) => password),
    ['from stdin', 'from file'],
  );
  for (const { code, out, err } of results) {
    t.equal(code, 0);
    t.notMatch(out + err, /from (stdin|file)/);
  }
});

t.test('set changes one that exists, and only such', async (t) => {
  const { state, store, puts } = await withSwitch(t);
  const unknown = await grec(state, ['dn', 'set', '7001', 'record=true']);
  t.strictSame([unknown.code, unknown.err.split('\n')[0]], [3, 'grec: there is no DN 7001']);
  await grec(state, ['dn', 'add', '7001']);
  const { code, out } = await grec(state, ['dn', 'set', '7001', 'record=yes', 'name=Front = desk']);
  t.strictSame([code, out], [0, '7001 changed: recorded, Front = desk\n']);
  t.strictSame(puts.at(-1), { create: false, settings: { record: true, name: 'Front = desk' } });
  await grec(state, ['dn', 'set', '7001', 'name=', 'record=']);
  t.match(store.dn('7001'), { name: null, record: undefined }, 'an empty word takes a setting away');
  const words = [
    'record-consult-calls=off',
    'mandatory=on',
    'recording-filename=$ani$_$id$',
    'retention=year',
  ];
  t.equal((await grec(state, ['dn', 'set', '7001', ...words, 'anchor=always', 'srtp=require'])).code, 0);
  t.match(store.dn('7001'), {
    'record-consult-calls': false,
    mandatory: true,
    'recording-filename': '$ani$_$id$',
    retention: 'year',
    anchor: 'always',
    srtp: 'require',
  });
  const renewed = await grec(state, ['dn', 'set', '7001', '--new-password', '--json']);
  t.equal(JSON.parse(renewed.out).password, puts.at(-1)?.['password']);
});

t.test('list and show', async (t) => {
  const { state, store } = await withSwitch(t);
  const none = await grec(state, ['dn', 'list']);
  t.strictSame([none.code, none.out], [0, '']);
  t.match(none.err, 'dn add 7001 record=true');
  await grec(state, ['dn', 'add', '7001', 'name=Ann', 'record=true']);
  await grec(state, ['dn', 'add', '7002', '--type', 'acd-position']);
  await grec(state, ['dn', 'add', '2201', '--type', 'agent-login', 'name=Bea', 'record=true']);
  const point = await grec(state, ['dn', 'add', '7900', '--type', 'routing-point']);
  t.equal(point.out, '7900 added: routing-point\n', 'no phone, no password');
  register(store, '7001');
  t.equal((await grec(state, ['agent', 'login', '2201', '--dn', '7002'])).code, 0);
  t.equal(
    (await grec(state, ['dn', 'list'])).out,
    [
      'NUMBER  TYPE           RECORD  CALLS  AGENT  REACHED AT          NAME',
      '2201    agent-login    yes         0  -      DN 7002             Bea',
      '7001    extension      yes         0  -      udp:127.0.0.1:5062  Ann',
      '7002    acd-position   yes         0  2201   -',
      '7900    routing-point  -           0  -      -',
      '',
    ].join('\n'),
  );
  const show = async (number: string) => (await grec(state, ['dn', 'show', number])).out;
  t.match(await show('7001'), 'Phone/1, for another 60 s');
  t.match(await show('7001'), /record +yes, every call\n.*record-consult-calls +yes \(by default\)\n/);
  t.match(await show('7002'), /record +yes, every call \(with agent 2201 logged in\)/);
  t.match(await show('7002'), /registered +no/);
  t.match(await show('2201'), /logged in +on DN 7002/);
  t.match(await show('7900'), /calls to it +as the routing strategy says/);
  t.match(JSON.parse((await grec(state, ['dn', 'show', '7002', '--json'])).out), {
    number: '7002',
    type: 'acd-position',
    record: true,
    settings: { record: null },
    agent: '2201',
    hasPassword: true,
  });
  t.equal((await grec(state, ['dn', 'show', '9'])).code, 3);
});

t.test('rm may be repeated', async (t) => {
  const { state } = await withSwitch(t);
  await grec(state, ['dn', 'add', '7001']);
  t.strictSame((await grec(state, ['dn', 'rm', '7001'])).out, '7001 removed\n');
  const again = await grec(state, ['dn', 'rm', '7001']);
  t.strictSame([again.code, again.out], [0, '7001 does not exist, nothing to remove\n']);
  t.strictSame(JSON.parse((await grec(state, ['dn', 'rm', '7001', '--json'])).out), {
    number: '7001',
    removed: false,
  });
});

t.test('mistakes are found before the switch is asked', async (t) => {
  const { state, puts } = await withSwitch(t);
  for (const [argv, said] of [
    [['add', '7001', 'record=maybe'], 'expected record=true or record=false'],
    [['add', '7001', 'colour=red'], 'no setting of a DN'],
    [['add', '7001', 'record'], 'no setting of a DN'],
    [['add', '7001', 'password=secret'], 'seen by others'],
    [['add', '7001', 'mandatory=perhaps'], 'expected mandatory=true or mandatory=false'],
    [['add', '7001', 'recording-filename=../$id$'], 'without directories'],
    [['add', '7001', 'recording-filename=$who$'], '$who$ is no variable'],
    [['add', '7001', 'retention=7 years'], 'the name of a retention class'],
    [['add', '7001', 'anchor=never'], 'expected one of "recording", "always"'],
    [['add', '7001', 'srtp=on'], 'expected one of "pass", "off", "offer", "require"'],
    [['add', '7001', '--type', 'trunk'], 'Allowed choices are extension'],
    [['add', '7001', '--password-stdin'], 'the password is empty'],
    [['add', '7001', '--password-file', '/nonexistent'], 'cannot read the password file'],
    [['add', '7001', '--password-stdin', '--password-file', 'x'], 'give one of'],
    [['set', '7001'], 'nothing to set on 7001'],
    [['add'], "missing required argument 'number'"],
  ] as const) {
    const { code, err } = await grec(state, ['dn', ...argv]);
    t.equal(code, 2, argv.join(' '));
    t.ok(err.includes(said), err);
  }
  t.equal(puts.length, 0);
});

t.test('what no kind of DN can have is refused by the switch', async (t) => {
  const { state, store } = await withSwitch(t);
  for (const [argv, said] of [
    [['add', '7900', '--type', 'routing-point', 'record=true'], 'takes a name alone'],
    [['add', '2201', '--type', 'agent-login', '--password-stdin'], 'it takes no password'],
    [['add', 'no number'], 'cannot be a DN'],
  ] as const) {
    const { code, err } = await grec(state, ['dn', ...argv], { stdin: 'secret\n' });
    t.equal(code, 2, argv.join(' '));
    t.ok(err.includes(said), err);
  }
  t.same(store.dns(), []);
});

t.test('without a switch: status 4 and what to do', async (t) => {
  const { code, err } = await grec(emptyState(t), ['dn', 'list']);
  t.equal(code, 4);
  t.match(err, /^grec: grec-sipd is not running.*\n {2}start it: `grec --config \S+ up`/);
});
