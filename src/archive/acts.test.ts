// Acts on recordings are links of the chain: what was deleted is not missing, and what was never signed proves nothing.
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { type Act, actsFolder, type Deed, parseAct } from './act.ts';
import { stateAfter } from './acts-state.ts';
import { addAct } from './add-act.ts';
import { repairChain } from './chain.ts';
import { type Archive, DAY, emptyArchive, idOf, record } from './chained-fixture.ts';
import { checkActs } from './check-acts.ts';
import { listLinksFiles } from './links.ts';
import { readPublicKeys } from './public-keys.ts';
import { readSigner } from './signing-key.ts';
import { type VerifyOptions, verifyArchive } from './verify.ts';
import { checkRecording } from './verify-recording.ts';

const BY = { user: 'ann', from: 'desk7' };
const HOUR_MS = 3_600_000;

const pathOf = (number: number) => `2026/01/31/${idOf(number)}`;
const grounds = ({ directory: archive }: Archive) => ({ archive, keys: readPublicKeys(archive).byId });

function act(archive: Archive, deed: Deed): Promise<Act | undefined> {
  return addAct(archive, BY, async () => deed);
}

const hold = (archive: Archive, number: number) =>
  act(archive, { type: 'hold', recording: idOf(number), reason: 'case 12' });

/** As `grec purge` does it: the act first, then the files. */
async function purge(
  archive: Archive,
  number: number,
  { keepsFiles = false } = {},
): Promise<Act | undefined> {
  const { links } = await checkRecording(grounds(archive), pathOf(number), { isLight: true });
  const all = [...links, ...checkActs(grounds(archive), idOf(number)).links];
  const gone = all.map(({ sequence, path, sha256, previous, createdAt }) => {
    return { sequence, path, sha256, previous: previous?.sha256 ?? null, createdAt };
  });
  const times = { startTime: new Date(DAY).toISOString(), stopTime: new Date(DAY).toISOString() };
  const done = await act(archive, {
    type: 'purge',
    recordings: [{ recording: idOf(number), ...times, rule: 'short: delete = 30d', links: gone }],
  });
  const places = [pathOf(number), actsFolder(idOf(number))];
  if (!keepsFiles)
    for (const place of places) rmSync(join(archive.directory, place), { recursive: true, force: true });
  return done;
}

/** A day later: no deletion is under way any more. */
async function verify(archive: Archive, options: Partial<VerifyOptions> = {}) {
  return verifyArchive({ archive: archive.directory, now: Date.now() + HOUR_MS, ...options });
}

async function codesOf(archive: Archive, options: Partial<VerifyOptions> = {}): Promise<string[]> {
  return [...new Set((await verify(archive, options)).findings.map(({ code }) => code))].sort();
}

/** Three recordings, one of them made twice, labelled and held; the first one is deleted. */
async function lived(t: Test): Promise<Archive> {
  const archive = emptyArchive(t);
  for (const number of [1, 2, 3]) await record(archive, number);
  await record(archive, 1, { audio: Buffer.from('made again'), at: DAY + 1000 });
  await act(archive, { type: 'label', recording: idOf(1), add: ['sales'] });
  await hold(archive, 2);
  await purge(archive, 1);
  return archive;
}

t.test('what was done is a link like any other, and says who asked for what', async (t) => {
  const archive = emptyArchive(t);
  await record(archive, 1);
  t.match(await hold(archive, 1), { sequence: 2, previous: { sequence: 1 }, by: BY, act: { type: 'hold' } });
  await act(archive, { type: 'label', recording: idOf(1), add: ['sales', 'angry'], data: { case: '12' } });
  await act(archive, {
    type: 'label',
    recording: idOf(1),
    remove: ['angry'],
    comment: 'see mail',
    data: { case: null },
  });
  await record(archive, 2);
  t.match(await verify(archive), { findings: [], recordings: 2, head: { sequence: 5 }, deleted: 0 });
  const { acts } = checkActs(grounds(archive), idOf(1));
  t.match(stateAfter(acts), {
    hold: { reason: 'case 12', by: BY },
    labels: ['sales'],
    comments: [{ text: 'see mail' }],
    data: {},
  });
  await act(archive, { type: 'unhold', recording: idOf(1), reason: 'settled' });
  t.equal(stateAfter(checkActs(grounds(archive), idOf(1)).acts).hold, undefined);
});

t.test('a recording that was deleted is not missing, and its entry holds nothing of it', async (t) => {
  const archive = await lived(t);
  t.match(await verify(archive), { findings: [], recordings: 2, deleted: 1, head: { sequence: 7 } });
  t.match(await verify(archive, { ids: [idOf(1)] }), {
    findings: [],
    asked: [{ id: idOf(1), state: 'deleted', rule: 'short: delete = 30d' }],
  });
  t.same(await codesOf(archive, { ids: [idOf(2)] }), []);
  t.same(await codesOf(archive, { since: DAY }), []);
  const text = readFileSync(join(archive.directory, 'purged', '000000000007.json'), 'utf8');
  t.notMatch(text, /7001|7002|sales|audio/);
  await record(archive, 4);
  t.match(await verify(archive), { findings: [], head: { sequence: 8 } });
});

t.test('one bit flipped in an act, its signature or its name is found', async (t) => {
  const archive = await lived(t);
  const files = readdirSync(archive.directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\/(acts|purged)(\/|$)/.test(entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name));
  t.equal(files.length, 4);
  for (const file of files) {
    const bytes = readFileSync(file);
    for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(file, changed);
      t.not((await codesOf(archive)).length, 0, `${file} at ${at}`);
    }
    writeFileSync(file, bytes);
    renameSync(file, file.replace(/0(\d\.\w+)$/, '9$1'));
    t.not((await codesOf(archive)).length, 0, `${file} under another number`);
    renameSync(file.replace(/0(\d\.\w+)$/, '9$1'), file);
  }
  t.same(await codesOf(archive), []);
});

t.test('an act that is gone shows', async (t) => {
  const archive = await lived(t);
  rmSync(join(archive.directory, actsFolder(idOf(2))), { recursive: true });
  t.same(await codesOf(archive), ['act-missing']);
  t.same(await codesOf(archive, { ids: [idOf(2)] }), ['act-missing']);
  rmSync(join(archive.directory, 'purged'), { recursive: true });
  t.same(await codesOf(archive), ['act-missing', 'recording-missing']);
});

t.test('a forged deletion deletes nothing', async (t) => {
  const archive = await lived(t);
  const purged = join(archive.directory, 'purged');
  // Somebody deletes a recording, and copies the entry of another one for it.
  rmSync(join(archive.directory, pathOf(3)), { recursive: true });
  t.same(await codesOf(archive), ['recording-missing']);
  const forged = readFileSync(join(purged, '000000000007.json'), 'utf8').replaceAll(idOf(1), idOf(3));
  writeFileSync(join(purged, '000000000008.json'), forged.replace('"sequence": 7,', '"sequence": 8,'));
  copyFileSync(join(purged, '000000000007.sig'), join(purged, '000000000008.sig'));
  t.same(await codesOf(archive), ['act-invalid', 'recording-missing']);
  writeFileSync(join(purged, '000000000008.json'), forged);
  t.same(await codesOf(archive), ['recording-missing', 'signature-wrong']);
});

t.test('one signed by another key is not believed', async (t) => {
  const archive = await lived(t);
  const theirs = {
    directory: archive.directory,
    signingKey: join(dirname(archive.signingKey), 'theirs.pem'),
  };
  await purge(theirs, 2);
  t.same(await codesOf(archive), [], 'a key of the archive: see grec-verify(1), What cannot be seen');
  const trusted = [readSigner(archive.signingKey).keyId];
  t.ok((await codesOf(archive, { trusted })).includes('key-untrusted'));
});

t.test('a deleted recording that is put back, or was not deleted to the end, is found', async (t) => {
  const archive = emptyArchive(t);
  await record(archive, 1);
  const copy = join(archive.directory, '..', 'copy');
  cpSync(join(archive.directory, pathOf(1)), copy, { recursive: true });
  await purge(archive, 1);
  t.same(await codesOf(archive), []);
  cpSync(copy, join(archive.directory, pathOf(1)), { recursive: true });
  t.same(await codesOf(archive), ['recording-deleted']);
  t.same(await codesOf(archive, { now: Date.now() }), [], 'it may be under way');
});

t.test('the notes of the chain are made again from manifests and acts', async (t) => {
  const archive = await lived(t);
  const [notes = ''] = listLinksFiles(archive.directory);
  const before = readFileSync(join(archive.directory, notes), 'utf8');
  const moved = { ...archive, directory: `${archive.directory}-` };
  renameSync(archive.directory, moved.directory);
  rmSync(join(moved.directory, 'chain'), { recursive: true });
  await repairChain(moved.directory);
  t.equal(readFileSync(join(moved.directory, notes), 'utf8'), before);
  await record(moved, 4);
  t.same(await codesOf(moved), []);
});

t.test(
  'an act that a crash or a full disk has cut off was not done, and the next one takes its number',
  async (t) => {
    const archive = emptyArchive(t);
    await record(archive, 1);
    const folder = join(archive.directory, actsFolder(idOf(1)));
    mkdirSync(dirname(folder), { recursive: true });
    writeFileSync(folder, 'in the way');
    await t.rejects(hold(archive, 1), { code: /EEXIST|ENOTDIR/ });
    rmSync(folder);
    mkdirSync(folder);
    // The signature comes first.
    writeFileSync(join(folder, '000000000002.sig'), 'half');
    t.same(await codesOf(archive), []);
    const moved = { ...archive, directory: `${archive.directory}-` };
    renameSync(archive.directory, moved.directory);
    t.equal((await repairChain(moved.directory))?.sequence, 1);
    t.match(await hold(moved, 1), { sequence: 2 });
    t.same(await codesOf(moved), []);
  },
);

t.test('an act in its place whose link is not noted yet is noted at the next start', async (t) => {
  const archive = emptyArchive(t);
  await record(archive, 1);
  await hold(archive, 1);
  const notes = join(archive.directory, 'chain', '000000000001.jsonl');
  const [first = '', second = ''] = readFileSync(notes, 'utf8').split('\n');
  writeFileSync(notes, `${first}\n`);
  writeFileSync(join(archive.directory, 'chain', 'pending'), `${second}\n`);
  const moved = { ...archive, directory: `${archive.directory}-` };
  renameSync(archive.directory, moved.directory);
  t.match(await repairChain(moved.directory), { sequence: 2, id: idOf(1) });
  t.same(await codesOf(moved), []);
});

t.test('hostile acts are findings: nothing outside is read, nothing grows', async (t) => {
  const archive = await lived(t);
  const folder = join(archive.directory, actsFolder(idOf(2)));
  writeFileSync(join(folder, '000000000099.json'), '['.repeat(100_000));
  writeFileSync(join(folder, 'README'), 'hello');
  mkdirSync(join(archive.directory, 'acts', 'zz', 'other'), { recursive: true });
  writeFileSync(join(archive.directory, 'purged', '000000000050.json'), '{}');
  t.same(await codesOf(archive), ['act-invalid', 'stranger']);
  t.match(parseAct(Buffer.from('{"version":1}')), { problem: /./ });
});
