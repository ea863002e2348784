// `grec user` and `grec token`: who may use Web Services, made by the operator, and noted before it is done.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isPassword } from '../web/access/passwords.ts';
import { AccessStore } from '../web/access/store.ts';
import { hashToken } from '../web/access/tokens.ts';
import { emptyState, grec, type State } from './fixtures/state.ts';

const PASSWORD = 'words that fit together';

function noted(state: State): { what: string; details: Record<string, unknown> }[] {
  const directory = join(state.directory, 'state', 'audit');
  const files = readdirSync(directory).filter((name) => name.endsWith('.jsonl'));
  const lines = files.flatMap((file) => readFileSync(join(directory, file), 'utf8').trim().split('\n'));
  return lines.map((line) => JSON.parse(line));
}

t.test('users are made, listed, given passwords and removed, with nothing running', async (t) => {
  const state = emptyState(t);
  const add = await grec(state, ['user', 'add', 'root', '--role', 'admin', '--password-stdin'], {
    stdin: PASSWORD,
  });
  t.match(add, { code: 0, out: 'root added: admin\n' });
  const more = ['--dn', '7001', '--dn', '2201', '--place', '/sales/north', '--json'];
  const json = await grec(state, ['user', 'add', 'bea', '--role', 'agent', ...more]);
  t.match(JSON.parse(json.out), {
    name: 'bea',
    dns: ['2201', '7001'],
    place: '/sales/north',
    hasPassword: false,
  });
  t.match((await grec(state, ['user'])).out, /bea +agent +\/sales\/north +2201 7001 +no/);
  const passwd = await grec(state, ['user', 'passwd', 'bea', '--password-stdin'], { stdin: `${PASSWORD}!` });
  t.equal(passwd.code, 0);
  const store = new AccessStore(join(state.directory, 'state', 'web.db'));
  t.teardown(() => store.close());
  t.equal(await isPassword(`${PASSWORD}!`, store.passwordOf('bea')), true);
  t.equal((await grec(state, ['user', 'rm', 'bea'])).code, 0);
  t.equal(store.user('bea'), undefined);
  t.same(
    noted(state).map(({ what, details }) => [what, details['action'], details['name']]),
    [
      ['user', 'add', 'root'],
      ['user', 'add', 'bea'],
      ['user', 'passwd', 'bea'],
      ['user', 'rm', 'bea'],
    ],
  );
  t.notMatch(JSON.stringify(noted(state)), /words/);
});

t.test('a token is shown once, has the scopes that its user may, and ends', async (t) => {
  const state = emptyState(t);
  await grec(state, ['user', 'add', 'bea', '--role', 'agent']);
  const made = await grec(state, [
    'token',
    'add',
    'bea',
    '--scope',
    'dns:read',
    '--days',
    '7',
    '--name',
    'report',
  ]);
  t.match(made.out, /^grec_[\w-]{43}\n$/);
  const store = new AccessStore(join(state.directory, 'state', 'web.db'));
  t.teardown(() => store.close());
  const token = store.tokenOf(hashToken(made.out.trim()) ?? '');
  t.match(token, { user: 'bea', scopes: ['dns:read'], name: 'report' });
  t.equal((token?.expiresAt ?? 0) - (token?.createdAt ?? 0), 7 * 86_400_000);
  const listed = await grec(state, ['token', 'ls', '--user', 'bea', '--json']);
  t.match(JSON.parse(listed.out), [{ id: token?.id, scopes: ['dns:read'] }]);
  t.notMatch(listed.out, /hash|grec_/);
  t.notMatch(JSON.stringify(noted(state)), /grec_/);
  t.equal((await grec(state, ['token', 'rm', String(token?.id)])).code, 0);
  t.match(await grec(state, ['token', 'rm', String(token?.id)]), { code: 3, err: /there is no token/ });
});

t.test('what is not acceptable is said, and nothing is made', async (t) => {
  const state = emptyState(t);
  const wrong: [string[], RegExp][] = [
    [['user', 'add', 'Ann', '--role', 'agent'], /cannot be a user/],
    [['user', 'add', '../x', '--role', 'agent'], /cannot be a user/],
    [['user', 'add', 'ann'], /--role/],
    [['user', 'add', 'ann', '--role', 'king'], /none of agent/],
    [['user', 'add', 'ann', '--role', 'agent', '--place', 'sales'], /--place/],
    [['user', 'add', 'ann', '--role', 'agent', '--place', '/a//b'], /--place/],
    [['user', 'add', 'ann', '--role', 'agent', '--dn', '7 1'], /--dn/],
    [['user', 'add', 'ann', '--role', 'agent', '--password-stdin'], /12 to 256/],
    [['user', 'passwd', 'ann'], /where the password comes from/],
  ];
  for (const [argv, message] of wrong)
    t.match(await grec(state, argv, { stdin: 'short' }), { code: 2, err: message }, argv.join(' '));
  t.match(await grec(state, ['token', 'add', 'ann']), { code: 3, err: /no user "ann"/ });
  t.match(await grec(state, ['user', 'rm', 'ann']), { code: 3 });
  await grec(state, ['user', 'add', 'ann', '--role', 'agent']);
  t.match(await grec(state, ['user', 'add', 'ann', '--role', 'admin']), { code: 5, err: /already/ });
  t.match(await grec(state, ['token', 'add', 'ann', '--scope', 'dns:write']), {
    code: 2,
    err: /nothing that the user may/,
  });
  t.match(await grec(state, ['token', 'add', 'ann', '--days', '0']), { code: 2 });
  t.match((await grec(state, ['user', 'ls', '--json'])).out, /"role": "agent"/);
});

t.test('what cannot be noted is not done', async (t) => {
  const state = emptyState(t);
  const audit = join(state.directory, 'state', 'audit');
  rmSync(audit, { recursive: true, force: true });
  mkdirSync(join(state.directory, 'state'), { recursive: true });
  writeFileSync(audit, 'no directory');
  t.match(await grec(state, ['user', 'add', 'ann', '--role', 'agent']), { code: 1, err: /audit/ });
  t.same(JSON.parse((await grec(state, ['user', 'ls', '--json'])).out), []);
});
