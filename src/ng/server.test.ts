// The server: literal datagrams in and out, each request handled once, nothing that stops it.
import { createSocket, type Socket } from 'node:dgram';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { GrecError } from '../errors.ts';
import { silentLogger } from '../log.ts';
import type { NgReply } from './reply.ts';
import type { NgRequest } from './request.ts';
import { createNgServer, type NgServer, type NgSource } from './server.ts';

type Handle = (request: NgRequest, from: NgSource) => NgReply | Promise<NgReply>;

async function serverOf(t: Test, handle: Handle): Promise<NgServer> {
  const server = await createNgServer({ host: '127.0.0.1', port: 0, log: silentLogger(), handle });
  t.teardown(() => server.close());
  return server;
}

/** A controller that speaks in literal bytes. */
async function peerOf(t: Test, server: NgServer) {
  const socket = createSocket('udp4');
  socket.connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  t.teardown(() => socket.close());
  const replies = queueOf(socket);
  return {
    port: socket.address().port,
    send: (datagram: string) => socket.send(Buffer.from(datagram, 'latin1')),
    receive: () => replies.next(),
    ask(datagram: string) {
      this.send(datagram);
      return replies.next();
    },
  };
}

function queueOf(socket: Socket) {
  const here: string[] = [];
  const waiting: ((text: string) => void)[] = [];
  socket.on('message', (bytes) => {
    const text = bytes.toString();
    const next = waiting.shift();
    if (next === undefined) here.push(text);
    else next(text);
  });
  return {
    next(): Promise<string> {
      const text = here.shift();
      return text === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(text);
    },
  };
}

const PING = 'd7:command4:pinge';
const PONG = 'd6:result4:ponge';
const pong: Handle = () => ({ result: 'pong' });

t.test('a request reaches the handler with its source, the reply its sender', async (t) => {
  const seen: unknown[] = [];
  const server = await serverOf(t, (request, from) => {
    seen.push(request, from);
    return { result: 'ok', sdp: 'v=0\r\n', warning: undefined };
  });
  const peer = await peerOf(t, server);
  t.equal(
    await peer.ask('5323_1 d7:command5:offer7:call-id1:c8:from-tag1:f3:sdp5:v=0\r\ne'),
    '5323_1 d6:result2:ok3:sdp5:v=0\r\ne',
  );
  t.same(seen, [
    { command: 'offer', 'call-id': 'c', 'from-tag': 'f', sdp: 'v=0\r\n' },
    { address: '127.0.0.1', port: peer.port },
  ]);
});

t.test('a request sent again after its reply gets the same reply and is not handled again', async (t) => {
  let handled = 0;
  const server = await serverOf(t, () => ({ result: 'ok', created: ++handled }));
  const peer = await peerOf(t, server);
  const first = await peer.ask('a d7:command5:query7:call-id1:xe');
  t.equal(first, 'a d6:result2:ok7:createdi1ee');
  t.equal(await peer.ask('a d7:command5:query7:call-id1:xe'), first);
  t.equal(await peer.ask('b d7:command5:query7:call-id1:xe'), 'b d6:result2:ok7:createdi2ee');
  t.match(server.counters, { requests: 2, retransmissions: 1 });
});

t.test('a request sent again while it is being handled is answered once', async (t) => {
  const under = Promise.withResolvers<void>();
  const taken: string[] = [];
  const server = await serverOf(t, async (request) => {
    taken.push(request.command);
    if (request.command === 'query') await under.promise;
    return { result: 'ok' };
  });
  const peer = await peerOf(t, server);
  for (let copy = 0; copy < 3; copy++) peer.send('a d7:command5:query7:call-id1:xe');
  t.equal(await peer.ask(`b ${PING}`), 'b d6:result2:oke', 'others are served meanwhile');
  under.resolve();
  t.equal(await peer.receive(), 'a d6:result2:oke');
  t.equal(await peer.ask(`c ${PING}`), 'c d6:result2:oke', 'no second reply stands before this one');
  t.same(taken, ['query', 'ping', 'ping']);
  t.equal(server.counters.retransmissions, 2);
});

t.test('the same cookie from another source is another request', async (t) => {
  let handled = 0;
  const server = await serverOf(t, () => ({ result: 'ok', created: ++handled }));
  const [one, other] = [await peerOf(t, server), await peerOf(t, server)];
  t.match(await one.ask(`a ${PING}`), 'createdi1e');
  t.match(await other.ask(`a ${PING}`), 'createdi2e');
});

t.test('what the handler throws or cannot say becomes an error', async (t) => {
  const server = await serverOf(t, async (request) => {
    if (request.command === 'query') throw new GrecError('NG_REFUSED', 'Unknown call-ID');
    if (request.command === 'delete') throw new TypeError('boom');
    if (request.command === 'ping') return { result: 'ok', created: Number.NaN };
    return { result: 'ok', sdp: 'x'.repeat(65_500) };
  });
  const peer = await peerOf(t, server);
  const error = (text: string) => `d6:result5:error12:error-reason${text.length}:${text}e`;
  t.equal(await peer.ask('a d7:command5:query7:call-id1:xe'), `a ${error('Unknown call-ID')}`);
  t.equal(await peer.ask('b d7:command6:delete7:call-id1:xe'), `b ${error('boom')}`);
  t.equal(await peer.ask(`c ${PING}`), `c ${error('no reply: bencode has no NaN')}`);
  t.equal(
    await peer.ask('d d7:command14:stop recording7:call-id1:xe'),
    `d ${error('the reply does not fit into a datagram')}`,
  );
  t.equal(server.counters.errors, 2);
});

t.test('bad input is answered when it has a cookie, else dropped; both are counted', async (t) => {
  const server = await serverOf(t, pong);
  const peer = await peerOf(t, server);
  t.equal(
    await peer.ask('a d7:command5:dance1:xi1ee'),
    'a d6:result5:error12:error-reason23:unknown command "dance"e',
  );
  t.match(await peer.ask('b junk'), /^b d6:result5:error12:error-reason/);
  for (const junk of ['', 'junk', ' ', '\0 de', `${'x'.repeat(300)} de`]) peer.send(junk);
  t.equal(await peer.ask(`c ${PING}`), `c ${PONG}`);
  t.match(server.counters, { invalid: 2, dropped: 5, requests: 1 });
});

t.test('a reply is never answered: two servers would go on for ever', async (t) => {
  const server = await serverOf(t, pong);
  const peer = await peerOf(t, server);
  peer.send('a d6:result5:error12:error-reason1:xe');
  t.equal(await peer.ask(`b ${PING}`), `b ${PONG}`);
  t.equal(server.counters.dropped, 1);
});

t.test('a datagram from port 0, which cannot be answered, is dropped', async (t) => {
  let socket: Socket | undefined;
  const onSocket = (message: unknown) => {
    socket ??= (message as { socket: Socket }).socket;
  };
  subscribe('udp.socket', onSocket);
  const server = await serverOf(t, pong);
  unsubscribe('udp.socket', onSocket);
  // Only a raw socket can send from port 0, so the arrival is played here.
  socket?.emit('message', Buffer.from(`a ${PING}`), {
    address: '127.0.0.1',
    port: 0,
    family: 'IPv4',
    size: 20,
  });
  const peer = await peerOf(t, server);
  t.equal(await peer.ask(`b ${PING}`), `b ${PONG}`);
  t.match(server.counters, { requests: 1, dropped: 1 });
});

t.test('beyond 4096 requests under way, further ones wait for their retransmission', async (t) => {
  const gate = Promise.withResolvers<NgReply>();
  const server = await serverOf(t, (request) =>
    request.command === 'ping' ? gate.promise : { result: 'ok' },
  );
  const peer = await peerOf(t, server);
  for (let index = 0; index < 4096; index++) {
    peer.send(`p${index} ${PING}`);
    // Invalid ones are answered at all times: they pace this loop to what the socket's buffer can hold.
    if (index % 32 === 31) await peer.ask('pace junk');
  }
  peer.send('late d7:command5:query7:call-id1:xe');
  await peer.ask('pace junk');
  t.match(server.counters, { requests: 4096, overloaded: 1 });
  gate.resolve({ result: 'pong' });
  for (let index = 0; index < 100; index++) t.match(await peer.receive(), PONG);
  t.equal(await untilReply(peer, 'late d7:command5:query7:call-id1:xe', 'late '), 'late d6:result2:oke');
});

async function untilReply(peer: Awaited<ReturnType<typeof peerOf>>, datagram: string, start: string) {
  let reply = await peer.ask(datagram);
  while (!reply.startsWith(start)) reply = await peer.receive();
  return reply;
}

t.test('a port in use and an address that is not ours are explained', async (t) => {
  const server = await serverOf(t, pong);
  const options = { log: silentLogger(), handle: pong };
  await t.rejects(createNgServer({ ...options, host: '127.0.0.1', port: server.port }), {
    code: 'PORT_IN_USE',
    message: `another process listens on udp:127.0.0.1:${server.port} already`,
  });
  await t.rejects(createNgServer({ ...options, host: '192.0.2.1', port: 2223 }), {
    code: 'PORT_UNUSABLE',
    message: /^cannot listen on udp:192\.0\.2\.1:2223: /,
  });
});

t.test('closing with a request under way sends nothing and throws nothing', async (t) => {
  const gate = Promise.withResolvers<NgReply>();
  const taken = Promise.withResolvers<void>();
  const server = await serverOf(t, () => {
    taken.resolve();
    return gate.promise;
  });
  const peer = await peerOf(t, server);
  peer.send(`a ${PING}`);
  await taken.promise;
  await server.close();
  gate.resolve({ result: 'pong' });
  await server.close();
  t.equal(server.counters.errors, 0);
});
