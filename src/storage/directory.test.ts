// A storage in a directory: whole files, and nothing is written where a disk is not mounted.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { DirectoryStore } from './directory.ts';
import { sha256 } from './hash-fixture.ts';
import { probe } from './probe.ts';
import type { StoredFile } from './store.ts';

function fileOf(text: string): StoredFile {
  const bytes = Buffer.from(text);
  return { size: bytes.length, sha256: sha256(bytes), open: () => Readable.from([bytes]) };
}

t.test('files are put, replaced, read and removed', async (t) => {
  const directory = t.testdir({});
  const store = new DirectoryStore(directory);
  await store.put('2026/01/31/a', fileOf('one'));
  await store.put('2026/01/31/a', fileOf('two'));
  t.same(readdirSync(join(directory, '2026/01/31')), ['a']);
  t.equal(readFileSync(join(directory, '2026/01/31/a'), 'utf8'), 'two');
  t.equal(await store.get('2026/01/31/b'), undefined);
  await store.remove('2026/01/31/b');
  await store.removeFolder('2026/01/31');
  await store.removeFolder('2026/01/31');
  t.same(readdirSync(join(directory, '2026/01')), []);
  await probe(store, 'probe', Buffer.from('probe'));
});

t.test('a disk that is not mounted is not written to, and says so', async (t) => {
  const directory = join(t.testdir({}), 'mnt');
  const store = new DirectoryStore(directory);
  const refused = { code: 'STORAGE_REFUSED', hint: /mounted/ };
  await t.rejects(store.put('2026/a', fileOf('one')), refused);
  await t.rejects(store.remove('2026/a'), refused);
  mkdirSync(directory);
  await store.put('2026/a', fileOf('one'));
});

t.test('what stands in the way of one file is of that file', async (t) => {
  const directory = t.testdir({});
  const store = new DirectoryStore(directory);
  writeFileSync(join(directory, '2026'), 'a file');
  await t.rejects(store.put('2026/01/a', fileOf('one')), { code: /STORAGE_REJECTED|STORAGE_UNREACHABLE/ });
  await t.rejects(store.put('b'.repeat(300), fileOf('one')), { code: 'STORAGE_REJECTED' });
});

t.test('what is under way ends when the store is closed', async (t) => {
  const store = new DirectoryStore(t.testdir({}));
  const endless = { size: 1, sha256: '', open: () => new Readable({ read() {} }) };
  const put = store.put('a', endless);
  store.close();
  await t.rejects(put);
});
