// Who is let in to Web Services, what is refused, and what every answer carries.

import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { type Answered, PASSWORD, services } from './web-fixture.ts';

function isProblem(t: Test, { status, headers, body }: Answered, wanted: number, kind: string): void {
  t.equal(status, wanted);
  t.equal(headers['content-type'], 'application/problem+json');
  t.match(body, { type: `urn:grec:problem:${kind}`, status: wanted });
}

t.test('a token lets its user in, as long as it is good', async (t) => {
  const { ask, makeToken, web } = await services(t);
  const me = await ask('ann', 'GET', '/me');
  t.equal(me.status, 200);
  t.match(me.body, { user: 'ann', role: 'agent', dns: ['7001'] });
  const withToken = (token: string) =>
    ask(null, 'GET', '/me', { headers: { authorization: `Bearer ${token}` } });
  isProblem(t, await withToken(makeToken('ann', null, Date.now() - 1)), 401, 'not-authenticated');
  isProblem(t, await withToken(`grec_${'A'.repeat(43)}`), 401, 'not-authenticated');
  isProblem(t, await withToken('x'), 401, 'not-authenticated');
  const scoped = await withToken(makeToken('ann', ['dns:read', 'dns:write']));
  t.same(
    (scoped.body as { rights: string[] }).rights,
    ['dns:read'],
    'a scope gives nothing that the role has not',
  );
  const gone = makeToken('ann', null);
  web.store.removeUser('ann');
  isProblem(t, await withToken(gone), 401, 'not-authenticated');
});

t.test('a name and a password let in, and guessing is slowed down', async (t) => {
  const { ask } = await services(t);
  const as = (name: string, password: string) => {
    const value = Buffer.from(`${name}:${password}`).toString('base64');
    return ask(null, 'GET', '/me', { headers: { authorization: `Basic ${value}` } });
  };
  t.match((await as('ann', PASSWORD)).body, { user: 'ann' });
  const wrong = await Promise.all(Array.from({ length: 12 }, (_, n) => as('ann', `wrong ${n}`)));
  t.same(
    wrong.map(({ status }) => status),
    [...Array(10).fill(401), 429, 429],
  );
  const slowed = wrong[11] as Answered;
  isProblem(t, slowed, 429, 'too-many-guesses');
  t.match(slowed.headers, { 'retry-after': /^\d+$/ });
  t.equal((await ask('ann', 'GET', '/me')).status, 200, 'a token is not held up by it');
});

t.test('who says nothing, or nonsense, is told how to', async (t) => {
  const { ask } = await services(t);
  const answer = await ask(null, 'GET', '/me');
  isProblem(t, answer, 401, 'not-authenticated');
  t.match(answer.headers['www-authenticate'], /^Bearer /);
  for (const authorization of [
    '',
    'Bearer',
    'Digest a=b',
    'Basic ',
    'Basic Og==',
    'Bearer \u00e4',
    'Basic ////',
  ])
    t.equal((await ask(null, 'GET', '/me', { headers: { authorization } })).status, 401, authorization);
});

t.test('every answer carries the headers that keep browsers from harm', async (t) => {
  const { ask } = await services(t);
  for (const path of ['/health', '/me', '/nothing', '/%ff'])
    t.match((await ask(null, 'GET', path)).headers, {
      'content-security-policy': /default-src 'none'/,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
});

t.test('what is not there, and what it does not take', async (t) => {
  const { ask } = await services(t);
  isProblem(t, await ask('root', 'GET', '/nothing'), 404, 'not-found');
  const answer = await ask('root', 'PATCH', '/me');
  isProblem(t, answer, 405, 'method-not-allowed');
  t.equal(answer.headers['allow'], 'HEAD, GET');
  isProblem(t, await ask('root', 'GET', '/me?more=1'), 400, 'bad-query');
  isProblem(t, await ask('root', 'GET', '/%ff'), 400, 'bad-url');
});

t.test('HEAD tells what GET does, without the body; If-None-Match is heeded', async (t) => {
  const { ask } = await services(t);
  const got = await ask('ann', 'GET', '/me');
  const head = await ask('ann', 'HEAD', '/me');
  t.equal(head.status, 200);
  t.equal(head.bytes.length, 0);
  t.equal(Number(head.headers['content-length']), got.bytes.length);
  const again = await ask('ann', 'GET', '/me', { headers: { 'if-none-match': String(got.headers['etag']) } });
  t.equal(again.status, 304);
  t.equal(again.bytes.length, 0);
});

t.test('who asks too often waits', async (t) => {
  const { ask } = await services(t, { toml: 'rate = 3' });
  const answers = [];
  for (let count = 0; count < 5; count += 1) answers.push(await ask(null, 'GET', '/health'));
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 200, 429, 429],
  );
  t.equal(answers[4]?.headers['retry-after'], '20');
});

t.test('what is no HTTP, or too much of it, is refused and shut', async (t) => {
  const { server } = await services(t);
  await server.listen({ host: '127.0.0.1', port: 0 });
  const port = Number(server.address().split(':').at(-1));
  const say = async (text: string) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    const pieces: Buffer[] = [];
    socket.on('data', (piece) => pieces.push(piece));
    socket.write(text);
    await once(socket, 'close');
    return Buffer.concat(pieces).toString();
  };
  t.match(await say('hello\r\n\r\n'), /^HTTP\/1.1 400 .*application\/problem\+json/s);
  t.match(await say(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1.1 431 /);
  const many = Array.from({ length: 5000 }, (_, n) => `X${n}: 1\r\n`).join('');
  t.match(
    await say(`GET /api/v2/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${many}\r\n`),
    /^HTTP\/1.1 431 /,
  );
  t.match(
    await say('GET /api/v2/../../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1.1 404 /,
  );
  t.match(
    await say('GET /api/v2/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1.1 200 /,
  );
});

t.test('one address has its share of connections', async (t) => {
  const { server } = await services(t);
  await server.listen({ host: '127.0.0.1', port: 0 });
  const port = Number(server.address().split(':').at(-1));
  const sockets = Array.from({ length: 140 }, () => connect(port, '127.0.0.1'));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  let shut = 0;
  await new Promise<void>((resolve) => {
    for (const socket of sockets) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        shut += 1;
        if (shut === 12) resolve();
      });
    }
  });
  t.equal(shut, 12);
  sockets.find((socket) => !socket.closed)?.destroy();
  const answered = async () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET /api/v2/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const pieces: Buffer[] = [];
    socket.on('data', (piece) => pieces.push(piece));
    await once(socket, 'close');
    return Buffer.concat(pieces).length > 0;
  };
  while (!(await answered())) t.comment('the other one is not shut yet');
  t.pass('one that goes makes room for another');
});
