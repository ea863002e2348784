// The catalog: rows put in are found again, one alarm for each cause, clear errors for a file that cannot be used.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import type { JournalEvent } from '../spool/events.ts';
import { openCatalog, openCatalogReader } from './catalog.ts';
import type { RecordingRow } from './rows.ts';

const row = (change: Partial<RecordingRow> = {}): RecordingRow => ({
  id: '019aa000-0000-7000-8000-00001a2b3c4d',
  sessionId: null,
  state: 'complete',
  reason: null,
  direction: 'internal',
  startTime: 1000,
  duration: 30_000,
  caller: '7002',
  callee: '7001',
  dn: '7001',
  path: '2026/01/31/019aa000-0000-7000-8000-00001a2b3c4d',
  size: 44,
  retention: 'years',
  ...change,
});
const OTHER = '019aa111-0000-7000-8000-0000feedbeef';

t.test('a row comes back as it was, and is replaced by its id', async (t) => {
  const path = join(t.testdir(), 'catalog.db');
  const catalog = openCatalog(path);
  t.teardown(() => catalog.close());
  catalog.putRecording(row({ state: 'failed', path: null }), [], 5);
  catalog.putRecording(
    row(),
    [
      { id: 's1', isKept: false },
      { id: 's2', isKept: true },
    ],
    7,
  );
  const reader = openCatalogReader(path);
  t.teardown(() => reader.close());
  t.same(reader.list(), [row()]);
  t.same(reader.get(row().id), row());
  t.equal(reader.count(), 1);
  t.equal(reader.count('failed'), 0);
  t.equal(catalog.lastFinishedAt(), 7);
  t.same(catalog.usedSegment('s2'), { id: 's2', isKept: true, recording: row().id });
  t.equal(catalog.usedSegment('s3'), undefined);
});

t.test('recordings are found by number, time and state, newest first', async (t) => {
  const catalog = openCatalog(join(t.testdir(), 'catalog.db'));
  t.teardown(() => catalog.close());
  const id = (index: number) => `019aa00${index}-0000-7000-8000-000000000000`;
  catalog.putRecording(row({ id: id(1), startTime: 100 }), [], 1);
  catalog.putRecording(row({ id: id(2), startTime: 300, caller: '42', dn: null, state: 'failed' }), [], 1);
  catalog.putRecording(row({ id: id(3), startTime: 200, callee: '42', dn: null, caller: '1' }), [], 1);
  const ids = (filter: object) => catalog.list(filter).map((found) => Number(found.id[7]));
  t.same(ids({}), [2, 3, 1]);
  t.same(ids({ number: '42' }), [2, 3]);
  t.same(ids({ number: '7001' }), [2, 1]);
  t.same(ids({ since: 200 }), [2, 3]);
  t.same(ids({ since: 200, until: 300 }), [3]);
  t.same(ids({ state: 'failed' }), [2]);
  t.same(ids({ limit: 1 }), [2]);
  t.same(ids({ number: "' OR 1=1 --" }), []);
});

t.test('find takes an id, a part of it, or "last"', async (t) => {
  const catalog = openCatalog(join(t.testdir(), 'catalog.db'));
  t.teardown(() => catalog.close());
  t.throws(() => catalog.find('last'), { code: 'RECORDING_UNKNOWN', message: 'there is no recording yet' });
  catalog.putRecording(row(), [], 1);
  catalog.putRecording(row({ id: OTHER, startTime: 2000 }), [], 1);
  for (const part of [
    OTHER,
    OTHER.toUpperCase(),
    'feedbeef',
    'FEED',
    '019aa111',
    'aa111-0000',
    'last',
    '00feed',
  ]) {
    t.equal(catalog.find(part).id, OTHER, part);
  }
  for (const part of ['dead', 'fee', 'not-hex!', '', '%', `${OTHER}0`]) {
    t.throws(() => catalog.find(part), { code: 'RECORDING_UNKNOWN' }, part);
  }
  t.throws(() => catalog.find('019aa'), {
    code: 'RECORDING_AMBIGUOUS',
    message: new RegExp(`${OTHER}.*7002 to 7001`),
  });
});

t.test('an alarm is raised once for each cause', async (t) => {
  const catalog = openCatalog(join(t.testdir(), 'catalog.db'));
  t.teardown(() => catalog.close());
  const alarm = { at: 1, severity: 'major', subject: 'archive', message: 'disk full' } as const;
  t.ok(catalog.raiseAlarm(alarm));
  t.notOk(catalog.raiseAlarm({ ...alarm, at: 2 }));
  t.ok(catalog.raiseAlarm({ ...alarm, cause: 'another' }));
  t.equal(catalog.alarmCount(), 2);
  t.same(catalog.alarms(1), [{ id: 2, ...alarm }]);
});

t.test('events wait with their checkpoint, all of a transaction or nothing of it', async (t) => {
  const path = join(t.testdir(), 'catalog.db');
  const catalog = openCatalog(path);
  t.equal(catalog.checkpoint('grec-sipd'), undefined);
  const event = (seq: number, at: number): JournalEvent => ({
    seq,
    at,
    daemon: 'grec-sipd',
    type: 'call.answered',
    call: 'c',
  });
  const checkpoint = { file: '0000000001.jsonl', offset: 10, seq: 2 };
  catalog.transaction(() => {
    catalog.keepEvent('c', event(1, 20));
    catalog.keepEvent('c', event(2, 10));
    catalog.keepEvent('c', event(2, 10));
    catalog.setCheckpoint('grec-sipd', checkpoint);
  });
  t.throws(() =>
    catalog.transaction(() => {
      catalog.dropEvents('c');
      throw new Error('killed');
    }),
  );
  catalog.close();
  const again = openCatalog(path);
  t.teardown(() => again.close());
  t.same(again.pendingEvents(), [event(2, 10), event(1, 20)]);
  t.same(again.checkpoint('grec-sipd'), checkpoint);
  again.dropEvents('c');
  t.same(again.pendingEvents(), []);
});

t.test('a catalog that cannot be used says why and what to do', async (t) => {
  const folder = t.testdir();
  t.throws(() => openCatalogReader(join(folder, 'none.db')), {
    code: 'CATALOG_UNUSABLE',
    message: /there is no catalog/,
  });
  const garbage = join(folder, 'garbage.db');
  writeFileSync(garbage, 'this is no database, whatever its name says. '.repeat(100));
  t.throws(() => openCatalogReader(garbage), { code: 'CATALOG_UNUSABLE', hint: /damaged/ });
  t.throws(() => openCatalog(garbage), { code: 'CATALOG_UNUSABLE', hint: /damaged/ });
  const newer = join(folder, 'newer.db');
  const db = new Database(newer);
  db.pragma('user_version = 99');
  db.close();
  t.throws(() => openCatalogReader(newer), { code: 'CATALOG_UNUSABLE', hint: /newer grec/ });
  t.throws(() => openCatalog(newer), { code: 'CATALOG_UNUSABLE', hint: /newer grec/ });
  const older = join(folder, 'older.db');
  new Database(older).exec('CREATE TABLE x (y)').close();
  t.throws(() => openCatalogReader(older), { code: 'CATALOG_UNUSABLE', hint: /start this version/ });
  mkdirSync(join(folder, 'folder.db'));
  t.throws(() => openCatalog(join(folder, 'folder.db')), { code: 'CATALOG_UNUSABLE' });
});
