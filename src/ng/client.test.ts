// The client against a media server that drops, delays, refuses, is a stranger, or is not there.
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { mock } from 'node:test';
import t, { type Test } from 'tap';
import { silentLogger } from '../log.ts';
import { createNgClient, type NgClient } from './client.ts';
import type { NgEvent } from './reply.ts';

type Datagram = { text: string; cookie: string; from: RemoteInfo };

/** A media server whose every answer the test decides. */
async function fakeServer(t: Test, answer: (datagram: Datagram, nth: number) => string[] = () => []) {
  const socket = createSocket('udp4');
  const seen: Datagram[] = [];
  socket.on('message', (bytes, from) => {
    const text = bytes.toString();
    const datagram = { text, cookie: text.split(' ', 1)[0] ?? '', from };
    seen.push(datagram);
    for (const reply of answer(datagram, seen.length)) socket.send(reply, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return { socket, seen, port: socket.address().port };
}

async function clientOf(t: Test, port: number, timeoutMs = 5000, retransmitMs = 5): Promise<NgClient> {
  const client = await createNgClient({
    host: '127.0.0.1',
    port,
    timeoutMs,
    retransmitMs,
    log: silentLogger(),
  });
  t.teardown(() => client.close());
  return client;
}

const PONG = 'd6:result4:ponge';

t.test('the same datagram is sent again, at doubled intervals, until it is answered', async (t) => {
  const server = await fakeServer(t, ({ cookie }, nth) => (nth < 4 ? [] : [`${cookie} ${PONG}`]));
  const client = await clientOf(t, server.port, 5000, 20);
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  const answered = client.request({ command: 'ping' });
  for (const [index, interval] of [20, 40, 80].entries()) {
    mock.timers.tick(interval - 1);
    t.equal(client.counters.retransmissions, index, `not before ${interval} ms`);
    mock.timers.tick(1);
    t.equal(client.counters.retransmissions, index + 1, `after ${interval} ms`);
  }
  t.same(await answered, { result: 'pong' });
  mock.timers.reset();
  t.equal(new Set(server.seen.map(({ text }) => text)).size, 1);
  t.match(server.seen[0]?.text, /^[0-9a-f]{12}_1 d7:command4:pinge$/);
  t.match(client.counters, { requests: 1, retransmissions: 3, replies: 1, dropped: 0, timeouts: 0 });
});

t.test('without an answer: NG_TIMEOUT; an answer that comes later is counted and dropped', async (t) => {
  let late = '';
  const server = await fakeServer(t, ({ cookie, text }) => {
    if (!text.includes('query')) return [late, `${cookie} d6:result2:oke`];
    late = `${cookie} d6:result2:oke`;
    return [];
  });
  const client = await clientOf(t, server.port, 30);
  await t.rejects(client.request({ command: 'query', 'call-id': 'x' }), {
    code: 'NG_TIMEOUT',
    message: `the media server did not answer query: no reply from udp:127.0.0.1:${server.port} within 30 ms`,
    hint: /is grec-mediad running there\?/,
  });
  await client.request({ command: 'delete', 'call-id': 'x' });
  t.match(client.counters, { timeouts: 1, dropped: 1, replies: 1 });
});

t.test('an error is refused with the reason of the peer', async (t) => {
  const server = await fakeServer(t, ({ cookie }) => [
    `${cookie} d6:result5:error12:error-reason12:Unknown calle`,
  ]);
  const client = await clientOf(t, server.port);
  await t.rejects(client.request({ command: 'stop recording', 'call-id': 'x' }), {
    code: 'NG_REFUSED',
    message: 'the media server refused stop recording: Unknown call',
  });
});

t.test('what is no reply to a request under way is dropped', async (t) => {
  const server = await fakeServer(t, ({ cookie }) => [
    'garbage',
    `${cookie} garbage`,
    `${cookie} d7:command4:pinge`,
    `${cookie} d6:result2:ok3:sdpi1ee`,
    `${cookie}0 ${PONG}`,
    `${cookie} ${PONG}`,
    `${cookie} ${PONG}`,
  ]);
  const client = await clientOf(t, server.port);
  t.same(await client.request({ command: 'ping' }), { result: 'pong' });
  await client.request({ command: 'ping' });
  t.equal(client.counters.replies, 2);
  t.ok(client.counters.dropped >= 11, `${client.counters.dropped} dropped`);
});

t.test('replies find their requests in any order', async (t) => {
  const held: string[] = [];
  const server = await fakeServer(t, ({ cookie, text }) => {
    const call = /7:call-id1:(.)/.exec(text)?.[1] ?? '';
    held.unshift(`${cookie} d6:result2:ok7:warning1:${call}e`);
    return held.length < 3 ? [] : held;
  });
  const client = await clientOf(t, server.port, 5000, 2000);
  const calls = ['1', '2', '3'];
  const replies = calls.map((call) => client.request({ command: 'query', 'call-id': call }));
  t.same(
    (await Promise.all(replies)).map(({ warning }) => warning),
    calls,
  );
});

t.test('a stranger who knows the cookie is not heard', async (t) => {
  const stranger = createSocket('udp4');
  stranger.bind(0, '127.0.0.1');
  await once(stranger, 'listening');
  t.teardown(() => stranger.close());
  const server = await fakeServer(t);
  const client = await clientOf(t, server.port, 5000, 2000);
  const reply = client.request({ command: 'ping' });
  if (server.seen.length === 0) await once(server.socket, 'message');
  const [{ cookie = '', from } = {}] = server.seen;
  const port = from?.port ?? 0;
  await new Promise((sent) =>
    stranger.send(`${cookie} d6:result5:error12:error-reason4:evile`, port, '127.0.0.1', sent),
  );
  server.socket.send(`${cookie} ${PONG}`, port, '127.0.0.1');
  t.same(await reply, { result: 'pong' });
  t.equal(client.counters.dropped, 0);
});

t.test('where nothing listens, the second try says so, long before the timeout', async (t) => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((closed) => socket.close(closed));
  const client = await clientOf(t, port, 60_000);
  const requests = [client.request({ command: 'ping' }), client.request({ command: 'ping' })];
  for (const request of requests) {
    await t.rejects(request, { code: 'NG_TIMEOUT', message: /nothing listens on udp:127\.0\.0\.1:\d+$/ });
  }
  t.ok(client.counters.retransmissions >= 2, 'one refusal is not enough');
});

t.test('closing ends what is under way, and what comes after', async (t) => {
  const server = await fakeServer(t);
  const client = await clientOf(t, server.port, 60_000);
  const reply = client.request({ command: 'ping' });
  const rejected = t.rejects(reply, { code: 'NG_TIMEOUT', message: /client was closed/ });
  await client.close();
  await rejected;
  await t.rejects(client.request({ command: 'ping' }), { code: 'NG_TIMEOUT', message: /client is closed/ });
  await client.close();
});

t.test('a request that no datagram can hold is refused at once', async (t) => {
  const server = await fakeServer(t);
  const client = await clientOf(t, server.port);
  const sdp = 'x'.repeat(65500);
  await t.rejects(client.request({ command: 'offer', 'call-id': 'c', 'from-tag': 'f', sdp }), {
    code: 'NG_REFUSED',
    message: 'offer does not fit into a datagram',
  });
});

t.test('what the media server tells unasked is heard once, and is no reply', async (t) => {
  const EVENT = 'd7:call-id4:call4:code2:*15:event4:dtmf3:tag6:call-ae';
  const server = await fakeServer(t, ({ cookie }) => [
    `event_x_1 ${EVENT}`,
    `event_x_1 ${EVENT}`,
    `event_x_2 ${EVENT}`,
    `event_x_3 d5:event4:dtmfe`,
    `event_x_4 d7:call-id4:call5:event4:lost6:reason4:goneee`,
    `event_x_5 d7:call-id4:call5:event4:lost6:reason4:gonee`,
    `${cookie} ${PONG}`,
  ]);
  const heard: NgEvent[] = [];
  const client = await createNgClient({
    host: '127.0.0.1',
    port: server.port,
    timeoutMs: 5000,
    log: silentLogger(),
    onEvent: (event) => heard.push(event),
  });
  t.teardown(() => client.close());
  await client.request({ command: 'ping' });
  const event = { event: 'dtmf', 'call-id': 'call', tag: 'call-a', code: '*1' };
  t.same(heard, [event, event, { event: 'lost', 'call-id': 'call', reason: 'gone' }]);
  t.match(client.counters, { replies: 1, dropped: 2 });
});
