// Archives that somebody has prepared: nothing outside is read, nothing is followed, nothing grows, and all of it is told.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { archiveOf, findingsOf, folderOf, idOf } from './chained-fixture.ts';
import type { Finding } from './finding.ts';

const codes = (findings: Finding[]) => findings.map(({ code }) => code).sort();

t.test('hostile manifests are findings: nothing outside is read, nothing grows, nothing hangs', async (t) => {
  const archive = await archiveOf(t, 2);
  const file = join(folderOf(archive, 1), 'manifest.json');
  const good = JSON.parse(readFileSync(file, 'utf8'));
  const [audio, ...others] = good.files;
  const hostile: [string, string | Buffer][] = [
    ['a path outside', JSON.stringify({ ...good, files: [{ ...audio, path: '../../../../../etc/passwd' }] })],
    ['an absolute path', JSON.stringify({ ...good, files: [{ ...audio, path: '/etc/passwd' }] })],
    ['a path twice', JSON.stringify({ ...good, files: [audio, audio, ...others] })],
    ['itself', JSON.stringify({ ...good, files: [{ ...audio, path: 'manifest.json' }] })],
    ['a size without end', JSON.stringify({ ...good, files: [{ ...audio, size: 1e308 }] })],
    ['a size below nothing', JSON.stringify({ ...good, files: [{ ...audio, size: -1 }] })],
    ['a size without its blocks', JSON.stringify({ ...good, files: [{ ...audio, size: 9e15 }] })],
    ['an endless number', JSON.stringify({ ...good, sequence: 9e15, revision: 9e15 })],
    ['a number that cannot be', readFileSync(file, 'utf8').replace('"sequence": 1', '"sequence": 1e999')],
    ['depth', `${'['.repeat(1e6)}${']'.repeat(1e6)}`],
    ['no text', Buffer.from([0xff, 0xfe, 0x00])],
    ['a prototype', '{"__proto__":{"version":2}}'],
    ['nothing', ''],
    ['null', 'null'],
  ];
  for (const [name, bytes] of hostile) {
    writeFileSync(file, bytes);
    const findings = await findingsOf(archive);
    t.match(
      findings[0],
      { id: idOf(1), file: 'manifest.json', code: /manifest-invalid|signature-wrong/ },
      name,
    );
  }
  const old = {
    version: 1,
    id: idOf(1),
    createdAt: '',
    files: [
      { path: '../x', size: 9e15, sha256: '' },
      { path: 'audio.wav', size: 9e15, sha256: '' },
    ],
  };
  writeFileSync(file, JSON.stringify(old));
  t.ok(codes(await findingsOf(archive)).includes('manifest-invalid'), 'also one that claims to be old');
  truncateSync(file, 20 << 20);
  t.match((await findingsOf(archive))[0], { code: 'file-unreadable', message: /too large/ });
});

t.test('links of the file system are never followed', async (t) => {
  const archive = await archiveOf(t, 2);
  const outside = join(archive.directory, '..', 'outside');
  mkdirSync(outside);
  for (const name of ['audio.wav', 'manifest.json']) {
    renameSync(join(folderOf(archive, name === 'audio.wav' ? 1 : 2), name), join(outside, name));
    symlinkSync(join(outside, name), join(folderOf(archive, name === 'audio.wav' ? 1 : 2), name));
  }
  symlinkSync(folderOf(archive, 1), folderOf(archive, 3));
  symlinkSync(outside, join(archive.directory, '2025'));
  symlinkSync('/dev/zero', join(archive.directory, 'keys', `${'0'.repeat(64)}.pem`));
  symlinkSync('/dev/zero', join(archive.directory, 'chain', '000000010001.jsonl'));
  rmSync(join(archive.directory, 'chain', 'pending'));
  symlinkSync('/dev/zero', join(archive.directory, 'chain', 'pending'));
  const findings = await findingsOf(archive);
  const linked = findings.filter(({ message }) => message.includes('symbolic link'));
  t.match(linked.map(({ path, file }) => [path, file].filter(Boolean).join('/')).sort(), [
    '2025',
    `2026/01/31/${idOf(1)}/audio.wav`,
    `2026/01/31/${idOf(2)}/manifest.json`,
    `2026/01/31/${idOf(3)}`,
    'chain/000000010001.jsonl',
    'chain/pending',
    `keys/${'0'.repeat(64)}.pem`,
  ]);
  t.ok(existsSync(join(outside, 'audio.wav')));
});

t.test('files that nobody archived are named, those in the making are not', async (t) => {
  const archive = await archiveOf(t, 1);
  writeFileSync(join(folderOf(archive, 1), 'note.txt'), '');
  writeFileSync(join(archive.directory, '2026/01/31/thumbs.db'), '');
  mkdirSync(join(archive.directory, `2026/01/31/.${idOf(9)}.tmp`));
  mkdirSync(join(archive.directory, 'lost+found'));
  t.match(await findingsOf(archive), [
    { code: 'file-unknown', file: 'note.txt', id: idOf(1) },
    { code: 'stranger', path: '2026/01/31/thumbs.db' },
  ]);
});
