// The switch's database: DNs, contacts, open calls.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { DnStore, type Registration } from './dn-store.ts';

const root = t;
const open = (t: Pick<typeof root, 'testdir' | 'teardown'>) => {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  return store;
};

const alice = {
  number: '7001',
  type: 'extension' as const,
  name: 'Alice',
  record: true,
  ha1: 'ab',
  realm: 'grec',
};
const contact = (changes: Partial<Registration> = {}): Registration => ({
  number: '7001',
  contact: 'sip:7001@127.0.0.1:5070',
  protocol: 'udp',
  address: '127.0.0.1',
  port: 5070,
  expiresAt: 2000,
  callId: 'c1',
  cseq: 1,
  userAgent: null,
  path: null,
  ...changes,
});

t.test('a DN is kept, changed and removed', async (t) => {
  const store = open(t);
  store.saveDn(alice);
  t.same(store.dn('7001'), alice);
  store.saveDn({ ...alice, record: false });
  t.same(store.dns(), [{ ...alice, record: false }]);
  t.equal(store.removeDn('7001'), true);
  t.equal(store.removeDn('7001'), false);
  t.equal(store.dn('7001'), undefined);
});

t.test('every setting is kept, and so is that nothing is said', async (t) => {
  const store = open(t);
  const bare = { number: '7002', type: 'acd-position', name: null, ha1: null, realm: null } as const;
  const full = {
    ...alice,
    record: false,
    'record-consult-calls': false,
    mandatory: true,
    'recording-filename': '$id$',
    retention: 'year',
    anchor: 'always',
  } as const;
  store.saveDns([full, bare]);
  t.strictSame(store.dns(), [full, bare]);
});

t.test('agents stay logged in over a restart: one agent on one DN, one DN for one agent', async (t) => {
  const file = join(t.testdir(), 'switch.db');
  const first = new DnStore(file);
  for (const number of ['7001', '7002', '2201', '2202']) first.saveDn({ ...alice, number });
  first.logins.logIn({ agent: '2201', dn: '7001', since: 1 });
  first.logins.logIn({ agent: '2202', dn: '7002', since: 2 });
  first.logins.logIn({ agent: '2202', dn: '7001', since: 3 });
  t.same(first.logins.all(), [{ agent: '2202', dn: '7001', since: 3 }]);
  first.close();
  const second = new DnStore(file);
  t.teardown(() => second.close());
  t.same(second.logins.ofAgent('2202'), { agent: '2202', dn: '7001', since: 3 });
  t.same(second.logins.at('7001'), { agent: '2202', dn: '7001', since: 3 });
  t.equal(second.logins.at('7002'), undefined);
  second.removeDn('7001');
  t.same(second.logins.all(), []);
});

t.test('contacts live until they expire, the freshest first, and go with their DN', async (t) => {
  const store = open(t);
  store.saveDn(alice);
  store.replaceRegistrations('7001', [
    contact({ contact: 'sip:fresh@127.0.0.1' }),
    contact({ expiresAt: 3000 }),
  ]);
  t.same(
    store.registrations('7001', 1000).map((one) => one.contact),
    ['sip:fresh@127.0.0.1', 'sip:7001@127.0.0.1:5070'],
  );
  t.equal(store.registrations('7001', 2500).length, 1);
  t.equal(store.registeredCount(1000), 1);
  store.removeDn('7001');
  t.same(store.registrations('7001', 1000), []);
});

t.test('open calls outlive a life', async (t) => {
  const file = join(t.testdir(), 'switch.db');
  const first = new DnStore(file);
  first.noteOpenCall({ call: 'x', recording: 'r' });
  first.noteOpenCall({ call: 'y', recording: null });
  first.forgetOpenCall('y');
  first.close();
  const second = new DnStore(file);
  t.same(second.openCalls(), [{ call: 'x', recording: 'r' }]);
  second.close();
});

t.test('what is not a database is refused with its name', async (t) => {
  const file = join(t.testdir(), 'switch.db');
  writeFileSync(file, 'this is not a database, though long enough to look like one'.repeat(100));
  t.throws(() => new DnStore(file), { code: 'STATE_UNUSABLE', message: /switch\.db/ });
});

t.test('a database of a later grec is left alone', async (t) => {
  const file = join(t.testdir(), 'switch.db');
  const later = new Database(file);
  later.pragma('user_version = 99');
  later.close();
  t.throws(() => new DnStore(file), { code: 'STATE_UNUSABLE', message: /version 99/ });
});

t.test('a database that takes nothing refuses neither calls nor phones', async (t) => {
  const file = join(t.testdir(), 'switch.db');
  const told: (string | undefined)[] = [];
  const store = new DnStore(file, (reason) => told.push(reason));
  store.saveDn(alice);
  store.noteOpenCall({ call: 'earlier', recording: null });
  const other = new Database(file);
  other.exec('BEGIN IMMEDIATE');
  store.noteOpenCall({ call: 'short', recording: null });
  store.forgetOpenCall('short');
  store.noteOpenCall({ call: 'up', recording: 'r' });
  store.forgetOpenCall('earlier');
  store.replaceRegistrations('7001', [contact()]);
  t.same(store.registrations('7001', 1000), [contact()], 'the phone can be called');
  t.same(store.registrations('7001', 3000), [], 'until it expires');
  t.same(told, ['database is locked'], 'told once');
  other.exec('ROLLBACK');
  store.close();
  t.same(other.prepare('SELECT * FROM open_call').all(), [{ call: 'up', recording: 'r' }]);
  t.equal(other.prepare('SELECT * FROM registration').all().length, 1);
  other.close();
});

t.test('what was asked before is asked again after each change', async (t) => {
  const store = open(t);
  t.equal(store.dn('7001'), undefined);
  store.saveDn(alice);
  t.same(store.dn('7001'), alice, 'a DN that was not there before');
  t.same(store.registrations('7001', 1000), []);
  store.replaceRegistrations('7001', [contact()]);
  t.same(store.registrations('7001', 1000), [contact()]);
  t.same(store.registrations('7001', 2000), [], 'expired since');
  store.replaceRegistrations('7001', [contact({ contact: 'sip:other@127.0.0.1' })]);
  t.same(store.registrations('7001', 1000), [contact({ contact: 'sip:other@127.0.0.1' })]);
  store.saveDn({ ...alice, name: 'Alicia' });
  t.equal(store.dn('7001')?.name, 'Alicia');
  store.removeDn('7001');
  t.equal(store.dn('7001'), undefined);
  store.replaceRegistrations('7001', [contact()]);
  t.same(store.registrations('7001', 1000), [], 'nobody registers as a DN that is gone');
});

t.test(
  'of a call that is kept elsewhere nothing is written, unless it is recorded or has been written',
  async (t) => {
    const file = join(t.testdir(), 'switch.db');
    const first = new DnStore(file);
    first.noteOpenCall({ call: 'answered', recording: null });
    first.noteKept('answered');
    first.noteOpenCall({ call: 'recorded', recording: 'r' });
    first.noteKept('recorded');
    first.noteOpenCall({ call: 'rings', recording: null });
    first.close();
    const second = new DnStore(file);
    t.same(
      second
        .openCalls()
        .map(({ call }) => call)
        .toSorted(),
      ['recorded', 'rings'],
    );
    for (const call of ['answered', 'recorded', 'rings']) {
      second.noteKept(call);
      second.forgetOpenCall(call);
    }
    second.close();
    const third = new DnStore(file);
    t.same(third.openCalls(), []);
    third.close();
  },
);
