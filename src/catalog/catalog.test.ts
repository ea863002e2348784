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
  retention: null,
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
  t.same(
    again.pendingEvents().map((kept) => kept.event),
    [event(2, 10), event(1, 20)],
  );
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

t.test('a recording that has become part of another one is found by its id, and not listed', async (t) => {
  const catalog = openCatalog(join(t.testdir(), 'catalog.db'));
  t.teardown(() => catalog.close());
  const id = (index: number) => `019aa00${index}-0000-7000-8000-000000000000`;
  const [first, second, third] = [id(1), id(2), id(3)];
  catalog.putRecording(row({ id: third }), [{ id: 'c', isKept: false }], 1, { madeOf: 'c' });
  catalog.putRecording(row({ id: second }), [{ id: 'b', isKept: false }], 1, {
    madeOf: 'bc',
    joins: [third],
  });
  t.same(catalog.making(third), { id: second, state: 'complete', madeOf: 'bc', isJoined: true });
  const segments = ['a', 'b', 'c'].map((name) => ({ id: name, isKept: false }));
  catalog.putRecording(row({ id: first }), segments, 1, { madeOf: 'abc', joins: [second] });
  t.same(
    catalog.list().map((listed) => listed.id),
    [first],
  );
  for (const one of [first, second, third]) {
    t.equal(catalog.get(one)?.id, first);
    t.equal(catalog.find(one).id, first);
    t.equal(catalog.find(one.replaceAll('-', '').slice(0, 9)).id, first);
  }
  t.same([catalog.segmentsOf(first), catalog.segmentsOf(third)], [['a', 'b', 'c'], []]);
  t.same(catalog.making(first), { id: first, state: 'complete', madeOf: 'abc', isJoined: false });
});
t.test(
  'what the acts say of recordings: holds, labels, deletions, each of which can be asked for',
  async (t) => {
    const catalog = openCatalog(join(t.testdir(), 'catalog.db'));
    t.teardown(() => catalog.close());
    const id = '019aa000-0000-7000-8000-00001a2b3c4d';
    catalog.putRecording(row({ id }), [{ id: 'seg-1', isKept: true }], 1);
    catalog.acts.hold(id, 'case 12');
    catalog.acts.label(id, { add: ['sales', 'angry'], remove: [] });
    catalog.acts.label(id, { add: ['new'], remove: ['angry', 'gone'] });
    catalog.acts.setRetention(id, 'year');
    t.equal(catalog.holdOn(id), 'case 12');
    t.same(catalog.labelsOf(id), ['new', 'sales']);
    t.same(
      catalog.list({ label: 'sales' }).map((one) => one.id),
      [id],
    );
    t.same(catalog.list({ label: 'angry' }), []);
    t.same(catalog.list({ isHeld: true }).length, 1);
    t.equal(catalog.get(id)?.retention, 'year');
    t.match(catalog.usedSegment('seg-1'), { recording: id, isKept: true });
    catalog.acts.delete({ id, at: '2026-01-31T09:00:00.000Z', rule: 'default: delete = 30d', act: 7 });
    t.same(catalog.acts.unfinished(), [id]);
    t.same(catalog.acts.segmentsOf(id), ['seg-1']);
    catalog.acts.forget(id);
    t.same([catalog.acts.unfinished(), catalog.holdOn(id), catalog.labelsOf(id)], [[], undefined, []]);
    t.equal(catalog.usedSegment('seg-1'), undefined);
    t.throws(() => catalog.find('1a2b3c4d'), {
      code: 'RECORDING_UNKNOWN',
      message: /was deleted on 2026-01-31/,
    });
    catalog.acts.setThrough(9);
    t.equal(catalog.acts.through(), 9);
  },
);

t.test(
  'what failed is found, tried once with the same decoders, and its alarms are over in the end',
  async (t) => {
    const catalog = openCatalog(join(t.testdir(), 'catalog.db'));
    t.teardown(() => catalog.close());
    const id = (index: number) => `019aa00${index}-0000-7000-8000-000000000000`;
    const put = (index: number, state: RecordingRow['state'], reason: string | null) =>
      catalog.putRecording(row({ id: id(index), state, reason }), [], index);
    put(1, 'failed', 'no decoder for G722: ffmpeg is not installed');
    put(2, 'failed', 'no media was captured');
    put(3, 'partial', 'one channel cannot be decoded: no decoder for AMR: x');
    put(4, 'partial', 'its media server ended');
    put(5, 'complete', null);
    put(6, 'failed', 'no decoder for EVS');
    const ids = (rows: { id: string }[]) => rows.map((one) => Number(one.id[7]));
    t.same(ids(catalog.failed()), [6, 3, 2, 1]);
    t.same(ids(catalog.failed(2)), [6, 3]);
    t.same(
      [1, 2, 3, 4, 5, 6].filter((index) => catalog.failures.find(id(index))),
      [1, 2, 3, 6],
    );
    t.same(ids(catalog.failures.untried('one', 9)), [1, 3], 'those alone that a decoder may come to be for');
    catalog.failures.noteTried(id(1), 'one');
    t.same(ids(catalog.failures.untried('one', 9)), [3]);
    t.same(ids(catalog.failures.untried('two', 1)), [1]);
    t.equal(catalog.failures.finishedAt(id(3)), 3);

    const alarm = { at: 1, severity: 'major', subject: 'recording 1', message: 'no luck' } as const;
    catalog.raiseAlarm(alarm);
    catalog.raiseAlarm({ ...alarm, message: 'another' });
    catalog.failures.answerAlarms('recording 1', { at: 7, answer: 'made', except: 'another' });
    t.match(catalog.alarms(), [{ message: 'another' }]);
    t.same([catalog.alarmCount(), catalog.alarmCount('all')], [1, 2]);
    t.match(catalog.alarms(9, 'all')[1], { message: 'no luck', answeredAt: 7, answer: 'made' });
    t.ok(catalog.raiseAlarm(alarm), 'the same may happen again');
    catalog.failures.answerAlarms('recording 1', { at: 8, answer: 'made' });
    t.equal(catalog.alarmCount(), 0);
  },
);
