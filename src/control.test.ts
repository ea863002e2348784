// Control: routes, errors that come through as they were, permissions, and peers that misbehave.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig } from './config.ts';
import { askDaemon, type ControlRoutes, serveControl, socketOf } from './control.ts';
import { GrecError } from './errors.ts';

function socketPath(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'grec-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 's.sock');
}

async function serve(t: Test, routes: ControlRoutes): Promise<string> {
  const path = socketPath(t);
  const server = await serveControl(path, routes);
  t.teardown(() => server.close());
  return path;
}

const ask = (path: string, method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: unknown) =>
  askDaemon<unknown>('grec-x', path, method, url, body);

t.test('routes get their parameters decoded, the query and the body', async (t) => {
  const path = await serve(t, {
    'PUT /dns/:number/:key': ({ params, query, body }) => ({ params, q: query.get('q'), body }),
    'GET /nothing': () => undefined,
  });
  t.strictSame(await ask(path, 'PUT', '/dns/a%2Fb%20c/k?q=1%2B1', { x: [1] }), {
    params: { number: 'a/b c', key: 'k' },
    q: '1+1',
    body: { x: [1] },
  });
  t.strictSame(await ask(path, 'GET', '/nothing'), {});
});

t.test('a GrecError comes through as it was; anything else as INTERNAL', async (t) => {
  const path = await serve(t, {
    'GET /known': () => {
      throw new GrecError('DN_UNKNOWN', 'no such DN', { hint: 'make it' });
    },
    'GET /bare': async () => {
      throw new GrecError('STATE_IN_USE', 'busy');
    },
    'GET /bug': () => {
      throw new TypeError('oops');
    },
  });
  await t.rejects(ask(path, 'GET', '/known'), { code: 'DN_UNKNOWN', message: 'no such DN', hint: 'make it' });
  await t.rejects(ask(path, 'GET', '/bare'), { code: 'STATE_IN_USE', hint: undefined });
  await t.rejects(ask(path, 'GET', '/bug'), { code: 'INTERNAL', message: 'oops' });
});

t.test('no such route', async (t) => {
  const path = await serve(t, { 'GET /dns/:number': () => ({}) });
  for (const [method, url] of [
    ['GET', '/dns'],
    ['GET', '/dns/'],
    ['GET', '/dns/1/2'],
    ['PUT', '/dns/1'],
  ] as const)
    await t.rejects(ask(path, method, url), { code: 'USAGE', message: `no ${method} ${url} here` });
});

t.test('mode 0600, or 0660 for the group; a stale socket is replaced', async (t) => {
  const path = socketPath(t);
  writeFileSync(path, 'stale');
  const server = await serveControl(path, {});
  t.equal(statSync(path).mode & 0o777, 0o600);
  await new Promise((resolve) => server.close(resolve));
  const shared = await serveControl(path, {}, 'group');
  t.teardown(() => shared.close());
  t.equal(statSync(path).mode & 0o777, 0o660);
});

t.test('a body that is too large or no JSON is refused, and the answer says so', async (t) => {
  const path = await serve(t, { 'POST /x': () => ({}) });
  await t.rejects(ask(path, 'POST', '/x', 'a'.repeat(1 << 23)), {
    code: 'USAGE',
    message: /1048576 bytes at most/,
  });
  t.match(
    await raw(path, 'POST /x HTTP/1.1\r\nHost: c\r\nContent-Length: 1\r\nConnection: close\r\n\r\n{'),
    'not JSON',
  );
});

t.test('requests that make no sense do no harm', async (t) => {
  const path = await serve(t, { 'GET /dns/:number': () => ({ ok: true }) });
  for (const text of [
    'GET /dns/%zz HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n',
    'GET // HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n',
    'nonsense\r\n\r\n',
    'POST /dns/1 HTTP/1.1\r\nHost: c\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabc',
  ])
    await raw(path, text);
  t.strictSame(await ask(path, 'GET', '/dns/1'), { ok: true });
});

/** What a server answers to bytes; the connection's half is closed after them. */
function raw(path: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path, () => socket.end(text));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

t.test('nobody answers', async (t) => {
  const path = socketPath(t);
  await t.rejects(ask(path, 'GET', '/status'), {
    code: 'DAEMON_NOT_RUNNING',
    message: /^grec-x is not running/,
    hint: /grec up/,
  });
  writeFileSync(path, '');
  await t.rejects(ask(path, 'GET', '/status'), { code: 'DAEMON_NOT_RUNNING' }, 'a file that is no socket');
});

/** A server that answers each connection with `behave`. */
async function misbehaving(t: Test, behave: (socket: Socket) => void): Promise<string> {
  const path = socketPath(t);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => behave(socket));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => server.close());
  return path;
}

t.test('a daemon that dies while it answers, or answers nonsense', async (t) => {
  for (const [text, code] of [
    ['', 'DAEMON_NOT_RUNNING'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":', 'DAEMON_NOT_RUNNING'],
    ['SSH-2.0-OpenSSH\r\n', 'DAEMON_NOT_RUNNING'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno', 'DAEMON_REFUSED'],
    ['HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}', 'DAEMON_REFUSED'],
    [
      'HTTP/1.1 500 X\r\nContent-Length: 27\r\n\r\n{"error":{"code":"UNHEARD"}}'.replace('27', '28'),
      'DAEMON_REFUSED',
    ],
  ] as const) {
    const path = await misbehaving(t, (socket) => socket.end(text));
    await t.rejects(ask(path, 'GET', '/'), { name: 'GrecError', code }, JSON.stringify(text));
  }
});

t.test('a path that is too long for a socket', async (t) => {
  const path = `/tmp/${'x'.repeat(103)}`;
  await t.rejects(serveControl(path, {}), { code: 'STATE_UNUSABLE', hint: /shorter \[state\] directory/ });
  await t.rejects(ask(path, 'GET', '/'), { code: 'STATE_UNUSABLE' });
  await t.rejects(serveControl('/nonexistent/s.sock', {}), {
    code: 'STATE_UNUSABLE',
    message: /cannot listen/,
  });
});

t.test('where the sockets are', async (t) => {
  t.equal(socketOf(loadConfig({ env: {}, uid: 0 }), 'grec-sipd'), '/var/lib/grec/run/sipd.sock');
});
