// A catalog that was deleted is made anew from the archive: every row and every field as it was, whatever became of the recordings.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import t, { type Test } from 'tap';
import type { RunningDaemon } from '../daemon.ts';
import {
  CALL,
  type Failing,
  failing,
  NO_REQUEST,
  namesIn,
  RECORDING,
  tellCall,
} from '../processing/fixtures/failing.ts';
import { callBegins, callEnds, captureOf, metadataOf, T0, talk } from '../processing/fixtures/segments.ts';
import { appendJournal, attendedTransfer, placeSegment, RECORDINGS } from '../processing/fixtures/stories.ts';
import { reindex } from './reindex.ts';

const BOTH = captureOf([...talk({ label: 'a' }), ...talk({ label: 'b' })]);
const LATER = () => T0 + 27_000_000;
const idOf = (number: number) => RECORDING.replace(/3c4d$/, `3c5${number}`);
const callOf = (number: number) => CALL.replace(/ca$/, `d${number}`);

/** A call in G.711. */
function tellPlain({ state }: Failing, number: number): string {
  const [call, recording] = [callOf(number), idOf(number)];
  state.append('grec-sipd', T0, ...callBegins(call, recording), ...callEnds(call, recording));
  state.writeSegment(
    `plain-${number}`,
    { metadata: metadataOf(recording, call), closed: { at: T0 + 1e6 } },
    BOTH,
  );
  return recording;
}

/** The tables that come from the archive, row by row. */
function dump({ config }: Failing): Record<string, Record<string, unknown>[]> {
  const db = new Database(config.paths.catalog, { readonly: true });
  const tables = ['recordings', 'segments', 'acts', 'holds', 'labels', 'deleted', 'joined'];
  const rows = tables.map((table) => {
    const all = db.prepare<[], Record<string, unknown>>(`SELECT * FROM ${table}`).all();
    return [
      table,
      all.toSorted((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1)),
    ] as const;
  });
  db.close();
  return Object.fromEntries(rows);
}

function withoutTimes(tables: ReturnType<typeof dump>) {
  return { ...tables, recordings: tables['recordings']?.map(({ finished_at: _, ...row }) => row) };
}

const finishedAt = (tables: ReturnType<typeof dump>) =>
  tables['recordings']?.map((row) => Number(row['finished_at'])) ?? [];

function act(daemon: RunningDaemon, id: string, body: object) {
  return daemon.routes?.['POST /recordings/:id/acts']?.({ ...NO_REQUEST, params: { id }, body });
}

function removeCatalog({ config }: Failing): void {
  for (const end of ['', '-wal', '-shm']) rmSync(`${config.paths.catalog}${end}`, { force: true });
}

const run = ({ config: { paths } }: Failing) =>
  reindex({ archive: paths.archive, catalog: paths.catalog, spools: [paths.spool] });

/** Recordings of every kind, all of them encrypted. */
async function everyKind(t: Test): Promise<{ it: Failing; purged: string }> {
  const others = ['two', 'three'];
  const settings =
    `processing.also = ${JSON.stringify(others)}\nprocessing.wait = 0\nencryption.certificate = "pub.pem"\n` +
    '[[retention]]\nname = "bin"\nlabel = "bin"\ndelete = "0d"\n[[retention]]\nname = "default"\ndelete = "never"\n';
  const it = failing(t, settings, 60);
  const base = dirname(it.config.paths.state);
  const argv = ['req', '-x509', '-newkey', 'rsa:2048', '-noenc', '-keyout', join(base, 'key.pem')];
  execFileSync('openssl', [...argv, '-out', join(base, 'pub.pem'), '-subj', '/CN=x'], { stdio: 'ignore' });
  const [held, labelled, purged] = [1, 2, 3].map((number) => tellPlain(it, number));
  tellCall(it, { segment: 'none-0' });
  tellCall(it, { both: false, call: callOf(4), recording: idOf(4), segment: 'half-4' });
  const story = attendedTransfer();
  const reveal = (source: number) => {
    const state = join(base, others[source] ?? '');
    for (const journal of story.journals)
      if (journal.source === source) appendJournal(state, journal.daemon, journal.lines.join(''));
    for (const segment of story.segments) if (segment.source === source) placeSegment(state, segment);
  };
  reveal(1);
  const daemon = await it.start({ now: LATER });
  await it.sync(daemon);
  reveal(0);
  await it.sync(daemon);
  await act(daemon, held ?? '', { type: 'hold', reason: 'case 12' });
  await act(daemon, labelled ?? '', { type: 'label', add: ['sales', 'angry'] });
  await act(daemon, labelled ?? '', { type: 'label', remove: ['angry'] });
  await act(daemon, purged ?? '', { type: 'label', add: ['bin'] });
  cpSync(it.config.paths.archive, join(base, 'backup'), { recursive: true });
  await daemon.routes?.['POST /purge']?.({ ...NO_REQUEST, body: {} });
  await daemon.stop();
  return { it, purged: purged ?? '' };
}

t.test('all of it: held, labelled, partial, failed, joined, encrypted, deleted', async (t) => {
  const { it, purged } = await everyKind(t);
  const before = dump(it);
  t.equal(before['recordings']?.length, 5, 'two whole ones, one partial, one failed, one of three');
  t.match(before['joined'], [{ recording: RECORDINGS.customers }, { recording: RECORDINGS.customers }]);
  t.match(before['deleted'], [{ id: purged }]);
  removeCatalog(it);
  const parts: number[] = [];
  const { archive, catalog, spool } = it.config.paths;
  const report = await reindex({ archive, catalog, spools: [spool], onProgress: (part) => parts.push(part) });
  t.same(report, { recordings: 4, joined: 2, deleted: 1, failed: 1, damaged: [], problems: [] });
  t.same([parts.at(-1), parts.every((part, index) => part >= (parts[index - 1] ?? 0))], [1, true]);
  const after = dump(it);
  t.same(withoutTimes(after), withoutTimes(before));
  const apart = finishedAt(after).map((at, index) => Math.abs(at - (finishedAt(before)[index] ?? 0)));
  t.ok(Math.max(...apart) < 60_000, 'archived when it was finished');
  t.same(
    namesIn(dirname(catalog)).filter((name) => name.startsWith('catalog.db.')),
    [],
    'nothing is left beside it',
  );
  t.throws(() => it.ask((reader) => reader.find(purged)), { message: /was deleted on/ });
});

t.test('grec-procd goes on with it, and makes nothing again', async (t) => {
  const { it } = await everyKind(t);
  const before = dump(it);
  await run(it);
  const links = readFileSync(join(it.config.paths.archive, 'chain', '000000000001.jsonl'), 'utf8');
  const daemon = await it.start({ now: LATER });
  await it.sync(daemon);
  await daemon.stop();
  t.same(withoutTimes(dump(it)), withoutTimes(before));
  t.equal(readFileSync(join(it.config.paths.archive, 'chain', '000000000001.jsonl'), 'utf8'), links);
});

t.test('who was deleted stays so, though somebody has put the files back', async (t) => {
  const { it, purged } = await everyKind(t);
  const path = join('2026/01/31', purged);
  cpSync(join(dirname(it.config.paths.state), 'backup', path), join(it.config.paths.archive, path), {
    recursive: true,
  });
  const report = await run(it);
  t.match(report, { recordings: 4, deleted: 1, damaged: [] });
  t.notMatch(
    it.ask((catalog) => catalog.list().map(({ id }) => id)),
    [purged],
  );
  t.throws(() => it.ask((catalog) => catalog.find(purged)), { message: /was deleted on/ });
  const daemon = await it.start({ now: LATER });
  await daemon.routes?.['POST /purge']?.({ ...NO_REQUEST, body: {} });
  t.notOk(existsSync(join(it.config.paths.archive, path)), 'the next deletion takes them away');
});

t.test('what is damaged is told, and listed as far as its metadata can be read', async (t) => {
  const it = failing(t);
  const ids = [1, 2, 3, 4, 5, 6].map((number) => tellPlain(it, number));
  const daemon = await it.start({ now: LATER });
  await it.sync(daemon);
  await daemon.stop();
  const fileOf = (number: number, name: string) =>
    join(it.config.paths.archive, '2026/01/31', idOf(number), name);
  const metadata = (number: number) => readFileSync(fileOf(number, 'metadata.json'), 'utf8');
  rmSync(fileOf(1, 'manifest.sig'));
  writeFileSync(fileOf(2, 'metadata.json'), metadata(2).replace('"7002"', '"7666"'));
  writeFileSync(fileOf(3, 'metadata.json'), '{"version":1');
  rmSync(fileOf(4, 'audio.wav'));
  writeFileSync(fileOf(5, 'metadata.json'), metadata(6));
  mkdirSync(join(it.config.paths.archive, '2026/01/31', 'lost+found'));
  const report = await run(it);
  const told = report.damaged.map(({ id, isListed, problems }) => [id, isListed, problems.join('; ')]);
  t.match(told, [
    [ids[0], true, /manifest.sig: it is missing/],
    [ids[1], true, /metadata.json: it has been changed/],
    [ids[2], false, /cannot read .*metadata.json/],
    [ids[3], true, /audio.wav: it is missing/],
    [ids[4], false, `metadata.json: it is that of recording ${idOf(6)}; metadata.json: it has been changed`],
  ]);
  t.match(report, { recordings: 4, problems: [/lost\+found: it is not named like a recording/] });
  const rows = it.ask((catalog) => catalog.list()).toSorted((one, other) => (one.id < other.id ? -1 : 1));
  t.match(rows, [
    { id: ids[0], state: 'partial', reason: /^damaged: manifest.sig/, caller: '7002' },
    { id: ids[1], state: 'partial', reason: /^damaged: metadata/, caller: '7666' },
    { id: ids[3], state: 'partial', reason: /^damaged: audio/ },
    { id: ids[5], state: 'complete', reason: null },
  ]);
  t.equal(
    it.ask((catalog) => catalog.alarmCount()),
    5,
  );
  // Whatever stands in it when a test ends is looked at.
  rmSync(join(it.config.paths.archive, '2026'), { recursive: true });
});

t.test('a hold that cannot be read is told, and what was deleted stays deleted', async (t) => {
  const { it, purged } = await everyKind(t);
  const folder = join(it.config.paths.archive, 'acts');
  const [act = ''] = execFileSync('grep', ['-rl', 'case 12', folder]).toString().split('\n');
  writeFileSync(act, readFileSync(act, 'utf8').replace('case 12', 'case 13'));
  const report = await run(it);
  t.match(report.problems, [/holds and labels are not all known: .*signature is wrong/]);
  t.ok(it.ask((catalog) => catalog.deleted(purged)));
});

t.test('what is no archive costs no catalog', async (t) => {
  const it = failing(t);
  tellPlain(it, 1);
  const daemon = await it.start({ now: LATER });
  await it.sync(daemon);
  await daemon.stop();
  const before = readFileSync(it.config.paths.catalog);
  rmSync(it.config.paths.archive, { recursive: true });
  await t.rejects(run(it), { code: 'ARCHIVE_UNREADABLE', message: /the catalog stays as it was/ });
  mkdirSync(it.config.paths.archive);
  await t.rejects(run(it), { code: 'ARCHIVE_UNREADABLE', message: /the catalog knows 1 recordings/ });
  t.same(readFileSync(it.config.paths.catalog), before);
  removeCatalog(it);
  t.match(await run(it), { recordings: 0, damaged: [], problems: [] });
});

t.test('a damaged catalog, and what it has left beside it, are replaced', async (t) => {
  const it = failing(t);
  const id = tellPlain(it, 1);
  const daemon = await it.start({ now: LATER });
  await it.sync(daemon);
  await daemon.stop();
  for (const end of ['', '-wal', '-shm', '.new', '.new-wal'])
    writeFileSync(
      `${it.config.paths.catalog}${end}`,
      'this is no database, whatever its name says. '.repeat(100),
    );
  await run(it);
  t.match(
    it.ask((catalog) => catalog.list()),
    [{ id, state: 'complete' }],
  );
});
