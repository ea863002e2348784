// Users, passwords and tokens: kept so that whoever reads the file gets in nowhere.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { hashPassword, isPassword } from './passwords.ts';
import { isWithin, RIGHTS_OF, rightsOf } from './rights.ts';
import { AccessStore } from './store.ts';
import { hashToken, makeToken } from './tokens.ts';

t.test('a password is known again, and kept so that nobody reads it', async (t) => {
  const stored = await hashPassword('na\u00efve words together');
  t.match(stored, /^scrypt:32768:8:1:/);
  t.notMatch(stored, /words/);
  t.not(await hashPassword('na\u00efve words together'), stored, 'each has a salt of its own');
  t.equal(await isPassword('na\u00efve words together', stored), true);
  t.equal(await isPassword('nai\u0308ve words together', stored), true, 'however it is typed');
  t.equal(await isPassword('naive words together', stored), false);
  t.equal(await isPassword('x'.repeat(300), stored), false);
  t.equal(await isPassword('anything', undefined), false);
  t.equal(await isPassword('anything', 'nonsense'), false);
});

t.test('a token has 256 random bits, and its hash is kept', async (t) => {
  const token = makeToken();
  t.match(token, /^grec_[\w-]{43}$/);
  t.match(hashToken(token), /^[0-9a-f]{64}$/);
  t.equal(hashToken('grec_short'), undefined);
});

t.test('a role and a scope give what both have', async (t) => {
  t.same([...rightsOf('auditor', null)], ['audit:read']);
  t.same([...rightsOf('agent', ['dns:write', 'calls:own'])], ['calls:own']);
  t.notOk(RIGHTS_OF.admin.includes('audit:read'), 'nobody watches themselves');
  t.ok(isWithin('/a/b', '/a') && isWithin('/a', '/a') && isWithin('/x', '/'));
  t.notOk(isWithin('/ab', '/a') || isWithin('/', '/a'));
});

t.test('the store keeps users, their DNs and tokens', async (t) => {
  const file = join(t.testdir(), 'state', 'web.db');
  const store = new AccessStore(file);
  t.teardown(() => store.close());
  t.equal(statSync(file).mode & 0o777, 0o600);
  const user = (name: string, place: string, dns: string[]) =>
    store.addUser({ name, role: 'agent', place, dns, password: undefined }, 1);
  user('ann', '/sales/north', ['7001', '7002']);
  user('bob', '/sales', ['7003']);
  user('cy', '/salesmen', ['7004']);
  t.throws(() => user('ann', '/', []), { code: 'USER_EXISTS' });
  t.same(store.dnsWithin('/sales'), ['7001', '7002', '7003']);
  t.same(store.dnsWithin('/'), ['7001', '7002', '7003', '7004']);
  t.same(store.dnsWithin('/sales/north'), ['7001', '7002']);
  t.same(store.user('ann')?.dns, ['7001', '7002']);
  t.equal(store.user('nobody'), undefined);
  const token = makeToken();
  const row = { id: 't1', user: 'ann', name: '', scopes: ['dns:read' as const], createdAt: 1, expiresAt: 2 };
  store.addToken(row, hashToken(token) ?? '');
  t.same(store.tokenOf(hashToken(token) ?? ''), row);
  t.throws(() => store.addToken({ ...row, id: 't2', user: 'nobody' }, 'x'), { code: 'USER_UNKNOWN' });
  t.notOk(readFileSync(file).includes(token.slice(5)), 'the token itself is nowhere');
  t.throws(() => store.removeToken('t9'), { code: 'TOKEN_UNKNOWN' });
  store.removeUser('ann');
  t.equal(store.tokenOf(hashToken(token) ?? ''), undefined, 'tokens go with their user');
  t.throws(() => store.removeUser('ann'), { code: 'USER_UNKNOWN' });
  t.throws(() => store.setPassword('ann', 'x'), { code: 'USER_UNKNOWN' });
});

t.test('a file that is another, or newer, is not touched', async (t) => {
  const directory = t.testdir({ other: 'this is no database, and longer than a hundred bytes'.repeat(9) });
  t.throws(() => new AccessStore(join(directory, 'other')), { code: 'STATE_UNUSABLE' });
  const newer = new Database(join(directory, 'newer.db'));
  newer.pragma('user_version = 99');
  newer.close();
  t.throws(() => new AccessStore(join(directory, 'newer.db')), {
    code: 'STATE_UNUSABLE',
    message: /schema 99/,
  });
});
