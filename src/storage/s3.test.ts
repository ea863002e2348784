// S3: objects whole and in parts, every mistake of server and configuration told for what it is.
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { S3Server, type S3ServerOptions } from '../testing/s3-server.ts';
import { partsOf, type S3Options, S3Store } from './s3.ts';
import { localFile, type StoredFile } from './store.ts';

const MIB = 1 << 20;
const SECRET = 'wJalrXUtnFEMI/K7MDENG+secret';
const ACCOUNT = { bucket: 'recordings', accessKey: 'AKEXAMPLE', secretKey: SECRET, region: 'eu-central-1' };

async function prepare(t: Test, more: Partial<S3ServerOptions> = {}, options: Partial<S3Options> = {}) {
  const server = new S3Server({ ...ACCOUNT, ...more });
  const url = await server.listen();
  const directory = t.testdir({});
  const secretKeyFile = join(directory, 'secret');
  writeFileSync(secretKeyFile, `${SECRET}\n`, { mode: 0o600 });
  const { bucket, accessKey, region } = ACCOUNT;
  const store = new S3Store({
    url,
    timeout: 2,
    bucket,
    accessKey,
    region,
    secretKeyFile,
    prefix: 'grec/',
    addressing: 'path',
    partSize: 5 * MIB,
    ...options,
  });
  t.teardown(() => {
    store.close();
    server.close();
  });
  const file = (bytes: Buffer): StoredFile => {
    const path = join(directory, 'file');
    writeFileSync(path, bytes);
    return localFile(path, { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  };
  return { server, store, file, url };
}

async function readAll(body: Readable | undefined): Promise<Buffer | undefined> {
  if (body === undefined) return undefined;
  const pieces: Buffer[] = [];
  for await (const piece of body as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

t.test('an object is put, read, replaced and removed', async (t) => {
  const { server, store, file } = await prepare(t);
  t.equal(await store.get('2026/a file'), undefined);
  await store.put('2026/a file', file(Buffer.from('one')));
  await store.put('2026/a file', file(Buffer.from('another')));
  await store.put('2026/empty', file(Buffer.alloc(0)));
  t.same([...server.objects.keys()], ['grec/2026/a file', 'grec/2026/empty']);
  t.same(await readAll(await store.get('2026/a file')), Buffer.from('another'));
  t.same(await readAll(await store.get('2026/empty')), Buffer.alloc(0));
  await store.remove('2026/a file');
  await store.remove('2026/a file');
  await store.removeFolder('2026', ['empty', 'never there']);
  t.equal(server.objects.size, 0);
  t.notMatch(store.place, SECRET);
});

t.test('a large one goes in parts, and what an earlier attempt left is abandoned', async (t) => {
  const { server, store, file } = await prepare(t);
  server.uploads.set('left behind', { key: 'grec/large', parts: new Map() });
  server.uploads.set('of another', { key: 'grec/large.json', parts: new Map() });
  const bytes = randomBytes(11 * MIB + 3);
  await store.put('large', file(bytes));
  t.ok(server.objects.get('grec/large')?.equals(bytes));
  t.same([...server.uploads.keys()], ['of another']);
  t.equal(server.asked.filter((line) => line === 'PUT grec/large').length, 3);
  t.ok((await readAll(await store.get('large')))?.equals(bytes));
});

t.test('parts: as large as asked for, larger when there would be too many', async (t) => {
  t.same(partsOf(12, 5), [
    { first: 0, last: 4 },
    { first: 5, last: 9 },
    { first: 10, last: 11 },
  ]);
  t.equal(partsOf(10, 5).length, 2);
  const many = partsOf(10_001 * 7, 5);
  t.equal(many.length, 8751);
  t.equal(many.at(-1)?.last, 10_001 * 7 - 1);
});

t.test('what is wrong is told for what it is', async (t) => {
  const one = Buffer.from('one');
  const cases: [string, Partial<S3ServerOptions>, { code: string; message?: RegExp }][] = [
    [
      'another secret',
      { secretKey: 'x' },
      { code: 'STORAGE_REFUSED', message: /403: SignatureDoesNotMatch/ },
    ],
    ['another key', { accessKey: 'x' }, { code: 'STORAGE_REFUSED', message: /InvalidAccessKeyId/ }],
    ['another bucket', { bucket: 'x' }, { code: 'STORAGE_REFUSED', message: /NoSuchBucket/ }],
    ['another region', { region: 'x' }, { code: 'STORAGE_REFUSED' }],
    ['it is full', { capacity: 1 }, { code: 'STORAGE_REFUSED', message: /507: InsufficientStorage/ }],
    ['it is busy', { meddle: say(503) }, { code: 'STORAGE_UNREACHABLE', message: /503/ }],
    ['it is too large', { meddle: say(413) }, { code: 'STORAGE_REJECTED', message: /413/ }],
    ['it gives up', { meddle: say(400, 'RequestTimeout') }, { code: 'STORAGE_UNREACHABLE' }],
    ['the key is no key', { meddle: say(400, 'InvalidArgument') }, { code: 'STORAGE_REJECTED' }],
    ['it redirects', { meddle: say(307) }, { code: 'STORAGE_REFUSED', message: /redirection/ }],
  ];
  for (const [name, more, expected] of cases) {
    const { store, file } = await prepare(t, more);
    await t.rejects(store.put('a', file(one)), expected, name);
  }
  const { store } = await prepare(t, { bucket: 'x' });
  await t.rejects(
    store.get('a'),
    { code: 'STORAGE_REFUSED' },
    'a bucket that is missing is no missing object',
  );
  await t.rejects(store.remove('a'), { code: 'STORAGE_REFUSED' });
});

t.test('a file that is not what was said of it is not taken', async (t) => {
  const { server, store, file } = await prepare(t);
  const other = { ...file(Buffer.from('one')), sha256: createHash('sha256').update('two').digest('hex') };
  await t.rejects(store.put('a', other), { code: 'STORAGE_REJECTED', message: /XAmzContentSHA256Mismatch/ });
  t.equal(server.objects.size, 0);
});

t.test('parts that cannot be put together, with 200 too', async (t) => {
  const meddle: S3ServerOptions['meddle'] = ({ method, query }, response) => {
    if (method !== 'POST' || !query.has('uploadId')) return false;
    response.writeHead(200).end('<Error><Code>InternalError</Code></Error>');
    return true;
  };
  const { store, file } = await prepare(t, { meddle });
  await t.rejects(store.put('a', file(Buffer.alloc(6 * MIB))), {
    code: 'STORAGE_UNREACHABLE',
    message: /InternalError/,
  });
});

t.test('a secret that cannot be read, or that everybody can', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'grec-secrets-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'open'), 'secret');
  chmodSync(join(directory, 'open'), 0o644);
  writeFileSync(join(directory, 'empty'), '', { mode: 0o600 });
  for (const [name, message] of [
    ['open', /open to everybody/],
    ['empty', /is empty/],
    ['missing', /cannot be read/],
  ] as const) {
    const { store } = await prepare(t, {}, { secretKeyFile: join(directory, name) });
    await t.rejects(store.get('a'), { code: 'CONFIG_INVALID', message }, name);
  }
});

t.test('virtual hosts name the bucket before the host', async (t) => {
  const options = { bucket: 'recordings', addressing: 'virtual-host' as const };
  const { store } = await prepare(t, {}, { ...options, url: 'https://s3.example.net/' });
  t.equal(store.place, 'https://recordings.s3.example.net/grec/');
});

function say(status: number, code?: string): S3ServerOptions['meddle'] {
  return (_, response) => {
    const headers = status === 307 ? { location: 'http://elsewhere.example/' } : {};
    response.writeHead(status, headers).end(code && `<Error><Code>${code}</Code></Error>`);
    return true;
  };
}
