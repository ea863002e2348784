// Whatever is changed in an archive is found, and said where; what is as it was is not accused.
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  type Archive,
  archiveOf,
  DAY,
  emptyArchive,
  findingsOf,
  folderOf,
  idOf,
  OLD_ID,
  record,
  recordUnsigned,
} from './chained-fixture.ts';
import { BLOCK_BYTES } from './digest.ts';
import type { Finding } from './finding.ts';
import { readSigner, rotateSigningKey } from './signing-key.ts';
import { verifyArchive } from './verify.ts';

const DAY_MS = 86_400_000;

const notesOf = (archive: Archive) => join(archive.directory, 'chain', '000000000001.jsonl');
const codes = (findings: Finding[]) => findings.map(({ code }) => code).sort();

t.test('a change in a large file is placed by its block of 1 MiB', async (t) => {
  const archive = emptyArchive(t);
  const audio = Buffer.alloc(3 * BLOCK_BYTES + 5, 7);
  await record(archive, 1, { audio });
  t.same(await findingsOf(archive), []);
  const file = join(folderOf(archive, 1), 'audio.wav');
  const changed = Buffer.from(audio);
  changed[BLOCK_BYTES] = 8;
  changed[3 * BLOCK_BYTES + 4] = 8;
  writeFileSync(file, changed);
  t.match(await findingsOf(archive), [
    {
      code: 'file-changed',
      file: 'audio.wav',
      message: 'it has been changed: in bytes 1048576 to 2097151, 3145728 to 3145732',
      ranges: [
        { first: BLOCK_BYTES, last: 2 * BLOCK_BYTES - 1 },
        { first: 3 * BLOCK_BYTES, last: 3 * BLOCK_BYTES + 4 },
      ],
    },
  ]);
  writeFileSync(file, audio);
  truncateSync(file, BLOCK_BYTES);
  t.match(await findingsOf(archive), [
    { code: 'file-size', ranges: [{ first: BLOCK_BYTES, last: 3 * BLOCK_BYTES + 4 }] },
  ]);
  writeFileSync(file, Buffer.concat([audio, Buffer.from('more')]));
  t.match(await findingsOf(archive), [
    { code: 'file-size', ranges: [{ first: 3 * BLOCK_BYTES + 5, last: 3 * BLOCK_BYTES + 8 }] },
  ]);
});

t.test('a recording that is deleted is named', async (t) => {
  const archive = await archiveOf(t, 4);
  rmSync(folderOf(archive, 2), { recursive: true });
  const gone = [{ code: 'recording-missing', id: idOf(2), sequence: 2 }];
  t.match(await findingsOf(archive), gone);
  t.match(await findingsOf(archive, { ids: [idOf(2)] }), gone, 'also when it is asked for');
  t.match(await findingsOf(archive, { ids: [idOf(3)] }), gone, 'and when the one after it is');
  t.same(await findingsOf(archive, { ids: [idOf(4)] }), []);
  t.match(await findingsOf(archive, { since: DAY }), gone);
});

t.test('a recording that is deleted together with its note leaves a gap', async (t) => {
  const archive = await archiveOf(t, 4);
  rmSync(folderOf(archive, 2), { recursive: true });
  const lines = readFileSync(notesOf(archive), 'utf8').split('\n');
  writeFileSync(notesOf(archive), lines.filter((line) => !line.includes(idOf(2))).join('\n'));
  t.match(await findingsOf(archive), [
    { code: 'link-missing', message: 'link 2 is missing: no recording and no note has the number' },
  ]);
});

t.test('a manifest or a signature that is deleted is missed, and files too', async (t) => {
  const archive = await archiveOf(t, 3);
  rmSync(join(folderOf(archive, 1), 'manifest.json'));
  rmSync(join(folderOf(archive, 2), 'manifest.sig'));
  rmSync(join(folderOf(archive, 3), 'audio.wav'));
  t.match(await findingsOf(archive), [
    { code: 'manifest-missing', id: idOf(1) },
    { code: 'signature-missing', id: idOf(2), file: 'manifest.sig' },
    { code: 'file-missing', id: idOf(3), file: 'audio.wav' },
  ]);
});

t.test('two recordings that are swapped are found, each by its name', async (t) => {
  const archive = await archiveOf(t, 3);
  const [one, two] = [folderOf(archive, 1), folderOf(archive, 2)];
  renameSync(one, `${one}x`);
  renameSync(two, one);
  renameSync(`${one}x`, two);
  const findings = await findingsOf(archive);
  t.match(findings, [
    { code: 'misplaced', id: idOf(1), message: `it is the manifest of recording ${idOf(2)}` },
    { code: 'misplaced', id: idOf(2) },
  ]);
  t.ok(codes(findings).includes('links-damaged'), 'their notes say otherwise');
});

t.test('a recording that is moved to another day, or copied, is found', async (t) => {
  const archive = await archiveOf(t, 2);
  const other = join(archive.directory, '2026/02/01');
  mkdirSync(other, { recursive: true });
  cpSync(folderOf(archive, 1), join(other, idOf(1)), { recursive: true });
  const misplaced = { code: 'misplaced', path: `2026/02/01/${idOf(1)}`, message: /belongs in 2026\/01\/31/ };
  t.match(await findingsOf(archive), [misplaced, { code: 'link-double', sequence: 1 }]);
  rmSync(folderOf(archive, 1), { recursive: true });
  t.match(await findingsOf(archive), [misplaced, { code: 'links-damaged', sequence: 1 }]);
});

t.test('manifests that are swapped with their signatures are found', async (t) => {
  const archive = await archiveOf(t, 2);
  for (const name of ['manifest.json', 'manifest.sig']) {
    const [one, two] = [join(folderOf(archive, 1), name), join(folderOf(archive, 2), name)];
    const bytes = readFileSync(one);
    cpSync(two, one);
    writeFileSync(two, bytes);
  }
  t.ok(codes(await findingsOf(archive)).filter((code) => code === 'misplaced').length === 2);
});

t.test('an older manifest in the place of a newer one is found', async (t) => {
  const archive = await archiveOf(t, 1);
  const old = join(archive.directory, '..', 'old');
  cpSync(folderOf(archive, 1), old, { recursive: true });
  await record(archive, 1, { audio: Buffer.from('made again') });
  rmSync(folderOf(archive, 1), { recursive: true });
  renameSync(old, folderOf(archive, 1));
  t.match(await findingsOf(archive), [{ code: 'recording-missing', sequence: 2 }]);
});

t.test(
  'the end of the chain that is cut off shows as long as its notes, or a link noted elsewhere, are there',
  async (t) => {
    const archive = await archiveOf(t, 4);
    const { head } = await verifyArchive({ archive: archive.directory });
    t.match(head, { sequence: 4, sha256: /^[0-9a-f]{64}$/ });
    rmSync(folderOf(archive, 4), { recursive: true });
    t.match(await findingsOf(archive), [{ code: 'recording-missing', sequence: 4 }]);
    const lines = readFileSync(notesOf(archive), 'utf8').split('\n');
    writeFileSync(notesOf(archive), `${lines.slice(0, 3).join('\n')}\n`);
    t.same(await findingsOf(archive), [], 'this cannot be seen');
    t.match(await findingsOf(archive, { expected: head ?? { sequence: 0, sha256: '' } }), [
      { code: 'link-missing', sequence: 4, message: /was expected, is missing/ },
    ]);
    t.match(await findingsOf(archive, { expected: { sequence: 3, sha256: '0'.repeat(64) } }), [
      { code: 'link-broken', sequence: 3 },
    ]);
  },
);

t.test('notes that are gone are told, whole or in part', async (t) => {
  const archive = await archiveOf(t, 3);
  const lines = readFileSync(notesOf(archive), 'utf8').split('\n');
  writeFileSync(notesOf(archive), `${lines.slice(0, 2).join('\n')}\n`);
  t.match(await findingsOf(archive), [{ code: 'links-missing', sequence: 3 }]);
  rmSync(join(archive.directory, 'chain'), { recursive: true });
  t.match(await findingsOf(archive), [{ code: 'links-missing', path: 'chain' }]);
  t.same(await findingsOf(archive, { ids: [idOf(1)] }), [], 'one recording of a copy is proved without');
});

t.test('what was archived before manifests were signed is named, and is no forgery', async (t) => {
  const archive = emptyArchive(t);
  const path = recordUnsigned(archive, DAY - DAY_MS);
  t.match(await verifyArchive({ archive: archive.directory }), { findings: [], recordings: 1, unsigned: 1 });
  await record(archive, 1);
  t.match(await verifyArchive({ archive: archive.directory }), { findings: [], recordings: 2, unsigned: 1 });
  t.match(await verifyArchive({ archive: archive.directory, ids: [OLD_ID] }), {
    findings: [],
    asked: [{ id: OLD_ID, state: 'unsigned' }],
  });
  appendFileSync(join(archive.directory, path, 'audio.wav'), 'x');
  t.match(await findingsOf(archive), [{ code: 'file-size', id: OLD_ID }]);
});

t.test('who puts an unsigned recording among signed ones, or takes a signature away, is found', async (t) => {
  const archive = await archiveOf(t, 2);
  const later = '00000000-0000-4000-8000-00000000002d';
  recordUnsigned(archive, Date.now() + DAY_MS, later);
  rmSync(folderOf(archive, 2), { recursive: true });
  recordUnsigned(archive, DAY, idOf(2));
  const findings = await findingsOf(archive);
  t.match(findings, [
    { code: 'recording-missing', id: idOf(2) },
    { code: 'unsigned', id: later },
  ]);
  t.equal(findings.length, 2);
  t.match(await findingsOf(archive, { ids: [idOf(2)] }), [{ code: 'recording-missing', id: idOf(2) }]);
});

t.test('who signs with a key of their own is not believed when a key is named', async (t) => {
  const archive = await archiveOf(t, 1);
  const { keyId } = readSigner(archive.signingKey);
  const fresh = rotateSigningKey(archive.signingKey, archive.directory);
  t.not(fresh.keyId, keyId);
  await record(archive, 2);
  t.same(await findingsOf(archive), [], 'several keys are known, each by its id');
  t.match(await findingsOf(archive, { trusted: [keyId] }), [{ code: 'key-untrusted', id: idOf(2) }]);
  t.same(await findingsOf(archive, { trusted: [keyId, fresh.keyId] }), []);
  rmSync(join(archive.directory, 'keys', `${keyId}.pem`));
  t.match(await findingsOf(archive), [
    { code: 'key-missing', id: idOf(1), message: /is not in the archive's keys/ },
  ]);
});

t.test('a copy is verified without its private key, wherever it lies', async (t) => {
  const archive = await archiveOf(t, 3);
  const copy = join(archive.directory, '..', 'copy');
  cpSync(archive.directory, copy, { recursive: true });
  rmSync(archive.directory, { recursive: true });
  rmSync(archive.signingKey);
  t.match(await verifyArchive({ archive: copy }), { findings: [], recordings: 3, head: { sequence: 3 } });
});

t.test('two chains that were put together are told', async (t) => {
  const archive = await archiveOf(t, 2);
  const other = { ...archive, directory: `${archive.directory}-2` };
  cpSync(archive.directory, other.directory, { recursive: true });
  await record(archive, 3);
  await record(other, 4);
  renameSync(folderOf(other, 4), folderOf(archive, 4));
  t.match(await findingsOf(archive), [
    { code: 'link-double', sequence: 3, message: /link 3 is that of recording .* as well/ },
  ]);
});

t.test(
  'recordings are asked for by a part of their ids or as the last; what names none, or several, is refused',
  async (t) => {
    const archive = await archiveOf(t, 3);
    const verified = async (...ids: string[]) =>
      (await verifyArchive({ archive: archive.directory, ids })).asked;
    t.match(await verified('000000000002'), [{ id: idOf(2), state: 'signed' }]);
    t.match(await verified('last', idOf(1), idOf(1)), [{ id: idOf(3) }, { id: idOf(1) }]);
    await t.rejects(verified('7000-8000'), { code: 'RECORDING_AMBIGUOUS' });
    await t.rejects(verified('beef'), { code: 'RECORDING_UNKNOWN', hint: /at least 4 hex digits/ });
    await t.rejects(verified('../../etc'), { code: 'RECORDING_UNKNOWN' });
    await t.rejects(verifyArchive({ archive: join(archive.directory, 'none') }), {
      code: 'ARCHIVE_UNREADABLE',
    });
  },
);

t.test('an archive that goes on growing while it is verified is not accused', async (t) => {
  const archive = await archiveOf(t, 5);
  const [report] = await Promise.all([
    verifyArchive({ archive: archive.directory }),
    ...[6, 7, 8, 3].map((number) => record(archive, number, { audio: Buffer.from(`later ${number}`) })),
  ]);
  t.same(report.findings, []);
  t.same(await findingsOf(archive), []);
});
