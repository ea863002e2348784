// A database of an earlier version is brought up to date, and loses nothing.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { DnStore } from './dn-store.ts';

t.test('version 1: DNs, hashes, registrations and open calls stay what they were', async (t) => {
  const file = join(t.testdir(), 'switch.db');
  const old = new Database(file);
  old.exec(`
    CREATE TABLE dn (number TEXT PRIMARY KEY, name TEXT, record INTEGER NOT NULL DEFAULT 0, ha1 TEXT, realm TEXT) STRICT;
    CREATE TABLE registration (
      number TEXT NOT NULL REFERENCES dn (number) ON DELETE CASCADE, contact TEXT NOT NULL, protocol TEXT NOT NULL,
      address TEXT NOT NULL, port INTEGER NOT NULL, expires_at INTEGER NOT NULL, call_id TEXT NOT NULL,
      cseq INTEGER NOT NULL, user_agent TEXT, PRIMARY KEY (number, contact)
    ) STRICT;
    CREATE TABLE open_call (call TEXT PRIMARY KEY, recording TEXT) STRICT;
    INSERT INTO dn VALUES ('7001', 'Ann', 1, 'ab', 'grec'), ('7002', NULL, 0, NULL, NULL);
    INSERT INTO registration VALUES ('7001', 'sip:7001@h', 'udp', '127.0.0.1', 5062, 2000, 'c', 1, NULL);
    INSERT INTO open_call VALUES ('x', 'r');
    PRAGMA user_version = 1;
  `);
  old.close();
  const store = new DnStore(file);
  t.teardown(() => store.close());
  t.same(store.dns(), [
    { number: '7001', type: 'extension', name: 'Ann', record: true, ha1: 'ab', realm: 'grec' },
    { number: '7002', type: 'extension', name: null, record: false, ha1: null, realm: null },
  ]);
  t.match(store.registrations('7001', 1000), [{ contact: 'sip:7001@h', path: null }]);
  t.same(store.openCalls(), [{ call: 'x', recording: 'r' }]);
  store.removeDn('7001');
  t.same(store.registrations('7001', 1000), [], 'a registration still goes with its DN');
});
