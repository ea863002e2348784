// The chain of manifests comes out right however a process ends, and is found again from the archive alone.
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { addToChain, repairChain } from './chain.ts';
import { type Archive, DAY, emptyArchive, idOf, record } from './chained-fixture.ts';
import { sha256 } from './digest.ts';
import { encodeLink, type Link, parseLink } from './links.ts';
import { readManifest, verifyFiles } from './read.ts';
import { verifyArchive } from './verify.ts';
import { removeLeftovers, stageRecording } from './write.ts';

const notes = ({ directory }: Archive) => join(directory, 'chain', '000000000001.jsonl');
const pending = ({ directory }: Archive) => join(directory, 'chain', 'pending');

function links(archive: Archive): Link[] {
  const lines = readFileSync(notes(archive), 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => parseLink(line) ?? { sequence: 0, id: line, path: '', sha256: '' });
}

/** The same archive where no process remembers anything of it. */
function afterRestart(archive: Archive): Archive {
  const moved = { ...archive, directory: `${archive.directory}-` };
  renameSync(archive.directory, moved.directory);
  return moved;
}

async function problemsOf(archive: Archive): Promise<string[]> {
  const { findings } = await verifyArchive({ archive: archive.directory });
  return findings.map(({ path, file, message }) => [path, file, message].filter(Boolean).join(' '));
}

t.test(
  'each manifest carries number and hash of the one before, also when several are made at once',
  async (t) => {
    const archive = emptyArchive(t);
    const paths = await Promise.all([1, 2, 3, 4, 5].map((number) => record(archive, number)));
    const noted = links(archive);
    t.same(
      noted.map(({ sequence }) => sequence),
      [1, 2, 3, 4, 5],
    );
    t.same(new Set(noted.map(({ path }) => path)), new Set(paths));
    for (const { sequence, path } of noted) {
      const before = noted[sequence - 2];
      const manifest = readManifest(join(archive.directory, path));
      t.match(manifest, {
        version: 2,
        sequence,
        revision: 1,
        previous: before === undefined ? null : { sequence: sequence - 1, sha256: before.sha256 },
        startTime: '2026-01-31T09:00:0',
        captures: [{ segment: /^segment-/, size: 3 }],
      });
    }
    t.equal(statSync(pending(archive)).size, 0);
    t.same(await problemsOf(archive), []);
  },
);

t.test('the key is its owner’s alone, and its public half is in the archive', async (t) => {
  const archive = emptyArchive(t);
  const path = await record(archive, 1);
  t.equal(statSync(archive.signingKey).mode & 0o777, 0o600);
  const manifest = readManifest(join(archive.directory, path));
  t.same(readdirSync(join(archive.directory, 'keys')), [`${'key' in manifest ? manifest.key : ''}.pem`]);
  t.same(readdirSync(join(archive.signingKey, '..')), ['signing-key.pem']);
});

t.test('a process that ends after the recording has its place: the link is made good', async (t) => {
  const archive = emptyArchive(t);
  await record(archive, 1);
  const before = readFileSync(notes(archive));
  await record(archive, 2);
  const [, second] = links(archive);
  // As it was between rename and the notes.
  writeFileSync(notes(archive), before);
  writeFileSync(pending(archive), second === undefined ? '' : encodeLink(second));
  t.same(await problemsOf(archive), [], 'what is pending counts');
  const restarted = afterRestart(archive);
  t.match(await repairChain(restarted.directory), { sequence: 2 });
  t.same(links(restarted)[1], second);
  await record(restarted, 3);
  t.match(links(restarted)[2], { sequence: 3, id: idOf(3) });
  t.same(await problemsOf(restarted), []);
});

t.test('a process that ends before that: its number is used again', async (t) => {
  const archive = emptyArchive(t);
  await record(archive, 1);
  const lost = { sequence: 2, id: idOf(2), path: `2026/01/31/${idOf(2)}`, sha256: sha256(Buffer.from('x')) };
  writeFileSync(pending(archive), encodeLink(lost));
  const restarted = afterRestart(archive);
  t.match(await repairChain(restarted.directory), { sequence: 1 });
  await record(restarted, 3);
  t.match(links(restarted), [{ sequence: 1 }, { sequence: 2, id: idOf(3) }]);
  t.same(await problemsOf(restarted), []);
});

t.test('notes that were being written when the power failed are passed over', async (t) => {
  const archive = emptyArchive(t);
  await record(archive, 1);
  appendFileSync(notes(archive), '{"sequence":2,"id":"019aa');
  appendFileSync(pending(archive), '{"sequence":2,');
  t.same(await problemsOf(archive), []);
  const restarted = afterRestart(archive);
  await record(restarted, 2);
  t.equal(links(restarted).length, 2);
  t.same(await problemsOf(restarted), []);
});

t.test('place that fails leaves no link, and the next one is numbered as if it had not been', async (t) => {
  const archive = emptyArchive(t);
  await record(archive, 1);
  const path = `2026/01/31/${idOf(2)}`;
  const entry = {
    prepare: async () => ({ id: idOf(2), path, sha256: sha256(Buffer.from('')) }),
    place: () => Promise.reject(new Error('full')),
  };
  await t.rejects(addToChain(archive.directory, entry), { message: 'full' });
  await record(archive, 3);
  t.match(links(archive), [{ sequence: 1 }, { sequence: 2, id: idOf(3) }]);
});

t.test('the notes are made again from the manifests', async (t) => {
  const archive = emptyArchive(t);
  for (const number of [1, 2, 3]) await record(archive, number);
  const before = readFileSync(notes(archive), 'utf8');
  rmSync(join(archive.directory, 'chain'), { recursive: true });
  const restarted = afterRestart(archive);
  t.match(await repairChain(restarted.directory), { sequence: 3 });
  t.equal(readFileSync(notes(restarted), 'utf8'), before);
});

t.test('a last note that is damaged does not bend the chain', async (t) => {
  const archive = emptyArchive(t);
  for (const number of [1, 2]) await record(archive, number);
  const text = readFileSync(notes(archive), 'utf8');
  writeFileSync(notes(archive), text.replace('"sequence":2', '"sequence":3'));
  const restarted = afterRestart(archive);
  await record(restarted, 3);
  t.match(readManifest(join(restarted.directory, `2026/01/31/${idOf(3)}`)), { sequence: 3 });
});

t.test('who deletes the newest recording while grec-procd runs leaves a gap', async (t) => {
  const archive = emptyArchive(t);
  await record(archive, 1);
  const before = readFileSync(notes(archive));
  const gone = await record(archive, 2);
  rmSync(join(archive.directory, gone), { recursive: true });
  writeFileSync(notes(archive), before);
  await record(archive, 3);
  t.match(await problemsOf(archive), [/link 2 is missing/]);
});

t.test('a recording that is made again keeps its older manifests, which are links', async (t) => {
  const archive = emptyArchive(t);
  for (const number of [1, 2]) await record(archive, number);
  for (const text of ['more audio', 'all audio']) await record(archive, 1, { audio: Buffer.from(text) });
  const folder = join(archive.directory, `2026/01/31/${idOf(1)}`);
  t.match(readManifest(folder), { sequence: 4, revision: 3, previous: { sequence: 3 } });
  t.same(readdirSync(folder).sort(), [
    'audio.wav',
    'manifest.1.json',
    'manifest.1.sig',
    'manifest.2.json',
    'manifest.2.sig',
    'manifest.json',
    'manifest.sig',
    'metadata.json',
  ]);
  t.ok(verifyFiles(folder).ok);
  t.same(readdirSync(join(folder, '..')).length, 2, 'nothing is left of what was replaced');
  t.same(await problemsOf(archive), []);
  rmSync(join(folder, 'manifest.1.json'));
  t.match(await problemsOf(archive), [/manifest.1.json it is missing/]);
});

t.test('a process that ends while a recording is replaced: what it was comes back', async (t) => {
  const archive = emptyArchive(t);
  const path = await record(archive, 1);
  const folder = join(archive.directory, path);
  const hidden = join(folder, '..', `.${idOf(1)}.old`);
  renameSync(folder, hidden);
  mkdirSync(join(folder, '..', `.${idOf(1)}.tmp`));
  t.same(await removeLeftovers(archive.directory, [DAY]), [`.${idOf(1)}.tmp`]);
  t.ok(verifyFiles(folder).ok);
  cpSync(folder, hidden, { recursive: true });
  t.same(await removeLeftovers(archive.directory, [DAY]), [`.${idOf(1)}.old`]);
  t.ok(existsSync(folder));
  t.same(await problemsOf(archive), []);
  renameSync(folder, hidden);
  await record(archive, 1, { audio: Buffer.from('again') });
  t.match(readManifest(folder), { revision: 2 }, 'also when the recording is made again at once');
  t.same(await problemsOf(archive), []);
});

t.test(
  'rule 10: a key that others may read, or that is none, is refused, and nothing is archived',
  async (t) => {
    const archive = emptyArchive(t);
    mkdirSync(join(archive.signingKey, '..'), { recursive: true });
    writeFileSync(archive.signingKey, 'no key', { mode: 0o600 });
    await t.rejects(record(archive, 1), {
      code: 'SIGNING_KEY_UNUSABLE',
      hint: /PKCS #8 PEM, with mode 0600/,
    });
    rmSync(archive.signingKey);
    writeFileSync(archive.signingKey, '', { mode: 0o644 });
    await t.rejects(record(archive, 1), { code: 'SIGNING_KEY_UNUSABLE', message: /others than its owner/ });
    t.notOk(existsSync(join(archive.directory, `2026/01/31/${idOf(1)}`)));
    const staging = await stageRecording(archive, idOf(1), DAY);
    await staging.discard();
  },
);

t.test('a forged manifest does not number the chain when its notes are gone', async (t) => {
  const archive = emptyArchive(t);
  for (const number of [1, 2]) await record(archive, number);
  const file = join(archive.directory, `2026/01/31/${idOf(1)}`, 'manifest.json');
  const forged = { sequence: 9_007_199_254_740_991, sha256: '0'.repeat(64) };
  const text = readFileSync(file, 'utf8');
  const { sequence } = forged;
  const previous = JSON.stringify({ ...forged, sequence: sequence - 1 });
  writeFileSync(
    file,
    text
      .replace('"sequence": 1', `"sequence": ${sequence}`)
      .replace('"previous": null', `"previous": ${previous}`),
  );
  rmSync(join(archive.directory, 'chain'), { recursive: true });
  const restarted = afterRestart(archive);
  await record(restarted, 3);
  t.match(readManifest(join(restarted.directory, `2026/01/31/${idOf(3)}`)), { sequence: 3 });
});

t.test('what is linked into a recording is not taken over when it is made again', async (t) => {
  const archive = emptyArchive(t);
  const folder = join(archive.directory, await record(archive, 1));
  symlinkSync(archive.signingKey, join(folder, 'manifest.7.json'));
  await record(archive, 1, { audio: Buffer.from('again') });
  t.notOk(existsSync(join(folder, 'manifest.7.json')));
  t.same(await problemsOf(archive), []);
});

t.test('a link that cannot be noted, as on a full disk, is noted with the next one', async (t) => {
  const archive = emptyArchive(t);
  await record(archive, 1);
  const path = `2026/01/31/${idOf(2)}`;
  const folder = join(archive.directory, path);
  const bytes = Buffer.from('a manifest');
  const place = async () => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'manifest.json'), bytes);
    renameSync(notes(archive), `${notes(archive)}.kept`);
    mkdirSync(notes(archive));
  };
  await t.rejects(
    addToChain(archive.directory, {
      prepare: async () => ({ id: idOf(2), path, sha256: sha256(bytes) }),
      place,
    }),
    { code: 'EISDIR' },
  );
  rmSync(notes(archive), { recursive: true });
  renameSync(`${notes(archive)}.kept`, notes(archive));
  await record(archive, 3);
  t.match(links(archive), [
    { sequence: 1 },
    { sequence: 2, id: idOf(2), sha256: sha256(bytes) },
    { sequence: 3, id: idOf(3) },
  ]);
});
