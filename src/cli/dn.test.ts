// `grec dn`: against a switch that keeps its DNs in memory.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig } from '../config.ts';
import { type ControlRoutes, serveControl, socketOf } from '../control.ts';
import { GrecError } from '../errors.ts';
import { emptyState, grec, type State } from './fixtures/state.ts';

interface Put {
  create: boolean;
  password?: string;
  settings: { record?: boolean; name?: string | null };
}

/** A state directory with a switch at its control socket; `puts` are the bodies it got. */
async function withSwitch(t: Test): Promise<{ state: State; puts: Put[] }> {
  const state = emptyState(t);
  const puts: Put[] = [];
  const config = loadConfig({ file: state.configFile });
  const server = await serveControl(socketOf(config, 'grec-sipd'), switchRoutes(puts));
  t.teardown(() => server.close());
  return { state, puts };
}

function switchRoutes(puts: Put[]): ControlRoutes {
  const dns = new Map<string, { record: boolean; name: string | null; password: string | undefined }>();
  const show = (number: string) => {
    const dn = dns.get(number);
    if (dn === undefined)
      throw new GrecError('DN_UNKNOWN', `there is no DN ${number}`, { hint: 'grec dn list' });
    const { record, name, password } = dn;
    const registration = {
      contact: 'sip:x',
      transport: 'UDP',
      address: '127.0.0.1:5062',
      expiresInS: 60,
      userAgent: 'Phone/1',
    };
    return {
      number,
      record,
      name,
      hasPassword: password !== undefined,
      registrations: name === null ? [] : [registration],
      calls: 0,
    };
  };
  return {
    'GET /dns': () => ({ dns: [...dns.keys()].map(show) }),
    'GET /dns/:number': ({ params }) => show(params['number'] ?? ''),
    'PUT /dns/:number': ({ params, body }) => {
      const number = params['number'] ?? '';
      const put = body as Put;
      puts.push(put);
      const before = dns.get(number);
      if (before === undefined && !put.create) show(number);
      const after = { record: false, name: null, password: undefined, ...before, ...put.settings };
      dns.set(number, { ...after, password: put.password ?? after.password });
      return { dn: show(number), created: before === undefined, changed: true };
    },
    'DELETE /dns/:number': ({ params }) => ({ removed: dns.delete(params['number'] ?? '') }),
  };
}

t.test('add makes a password and shows it once', async (t) => {
  const { state, puts } = await withSwitch(t);
  const first = await grec(state, ['dn', 'add', '7001', 'record=true']);
  t.equal(first.code, 0);
  t.match(first.out, /^7001 added: recorded\npassword [A-Za-z0-9]{16}\n$/);
  t.match(first.out, puts[0]?.password ?? 'none');
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
  t.match(err, `grec --config ${state.configFile} dn set 7001 record=true`);
  t.equal(puts.length, 1);
  const unnamed = await grec(state, ['dn', 'add', '7001', 'name=Alice B']);
  t.match(unnamed.err, 'grec: 7001 exists already, with no name\n');
  t.match(unnamed.err, "dn set 7001 'name=Alice B'");
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
  const { state, puts } = await withSwitch(t);
  const unknown = await grec(state, ['dn', 'set', '7001', 'record=true']);
  t.strictSame([unknown.code, unknown.err], [3, 'grec: there is no DN 7001\n  grec dn list\n']);
  await grec(state, ['dn', 'add', '7001']);
  const { code, out } = await grec(state, ['dn', 'set', '7001', 'record=yes', 'name=Front = desk']);
  t.strictSame([code, out], [0, '7001 changed: recorded, Front = desk\n']);
  t.strictSame(puts.at(-1), { create: false, settings: { record: true, name: 'Front = desk' } });
  await grec(state, ['dn', 'set', '7001', 'name=']);
  t.strictSame(puts.at(-1)?.settings, { name: null }, 'an empty name takes it away');
  const renewed = await grec(state, ['dn', 'set', '7001', '--new-password', '--json']);
  t.equal(JSON.parse(renewed.out).password, puts.at(-1)?.password);
});

t.test('list and show', async (t) => {
  const { state } = await withSwitch(t);
  const none = await grec(state, ['dn', 'list']);
  t.strictSame([none.code, none.out], [0, '']);
  t.match(none.err, 'dn add 7001 record=true');
  await grec(state, ['dn', 'add', '7001', 'name=Ann', 'record=true']);
  await grec(state, ['dn', 'add', '7002']);
  const list = await grec(state, ['dn', 'list']);
  t.equal(
    list.out,
    [
      'NUMBER  RECORD  CALLS  REGISTERED AT       NAME',
      '7001    yes         0  udp:127.0.0.1:5062  Ann',
      '7002    no          0  -',
      '',
    ].join('\n'),
  );
  t.match(
    (await grec(state, ['dn', 'show', '7001'])).out,
    'registered  udp:127.0.0.1:5062, Phone/1, for another 60 s',
  );
  t.match((await grec(state, ['dn', 'show', '7002'])).out, 'registered  no');
  t.match(JSON.parse((await grec(state, ['dn', 'list', '--json'])).out), [
    { number: '7001' },
    { number: '7002' },
  ]);
  t.match(JSON.parse((await grec(state, ['dn', 'show', '7001', '--json'])).out), {
    number: '7001',
    name: 'Ann',
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
    [['add', '7001', '--password-stdin'], 'the password is empty'],
    [['add', '7001', '--password-file', '/nonexistent'], 'cannot read the password file'],
    [['add', '7001', '--password-stdin', '--password-file', 'x'], 'give one of'],
    [['set', '7001'], 'nothing to set on 7001'],
    [['add'], "missing required argument 'number'"],
  ] as const) {
    const { code, err } = await grec(state, ['dn', ...argv]);
    t.equal(code, 2, argv.join(' '));
    t.match(err, said);
  }
  t.equal(puts.length, 0);
});

t.test('without a switch: status 4 and what to do', async (t) => {
  const { code, err } = await grec(emptyState(t), ['dn', 'list']);
  t.equal(code, 4);
  t.match(err, /^grec: grec-sipd is not running.*\n {2}start it: `grec --config \S+ up`/);
});
