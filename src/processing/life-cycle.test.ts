// What becomes of recordings: nothing under hold or inside its minimum goes; what goes, goes wholly, and is no loss afterwards.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { actsFolder } from '../archive/act.ts';
import {
  type Archive,
  DAY,
  emptyArchive,
  idOf,
  metadataOf,
  OLD_ID,
  recordUnsigned,
} from '../archive/chained-fixture.ts';
import { AUDIO_FILE, type Metadata } from '../archive/metadata.ts';
import { verifyArchive } from '../archive/verify.ts';
import { stageRecording } from '../archive/write.ts';
import type { AuditEntry } from '../audit/record.ts';
import { type CatalogWriter, openCatalog } from '../catalog/catalog.ts';
import { checkConfig, loadConfig } from '../config.ts';
import type { ControlRequest } from '../control.ts';
import { GrecError } from '../errors.ts';
import { rowOfMetadata } from '../indexing/row-of-metadata.ts';
import { silentLogger } from '../log.ts';
import { failedRow } from './describe.ts';
import { LifeCycle } from './life-cycle.ts';
import type { PurgeReport } from './purge.ts';

const DAY_MS = 86_400_000;
const BY = { user: 'ann', from: 'desk7' };
const CLASSES = `
  [[retention]]
  name = "default"
  keep = "10d"
  delete = "30d"
  [[retention]]
  name = "long"
  delete = "1y"
  [[retention]]
  name = "dispute"
  label = "dispute"
  keep = "1y"
`;

interface Site {
  archive: Archive;
  catalog: CatalogWriter;
  spool: string;
  lifeCycle: LifeCycle;
  /** Days after the recordings ended. */
  at(days: number): void;
  making: Set<string>;
  noted: AuditEntry[];
}

function site(t: Test, toml = CLASSES): Site {
  const archive = emptyArchive(t);
  const base = join(archive.directory, '..');
  const catalog = openCatalog(join(base, 'state', 'catalog.db'));
  t.teardown(() => catalog.close());
  const { values, problems } = checkConfig(toml);
  if (values === undefined) throw new Error(JSON.stringify(problems));
  const defaults = loadConfig({ env: {}, uid: 1 });
  const spool = join(base, 'spool');
  mkdirSync(spool);
  const paths = { ...defaults.paths, archive: archive.directory, signingKey: archive.signingKey, spool };
  let now = DAY;
  const making = new Set<string>();
  const noted: AuditEntry[] = [];
  const lifeCycle = new LifeCycle({
    config: { ...defaults, ...values, trunk: [], paths },
    catalog,
    log: silentLogger(),
    isMaking: (id) => making.has(id),
    note: async (_by, ...entries) => noted.push(...entries),
    now: () => now,
  });
  const at = (days: number) => {
    now = DAY + days * DAY_MS;
  };
  return { archive, catalog, spool, lifeCycle, at, making, noted };
}

/** A recording in the archive and the catalog, of one segment. */
async function add(
  { archive, catalog }: Site,
  number: number,
  more: Partial<Metadata> = {},
): Promise<string> {
  const segment = { host: 'h', startTime: '', stopTime: '', reason: 'bye', id: `segment-${number}` };
  const metadata = { ...metadataOf(idOf(number), DAY - 2000), segments: [segment], ...more };
  const staging = await stageRecording(archive, metadata.id, DAY - 2000);
  writeFileSync(join(staging.directory, AUDIO_FILE), `audio ${number}`);
  const path = await staging.publish(metadata);
  catalog.putRecording(rowOfMetadata(metadata, path), [{ id: segment.id, isKept: false }], DAY);
  return join(archive.directory, path);
}

const request = (more: Partial<ControlRequest>): ControlRequest => ({
  params: {},
  query: new URLSearchParams(),
  body: undefined,
  by: BY,
  ...more,
});
const purge = ({ lifeCycle }: Site, body: object = {}): Promise<PurgeReport> =>
  lifeCycle.purge(request({ body }));
const act = ({ lifeCycle }: Site, number: number, body: object) =>
  lifeCycle.act(request({ params: { id: idOf(number) }, body }));

async function verified({ archive }: Site): Promise<string[]> {
  const now = Date.now() + DAY_MS;
  const { findings } = await verifyArchive({ archive: archive.directory, now });
  return findings.map(({ code, path }) => `${code} ${path}`);
}

t.test('what is due goes wholly, and its entry stays', async (t) => {
  const here = site(t);
  const [first, second] = [await add(here, 1), await add(here, 2, { retention: 'long' })];
  for (const folder of ['segment-1', 'failed/segment-1', 'kept/segment-1', 'kept/segment-2'])
    mkdirSync(join(here.spool, folder), { recursive: true });
  await act(here, 1, { type: 'label', add: ['sales'] });
  here.at(29.9);
  t.same((await purge(here)).deleted, []);
  here.at(30);
  const rule = 'default: delete = 30d';
  const due = [{ id: idOf(1), rule, startTime: new Date(DAY - 2000).toISOString() }];
  t.match(await purge(here, { dryRun: true }), { deleted: due, kept: [], next: null });
  t.ok(existsSync(first), 'only said');
  t.match(await purge(here), { deleted: due, kept: [], unfinished: [], next: null });
  t.notOk(existsSync(first));
  t.notOk(existsSync(join(here.archive.directory, actsFolder(idOf(1)))));
  for (const folder of ['segment-1', 'failed/segment-1', 'kept/segment-1'])
    t.notOk(existsSync(join(here.spool, folder)), folder);
  t.ok(existsSync(join(here.spool, 'kept', 'segment-2')));
  t.ok(existsSync(second));
  t.equal(here.catalog.get(idOf(1)), undefined);
  t.equal(here.catalog.usedSegment('segment-1'), undefined);
  t.match(here.catalog.deleted(idOf(1)), { rule, act: 4 });
  t.same(await verified(here), []);
  await t.rejects(act(here, 1, { type: 'hold', reason: 'late' }), {
    code: 'RECORDING_UNKNOWN',
    message: /was deleted on/,
  });
  t.same((await purge(here)).deleted, []);
  t.match(here.noted, [
    { what: 'label', recording: idOf(1), details: { add: 'sales' } },
    { what: 'delete', recording: idOf(1), details: { rule } },
  ]);
});

t.test('what cannot be noted in the audit log is not done', async (t) => {
  const here = site(t);
  const folder = await add(here, 1);
  here.noted.push = () => {
    throw new GrecError('AUDIT_UNWRITABLE', 'no space');
  };
  await t.rejects(act(here, 1, { type: 'hold', reason: 'x' }), { code: 'AUDIT_UNWRITABLE' });
  here.at(31);
  await t.rejects(purge(here), { code: 'AUDIT_UNWRITABLE' });
  t.ok(existsSync(folder));
  t.equal(here.catalog.holdOn(idOf(1)), undefined);
  t.same(await verified(here), []);
});

t.test('nothing under hold goes, and its reason is told', async (t) => {
  const here = site(t);
  const folder = await add(here, 1);
  t.match(await act(here, 1, { type: 'hold', reason: 'case 12' }), { hold: { reason: 'case 12', by: BY } });
  here.at(59);
  t.match(await purge(here), { deleted: [], kept: [{ id: idOf(1), reason: 'under hold: case 12' }] });
  await t.rejects(act(here, 1, { type: 'hold', reason: 'case 13' }), { code: 'HOLD_EXISTS' });
  await act(here, 1, { type: 'unhold', reason: 'settled' });
  await t.rejects(act(here, 1, { type: 'unhold', reason: 'settled' }), { code: 'RECORDING_STATE' });
  t.equal((await purge(here)).deleted.length, 1);
  t.notOk(existsSync(folder));
  t.same(await verified(here), []);
});

t.test('a hold that comes while the deletion is on its way is first or too late, never lost', async (t) => {
  const here = site(t);
  for (const number of [1, 2, 3, 4]) await add(here, number);
  here.at(40);
  const { routes } = here.lifeCycle;
  const hold = { params: { id: idOf(3) }, body: { type: 'hold', reason: 'now' } };
  const [held, report] = await Promise.all([
    routes['POST /recordings/:id/acts']?.(request(hold)),
    routes['POST /purge']?.(request({})) as Promise<PurgeReport>,
  ]);
  t.match(held, { hold: { reason: 'now' } });
  t.same(
    report.deleted.map(({ id }) => id),
    [1, 2, 4].map(idOf),
  );
  t.same(await verified(here), []);
});

t.test('nothing inside its minimum goes; a label prolongs it', async (t) => {
  const here = site(t, `${CLASSES}\n[[retention]]\nname = "private"\nlabel = "private"\ndelete = "0d"`);
  await add(here, 1);
  await add(here, 2);
  await act(here, 1, { type: 'label', add: ['private'] });
  await act(here, 2, { type: 'label', add: ['dispute'] });
  here.at(9);
  t.same((await purge(here)).deleted, []);
  here.at(10);
  t.match((await purge(here)).deleted, [{ id: idOf(1), rule: 'private: delete = 0d' }]);
  here.at(5000);
  t.same((await purge(here, { trustClock: true })).deleted, [], 'its label says never');
  await act(here, 2, { type: 'label', remove: ['dispute'] });
  await t.rejects(purge(here), { code: 'CLOCK_DOUBTFUL', hint: /--trust-clock/ });
  t.match((await purge(here, { dryRun: true })).deleted, [{ id: idOf(2) }]);
  t.match((await purge(here, { trustClock: true })).deleted, [{ id: idOf(2) }]);
});

t.test('what is not as it was archived stays, and why is told', async (t) => {
  const here = site(t);
  const folders = [
    await add(here, 1, { retention: 'long' }),
    await add(here, 2),
    await add(here, 3),
    await add(here, 4),
  ];
  const [changed = '', unsigned = '', gone = '', unlabelled = ''] = folders;
  const metadata = readFileSync(join(changed, 'metadata.json'), 'utf8');
  writeFileSync(join(changed, 'metadata.json'), metadata.replace('"long"', '"default"'));
  here.catalog.acts.setRetention(idOf(1), '');
  rmSync(join(unsigned, 'manifest.sig'));
  rmSync(gone, { recursive: true });
  await act(here, 4, { type: 'hold', reason: 'case 12' });
  rmSync(join(here.archive.directory, actsFolder(idOf(4))), { recursive: true });
  here.at(31);
  const { deleted, kept } = await purge(here);
  t.same(deleted, []);
  t.match(kept, [
    { id: idOf(1), reason: /not intact: metadata\.json: / },
    { id: idOf(2), reason: /manifest\.sig: it is missing/ },
    { id: idOf(3), reason: /manifest\.json: it is missing/ },
    { id: idOf(4), reason: /under hold: case 12/ },
  ]);
  t.ok(existsSync(unlabelled));
});

t.test('when it is not known what is under hold, nothing goes', async (t) => {
  const here = site(t);
  await add(here, 1);
  await act(here, 1, { type: 'hold', reason: 'case 12' });
  // A catalog that knows nothing, as after it was lost.
  here.catalog.acts.unhold(idOf(1));
  here.catalog.acts.setThrough(0);
  const acts = join(here.archive.directory, actsFolder(idOf(1)));
  cpSync(acts, `${acts}.copy`, { recursive: true });
  rmSync(acts, { recursive: true });
  here.at(40);
  await t.rejects(purge(here), {
    code: 'ARCHIVE_UNREADABLE',
    message: /not known what is under hold: acts.*missing/,
  });
  cpSync(`${acts}.copy`, acts, { recursive: true });
  rmSync(`${acts}.copy`, { recursive: true });
  t.match(await purge(here), { deleted: [], kept: [{ reason: /case 12/ }] });
  t.equal(here.catalog.holdOn(idOf(1)), 'case 12', 'taken in again');
});

t.test('a catalog that was lost learns of deletions from the archive', async (t) => {
  const here = site(t);
  await add(here, 1);
  await add(here, 2);
  await act(here, 1, { type: 'label', add: ['sales'] });
  await act(here, 2, { type: 'label', add: ['sales', 'new'] });
  here.at(31);
  here.making.add(idOf(2));
  t.equal((await purge(here)).deleted.length, 1, 'what is being made is left alone');
  const other = openCatalog(join(here.archive.directory, '..', 'other.db'));
  t.teardown(() => other.close());
  const { takeInActs } = await import('../indexing/take-in-acts.ts');
  t.equal(takeInActs(here.archive.directory, other), undefined);
  t.match(other.deleted(idOf(1)), { rule: 'default: delete = 30d' });
  t.same(other.labelsOf(idOf(2)), ['new', 'sales']);
  t.equal(other.acts.through(), here.catalog.acts.through());
});

t.test('a deletion that was interrupted goes on with the next one', async (t) => {
  const here = site(t);
  const folder = await add(here, 1);
  cpSync(folder, `${folder}.copy`, { recursive: true });
  const row = here.catalog.get(idOf(1));
  here.at(31);
  await purge(here);
  // As if it had been killed before the files went.
  cpSync(`${folder}.copy`, folder, { recursive: true });
  rmSync(`${folder}.copy`, { recursive: true });
  if (row !== undefined) here.catalog.putRecording(row, [], DAY);
  t.match(await verified(here), [/recording-deleted/]);
  t.same((await purge(here)).unfinished, []);
  t.notOk(existsSync(folder));
  t.same(await verified(here), []);
});

t.test('recordings that failed, or were archived before there were signatures, go as well', async (t) => {
  const here = site(t);
  const failed = { ...failedRow(idOf(7), undefined, [], 'no media'), startTime: DAY };
  here.catalog.putRecording(failed, [{ id: 'segment-7', isKept: true }], DAY);
  mkdirSync(join(here.spool, 'failed', 'segment-7'), { recursive: true });
  const path = recordUnsigned(here.archive, DAY);
  here.catalog.putRecording(rowOfMetadata(metadataOf(OLD_ID, DAY), path), [], DAY);
  await act(here, 7, { type: 'hold', reason: 'where is it?' });
  here.at(31);
  t.match(await purge(here), { deleted: [{ id: OLD_ID }], kept: [{ id: idOf(7) }] });
  await act(here, 7, { type: 'unhold', reason: 'it is clear' });
  t.match(await purge(here), { deleted: [{ id: idOf(7) }], kept: [] });
  t.notOk(existsSync(join(here.spool, 'failed', 'segment-7')));
  t.same(await verified(here), []);
});

t.test(
  'captures that are kept go when their time is over, unless their recording is under hold',
  async (t) => {
    const here = site(t, '[archive]\ncaptures = "7d"\nfailed-captures = "30d"');
    await add(here, 1);
    await add(here, 2);
    for (const folder of ['kept/segment-1', 'kept/segment-2', 'failed/other'])
      mkdirSync(join(here.spool, folder), { recursive: true });
    await act(here, 2, { type: 'hold', reason: 'case 12' });
    const today = (Date.now() - DAY) / DAY_MS;
    here.at(today + 6.9);
    t.match(await purge(here, { trustClock: true }), { captures: [] });
    here.at(today + 7.1);
    const expired = [{ segment: 'segment-1', rule: 'captures = 7d' }];
    t.match(await purge(here, { dryRun: true, trustClock: true }), { captures: expired });
    t.match(await purge(here, { trustClock: true }), { captures: expired });
    t.notOk(existsSync(join(here.spool, 'kept', 'segment-1')));
    t.ok(existsSync(join(here.spool, 'kept', 'segment-2')));
    here.at(today + 31);
    t.match(await purge(here, { trustClock: true }), {
      captures: [{ segment: 'other', rule: 'failed-captures = 30d' }],
    });
  },
);

t.test('more than one act takes are deleted in several', async (t) => {
  const here = site(t);
  await add(here, 1);
  const row = here.catalog.get(idOf(1));
  if (row === undefined) throw new Error('no row');
  for (let number = 2; number <= 450; number += 1)
    here.catalog.putRecording(
      { ...row, id: idOf(number), path: null, state: 'failed', startTime: row.startTime + number },
      [],
      DAY,
    );
  here.at(31);
  const counts: number[] = [];
  for (let from: number | null = 0; from !== null; ) {
    const report: PurgeReport = await purge(here, { from });
    counts.push(report.deleted.length);
    from = report.next;
  }
  t.same(counts, [200, 200, 50]);
  t.equal(here.catalog.count(), 0);
  t.same(await verified(here), []);
});

t.test('what makes no sense is refused, and nothing is done', async (t) => {
  const here = site(t);
  await add(here, 1);
  for (const body of [
    undefined,
    {},
    { type: 'purge', recordings: [] },
    { type: 'hold' },
    { type: 'hold', reason: '' },
    { type: 'hold', reason: 'x\u001b[31m' },
    { type: 'label', add: ['two words'] },
    { type: 'label', add: Array.from({ length: 65 }, (_, index) => `l${index}`) },
    { type: 'label', data: { 'a b': 'c' } },
    { type: 'label', comment: 'x'.repeat(3000) },
    { type: 'hold', reason: 'x', recording: idOf(2) },
  ])
    await t.rejects(act(here, 1, body as object), { code: 'USAGE' }, JSON.stringify(body)?.slice(0, 60));
  await t.rejects(act(here, 9, { type: 'hold', reason: 'x' }), { code: 'RECORDING_UNKNOWN' });
  await t.rejects(purge(here, { dryRun: 'yes' }), { code: 'USAGE' });
  t.notOk(existsSync(join(here.archive.directory, 'acts')));
});

t.test('an archive that refuses says so, and nothing is done', async (t) => {
  const here = site(t);
  const folder = await add(here, 1);
  writeFileSync(join(here.archive.directory, 'acts'), 'in the way');
  await t.rejects(act(here, 1, { type: 'hold', reason: 'x' }), { code: 'ARCHIVE_UNREADABLE' });
  rmSync(join(here.archive.directory, 'acts'));
  writeFileSync(join(here.archive.directory, 'purged'), 'in the way');
  here.at(31);
  await t.rejects(purge(here), { code: 'ARCHIVE_UNREADABLE' });
  t.ok(existsSync(folder));
  t.ok(here.catalog.get(idOf(1)));
});
