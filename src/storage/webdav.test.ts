// WebDAV with a server that misbehaves: each failure is told for what it is, nothing hangs, and no redirection is followed.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { makeCertificate } from '../testing/certificate.ts';
import { DavServer } from '../testing/dav-server.ts';
import { sha256 } from './hash-fixture.ts';
import { probe } from './probe.ts';
import type { StoredFile } from './store.ts';
import { WebdavStore } from './webdav.ts';

const PASSWORD = 'open sesame';
const FILE = '2026/01/31/audio.wav';

async function prepare(t: Test, meddle?: DavServer['meddle'], timeout = 5) {
  const server = new DavServer(meddle === undefined ? {} : { meddle });
  const url = await server.listen();
  const store = new WebdavStore({ url, timeout });
  t.teardown(() => {
    store.close();
    server.close();
  });
  return { server, store, url };
}

function fileOf(bytes: Buffer): StoredFile {
  return { size: bytes.length, sha256: sha256(bytes), open: () => Readable.from([bytes]) };
}

async function readAll(body: Readable | undefined): Promise<Buffer | undefined> {
  if (body === undefined) return undefined;
  const pieces: Buffer[] = [];
  for await (const piece of body as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

t.test('a file is put in folders that were not there, under its name only when it is whole', async (t) => {
  const { server, store } = await prepare(t);
  const bytes = randomBytes(300_000);
  await store.put(FILE, fileOf(bytes));
  await store.put(FILE, fileOf(bytes));
  t.same([...server.files.keys()], [`/${FILE}`]);
  t.ok((await readAll(await store.get(FILE)))?.equals(bytes));
  const first = server.asked.findIndex((line) => line.startsWith('MOVE'));
  t.match(server.asked[first], 'MOVE /2026/01/31/.audio.wav.part');
  t.equal(server.asked.filter((line) => line.startsWith('MKCOL')).length, 5, 'folders are made once');
  await store.removeFolder('2026/01/31');
  await store.removeFolder('2026/01/31');
  t.equal(await store.get(FILE), undefined);
  await store.put(FILE, fileOf(bytes));
  t.ok(server.files.has(`/${FILE}`), 'a folder that was removed is made again');
  await probe(store, 'probe', Buffer.from('probe'));
});

t.test('what the server says is told for what it is', async (t) => {
  const cases: [number, string][] = [
    [401, 'STORAGE_REFUSED'],
    [403, 'STORAGE_REFUSED'],
    [404, 'STORAGE_REFUSED'],
    [405, 'STORAGE_REFUSED'],
    [302, 'STORAGE_REFUSED'],
    [501, 'STORAGE_REFUSED'],
    [507, 'STORAGE_REFUSED'],
    [413, 'STORAGE_REJECTED'],
    [409, 'STORAGE_REJECTED'],
    [415, 'STORAGE_REJECTED'],
    [423, 'STORAGE_UNREACHABLE'],
    [429, 'STORAGE_UNREACHABLE'],
    [500, 'STORAGE_UNREACHABLE'],
    [502, 'STORAGE_UNREACHABLE'],
    [503, 'STORAGE_UNREACHABLE'],
  ];
  for (const [status, code] of cases) {
    const { store } = await prepare(t, ({ method }, request, response) => {
      if (method !== 'PUT') return false;
      request.resume();
      response.writeHead(status).end('words of the server');
      return true;
    });
    await t.rejects(store.put('a', fileOf(Buffer.from('a'))), {
      code,
      message: new RegExp(`answered ${status}`),
    });
  }
});

t.test('an answer that comes before the file has been sent is heard, and the rest is not sent', async (t) => {
  let received = 0;
  const closed = Promise.withResolvers<void>();
  const { store } = await prepare(t, ({ method }, request, response) => {
    if (method !== 'PUT') return false;
    request.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    request.on('error', () => undefined);
    request.socket.on('close', () => closed.resolve());
    response.writeHead(413).end();
    return true;
  });
  const size = 1 << 30;
  const zeros = Buffer.alloc(65_536);
  const endless = function* () {
    for (let sent = 0; sent < size; sent += zeros.length) yield zeros;
  };
  const large = { size, sha256: '', open: () => Readable.from(endless()) };
  await t.rejects(store.put('a', large), { code: 'STORAGE_REJECTED', message: /answered 413/ });
  await closed.promise;
  t.ok(received < size / 2);
});

t.test('no redirection is followed, so that no password goes elsewhere', async (t) => {
  const elsewhere = new DavServer();
  const other = await elsewhere.listen();
  t.teardown(() => elsewhere.close());
  const { store } = await prepare(t, (_, request, response) => {
    request.resume();
    response.writeHead(307, { location: `${other}x?secret=1` }).end();
    return true;
  });
  const refused = {
    code: 'STORAGE_REFUSED',
    message: /a redirection to 127\.0\.0\.1:\d+, which is not followed$/,
  };
  await t.rejects(store.put('a', fileOf(Buffer.from('a'))), refused);
  await t.rejects(store.get('a'), refused);
  await t.rejects(store.remove('a'), refused);
  t.same(elsewhere.asked, []);
});

t.test('a server that nobody vouches for is told nothing', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'grec-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const authority = makeCertificate({ name: 'authority', names: [] });
  const { certificate: cert, key } = authority.issue();
  let asked = 0;
  const server = createHttpsServer({ cert, key }, (_, response) => {
    asked += 1;
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  writeFileSync(join(directory, 'password'), PASSWORD, { mode: 0o600 });
  const get = (host: string, pem: string) => {
    const ca = join(directory, 'ca.pem');
    writeFileSync(ca, pem);
    const options = { timeout: 5, ca, username: 'grec', passwordFile: join(directory, 'password') };
    const store = new WebdavStore({ ...options, url: `https://${host}:${port}/` });
    t.teardown(() => store.close());
    return store.get('a');
  };
  const other = makeCertificate({ name: 'another', names: [] }).certificate;
  await t.rejects(get('127.0.0.1', other), { code: 'STORAGE_UNREACHABLE', message: /certificate|issuer/ });
  t.equal(asked, 0);
  t.equal(await get('127.0.0.1', authority.certificate), undefined);
  t.equal(asked, 1);
  t.throws(() => new WebdavStore({ timeout: 5, url: 'https://a/', ca: join(directory, 'none') }), {
    code: 'CONFIG_INVALID',
    message: /certificates .*none cannot be read/,
  });
});

t.test('a server that cuts off, stands still, or is not there', async (t) => {
  const cut = await prepare(t, ({ method }, request) => {
    if (method !== 'PUT') return false;
    request.socket.destroy();
    return true;
  });
  await t.rejects(cut.store.put('a', fileOf(randomBytes(1000))), { code: 'STORAGE_UNREACHABLE' });
  const still = await prepare(t, ({ method }) => method === 'PUT' || method === 'GET', 1);
  await t.rejects(still.store.put('a', fileOf(randomBytes(1000))), {
    code: 'STORAGE_UNREACHABLE',
    message: /not a byte for 1 s/,
  });
  const gone = new WebdavStore({ url: await closedPort(), timeout: 5 });
  t.teardown(() => gone.close());
  await t.rejects(gone.get('a'), { code: 'STORAGE_UNREACHABLE', message: /ECONNREFUSED/ });
});

t.test('a file that is cut off while it is read is no file', async (t) => {
  const { store } = await prepare(t, ({ method }, _, response) => {
    if (method !== 'GET') return false;
    response.writeHead(200, { 'content-length': 1000 });
    response.write('half', () => response.destroy());
    return true;
  });
  const body = await store.get('a');
  await t.rejects(readAll(body));
});

t.test('a server that drips is as good as one that stands still', async (t) => {
  const { store } = await prepare(
    t,
    ({ method }, _, response) => {
      if (method !== 'GET') return false;
      response.writeHead(200, { 'content-length': 1000 });
      const drip = setInterval(() => response.write('.'), 100);
      response.on('close', () => clearInterval(drip));
      return true;
    },
    1,
  );
  const body = await store.get('a');
  await t.rejects(readAll(body));
});

t.test('a kept connection that the server has closed meanwhile is no failure', async (t) => {
  const { server, store } = await prepare(t);
  server.folders.add('/2026/');
  let sockets: { destroy(): void }[] = [];
  server.meddle = (_, request) => {
    sockets.push(request.socket);
    return false;
  };
  for (let count = 0; count < 5; count += 1) {
    await store.put(`2026/${count}`, fileOf(Buffer.from('a')));
    // The client may not have seen it yet when it asks again.
    for (const socket of sockets) socket.destroy();
    sockets = [];
  }
  t.equal(server.files.size, 5);
});

t.test('what is under way ends when the store is closed', async (t) => {
  const asked = Promise.withResolvers<void>();
  const { store } = await prepare(t, () => {
    asked.resolve();
    return true;
  });
  const put = store.put('a', fileOf(randomBytes(1000)));
  await asked.promise;
  store.close();
  await t.rejects(put, { code: 'STORAGE_UNREACHABLE', message: /stops/ });
  await t.rejects(store.get('a'), { code: 'STORAGE_UNREACHABLE' });
});

t.test('the password is read each time, and stands in no error', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'grec-webdav-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const passwordFile = join(directory, 'password');
  const said: (string | undefined)[] = [];
  const { url } = await prepare(t, (_, request, response) => {
    said.push(request.headers.authorization);
    request.resume();
    response.writeHead(401).end(`no: ${request.headers.authorization}`);
    return true;
  });
  const store = new WebdavStore({ url, timeout: 5, username: 'grec', passwordFile });
  t.teardown(() => store.close());
  await t.rejects(store.get('a'), { code: 'CONFIG_INVALID', message: /cannot be read/ });
  for (const password of [PASSWORD, 'another']) {
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    const error = await store.get('a').catch(String);
    t.notMatch(error, password);
    t.notMatch(error, 'Basic');
  }
  const expected = [PASSWORD, 'another'].map((password) =>
    Buffer.from(`grec:${password}`).toString('base64'),
  );
  t.same(
    said,
    expected.map((text) => `Basic ${text}`),
  );
  t.notMatch(store.place, PASSWORD);
});

t.test('a probe finds a storage that alters, or that does not remove', async (t) => {
  const alters = await prepare(t, ({ method }, _, response) => {
    if (method !== 'GET') return false;
    response.end('something else');
    return true;
  });
  await t.rejects(probe(alters.store, 'p', Buffer.from('p')), { code: 'STORAGE_DIFFERS' });
  const keeps = await prepare(t, ({ method }, request, response) => {
    if (method !== 'DELETE') return false;
    request.resume();
    response.writeHead(204).end();
    return true;
  });
  await t.rejects(probe(keeps.store, 'p', Buffer.from('p')), { code: 'STORAGE_DIFFERS', message: /removed/ });
});

/** Where nobody listens. */
async function closedPort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  server.close();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
}
