// Sockets: ports in use, ways back, connections reused, limits, and every kind of hostile input on them.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import t from 'tap';
import { GrecError } from '../errors.ts';
import { answerTo, headerOf, rawRequest, tcpPeer, udpPeer } from './raw-peer-fixture.ts';
import type { Flow, Peer } from './user-agent.ts';
import { eventually, newAgent } from './user-agent-fixture.ts';

const FROM = { uri: 'sip:1001@example.com' };

t.test('a port in use is an error that names it, and nothing else stays bound', async (t) => {
  const udp = createSocket('udp4').bind(0, '127.0.0.1');
  await once(udp, 'listening');
  t.teardown(() => udp.close());
  const tcp = createServer().listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  t.teardown(() => tcp.close());
  const address = tcp.address();
  const taken = { udp: udp.address().port, tcp: typeof address === 'object' ? (address?.port ?? 0) : 0 };
  for (const protocol of ['udp', 'tcp'] as const) {
    const listen = [
      { protocol: 'udp' as const, host: '127.0.0.1', port: 0 },
      { protocol: 'tcp' as const, host: '127.0.0.1', port: 0 },
      { protocol, host: '127.0.0.1', port: taken[protocol] },
    ];
    const error = await newAgent(t, { listen }).catch((thrown: unknown) => thrown);
    if (!(error instanceof GrecError)) return t.fail('a GrecError expected');
    t.equal(error.code, 'PORT_IN_USE');
    t.match(error.message, `${protocol}:127.0.0.1:${taken[protocol]}`);
    t.match(error.hint, `sport = :${taken[protocol]}`);
  }
});

t.test('an address that is not ours', async (t) => {
  for (const protocol of ['udp', 'tcp'] as const) {
    const listen = [{ protocol, host: '192.0.2.77', port: 0 }];
    await t.rejects(newAgent(t, { listen }), { code: 'PORT_UNUSABLE', message: /192\.0\.2\.77/ });
  }
});

t.test('several addresses, and one that is every address', async (t) => {
  const { agent } = await newAgent(t, {
    listen: [
      { protocol: 'udp', host: '0.0.0.0', port: 0 },
      { protocol: 'udp', host: '::', port: 0 },
      { protocol: 'tcp', host: '127.0.0.1', port: 0 },
    ],
  });
  t.match(agent.listening, [
    { protocol: 'udp', address: '0.0.0.0' },
    { protocol: 'udp', address: '::' },
    { protocol: 'tcp', address: '127.0.0.1' },
  ]);
  const flows: Flow[] = [];
  const other = await newAgent(t, {
    onRequest: (request) => {
      flows.push(request.flow);
      t.match(request.message.headers.via[0]?.host, /^(127\.0\.0\.1|\[::1\])$/, 'a usable address in Via');
      request.respond(200);
    },
    listen: [
      { protocol: 'udp', host: '127.0.0.1', port: 0 },
      { protocol: 'udp', host: '::1', port: 0 },
      { protocol: 'tcp', host: '127.0.0.1', port: 0 },
    ],
  });
  for (const { protocol, address, port } of other.agent.listening) {
    const host = address.includes(':') ? `[${address}]` : address;
    const uri = `sip:a@${host}:${port}${protocol === 'tcp' ? ';transport=tcp' : ''}`;
    const response = await agent.request({ method: 'OPTIONS', uri, from: FROM, to: { uri } });
    t.equal(response.status, 200, uri);
  }
  t.same(
    flows.map(({ local }) => local),
    other.agent.listening,
  );
});

t.test(
  'UDP responses go to where the request came from; received and rport say where that was',
  async (t) => {
    const peer = await udpPeer(t);
    const { port } = await newAgent(t, {});
    const elsewhere = rawRequest({ method: 'OPTIONS', port: 9, to: port });
    peer.send(elsewhere.replace('127.0.0.1:9;', '192.0.2.5:9;rport;'), port);
    const via = headerOf(await peer.expect(/^SIP\/2\.0 200 /), 'via');
    t.match(via, 'SIP/2.0/UDP 192.0.2.5:9;');
    t.match(via, `;rport=${peer.port}`);
    t.match(via, ';received=127.0.0.1');
    peer.send(rawRequest({ method: 'OPTIONS', port: peer.port, to: port, seq: 2 }), port);
    const plain = await peer.expect(/^SIP\/2\.0 200 [\s\S]*2 OPTIONS/);
    t.notMatch(headerOf(plain, 'via'), /received|rport/);
  },
);

t.test('IPv6: brackets in Via and Contact, none in received', async (t) => {
  const noIPv6 = !Object.values(networkInterfaces()).some((list) =>
    list?.some(({ address }) => address === '::1'),
  );
  if (noIPv6) return t.pass('no IPv6 loopback here', { skip: 'no IPv6 loopback' });
  const peer = await udpPeer(t, '::1');
  const { agent, port } = await newAgent(t, { host: '::1' });
  const request = rawRequest({ method: 'OPTIONS', port: peer.port, to: port });
  peer.send(request.replace(/127\.0\.0\.1:\d+;/, '[2001:db8::9]:9;rport;'), port);
  const via = headerOf(await peer.expect(/^SIP\/2\.0 200 /), 'via');
  t.match(via, 'SIP/2.0/UDP [2001:db8::9]:9;');
  t.match(via, `;rport=${peer.port}`);
  t.match(via, ';received=::1');
  const uri = `sip:2002@[::1]:${peer.port}`;
  const rejected = new Promise((onRejected) => {
    agent.invite({ uri, from: FROM, to: { uri }, onAccepted: () => t.fail('accepted'), onRejected });
  });
  const invite = await peer.expect(/^INVITE sip:2002@\[::1\]/);
  t.match(headerOf(invite, 'via'), `SIP/2.0/UDP [::1]:${port};`);
  t.match(headerOf(invite, 'contact'), `@[::1]:${port}>`);
  peer.send(answerTo(invite, '486 Busy Here'), port);
  t.match(await rejected, { status: 486 });
  await peer.expect(/^ACK /);
});

t.test('a message that no datagram can carry becomes 503', async (t) => {
  const { target } = await newAgent(t, {});
  const { agent } = await newAgent(t, {});
  const body = { type: 'text/plain', bytes: Buffer.alloc(65_507) };
  const response = await agent.request({ method: 'MESSAGE', uri: target, from: FROM, to: FROM, body });
  t.equal(response.status, 503);
});

t.test('garbage datagrams are counted, and change nothing', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port, target } = await newAgent(t, {});
  const { agent: client } = await newAgent(t, {});
  const datagrams = ['', '\r\n\r\n', '\0', 'hello', 'SIP/2.0', 'INVITE', 'a\r\n\r\n', '\xff'.repeat(1000)];
  for (const text of datagrams) peer.send(Buffer.from(text, 'latin1'), port);
  peer.send(
    rawRequest({ method: 'OPTIONS', port: peer.port, to: port }).replace(
      'Via: ',
      'Via: SIP/2.0/UDP a;__proto__=1,',
    ),
    port,
  );
  const bad = rawRequest({ method: 'OPTIONS', port: peer.port, to: port }).replace(
    'Max-Forwards: 70',
    'Max-Forwards: x',
  );
  peer.send(bad, port);
  await peer.expect(/^SIP\/2\.0 400 /);
  t.equal((await client.request({ method: 'OPTIONS', uri: target, from: FROM, to: FROM })).status, 200);
  const counted = Object.entries(agent.counters).filter(
    ([name]) => name.startsWith('refused') || name === 'keep-alive',
  );
  t.ok(counted.reduce((sum, [, count]) => sum + count, 0) >= datagrams.length, JSON.stringify(counted));
  t.equal(agent.counters['internal-error'], undefined);
});

t.test('a request without anything that answers it is dropped: no To, no branch, an ACK', async (t) => {
  const peer = await udpPeer(t);
  const { port } = await newAgent(t, {});
  const good = rawRequest({ method: 'OPTIONS', port: peer.port, to: port });
  peer.send(good.replace(/Via: .*\r\n/, ''), port);
  peer.send(good.replace('z9hG4bK', ''), port);
  peer.send(good.replaceAll('OPTIONS', 'ACK').replace('Max-Forwards: 70', 'Max-Forwards: x'), port);
  peer.send(rawRequest({ method: 'OPTIONS', port: peer.port, to: port, seq: 9 }), port);
  await peer.expect(/9 OPTIONS/);
  t.equal(peer.received.length, 1);
});

t.test('a Contact that cannot be called: a port of 99999, a host that is none', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, { timers: { t1: 4 } });
  const invite = rawRequest({ method: 'INVITE', port: peer.port, to: port });
  peer.send(invite.replace(`127.0.0.1:${peer.port}>`, '127.0.0.1:99999>'), port);
  await peer.expect(/^SIP\/2\.0 400 /);
  const named = rawRequest({ method: 'INVITE', port: peer.port, to: port, seq: 2 });
  peer.send(named.replace(`127.0.0.1:${peer.port}>`, 'no-such-host.invalid:5060;transport=tls>'), port);
  await peer.expect(/^SIP\/2\.0 200 [\s\S]*2 INVITE/);
  await eventually(() => (agent.counters['made-503'] ?? 0) > 0);
  t.equal(agent.counters['internal-error'], undefined);
});

t.test('the ACK to a host name is resolved, or counted', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const uri = `sip:2002@127.0.0.1:${peer.port}`;
  const done = new Promise((resolve) => {
    agent.invite({
      uri,
      from: FROM,
      to: { uri },
      onAccepted: (_response, _dialog, ack) => resolve(ack()),
      onRejected: resolve,
    });
  });
  const ok = answerTo(await peer.expect(/^INVITE /), '200 OK', ['Contact: <sip:x@no-such-host.invalid>']);
  peer.send(ok, port);
  await done;
  await eventually(() => agent.counters['ack-unsent'] === 1);

  const second = agent.invite({
    uri,
    from: FROM,
    to: { uri },
    onAccepted: (_response, _dialog, ack) => ack(),
    onRejected: () => t.fail('accepted'),
  });
  const invite = await peer.expect(new RegExp(`^INVITE [\\s\\S]*${second.callId}`));
  peer.send(answerTo(invite, '200 OK', [`Contact: <sip:x@localhost:${peer.port};maddr=127.0.0.1>`]), port);
  await peer.expect(/^ACK sip:x@localhost/);
});

t.test('TCP: requests to a peer, and answers from it, share one connection; so do flows', async (t) => {
  const flows: Flow[] = [];
  const server = await newAgent(t, {
    protocol: 'tcp',
    onRequest: (request) => {
      flows.push(request.flow);
      request.respond(200);
    },
  });
  const client = await newAgent(t, { protocol: 'tcp' });
  const ask = () => client.agent.request({ method: 'REGISTER', uri: server.target, from: FROM, to: FROM });
  t.equal((await ask()).status, 200);
  t.equal((await ask()).status, 200);
  t.equal(flows[0]?.id, flows[1]?.id);
  const [flow] = flows;
  if (flow === undefined) return t.fail('no flow');
  t.not(flow.peer.port, client.port);
  const back = await server.agent.request({
    method: 'OPTIONS',
    uri: 'sip:1001@192.0.2.9',
    flow,
    from: FROM,
    to: FROM,
  });
  t.equal(back.status, 200, 'over the connection that the client has opened');
});

t.test('TCP: without its connection a flow falls back to the peer', async (t) => {
  const flows: Flow[] = [];
  const server = await newAgent(t, {
    protocol: 'tcp',
    onRequest: (request) => {
      flows.push(request.flow);
      request.respond(200);
    },
  });
  const raw = await tcpPeer(t, server.port);
  raw.send(rawRequest({ method: 'REGISTER', port: 9, to: server.port, transport: 'TCP' }));
  await raw.expect(/^SIP\/2\.0 200 /);
  raw.socket.destroy();
  await raw.closed;
  const other = await newAgent(t, { protocol: 'tcp' });
  const peer: Peer = { protocol: 'tcp', address: '127.0.0.1', port: other.port };
  const [flow] = flows;
  if (flow === undefined) return t.fail('no flow');
  const answered = async () =>
    (
      await server.agent.request({
        method: 'OPTIONS',
        uri: 'sip:a@192.0.2.9',
        flow,
        peer,
        from: FROM,
        to: FROM,
      })
    ).status;
  t.equal(await answered(), 200);
});

t.test('TCP: nobody listens there: 503', async (t) => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  probe.close();
  await once(probe, 'close');
  const { agent } = await newAgent(t, { protocol: 'tcp' });
  const uri = `sip:a@127.0.0.1:${port};transport=tcp`;
  t.equal((await agent.request({ method: 'OPTIONS', uri, from: FROM, to: FROM })).status, 503);
});

t.test('TCP: CRLF CRLF is answered by CRLF', async (t) => {
  const { port } = await newAgent(t, { protocol: 'tcp' });
  const raw = await tcpPeer(t, port);
  raw.send('\r\n\r\n');
  t.equal(await raw.expect(/\r\n/), '\r\n');
  raw.send(rawRequest({ method: 'OPTIONS', port: 9, to: port, transport: 'TCP' }));
  await raw.expect(/^\r\nSIP\/2\.0 200 /);
});

t.test('TCP: streams that cannot be read on are closed', async (t) => {
  const { agent, port } = await newAgent(t, { protocol: 'tcp' });
  const options = rawRequest({ method: 'OPTIONS', port: 9, to: port, transport: 'TCP' });
  const streams = [
    'a\r\n\r\n'.repeat(12_000),
    options.replace('Content-Length: 0', 'Content-Length: abc'),
    options.replace('Content-Length: 0', 'Content-Length: 99999999'),
    options.replace('Content-Length: 0\r\n', ''),
    `OPTIONS sip:a SIP/2.0\r\nX: ${'x'.repeat(200_000)}`,
  ];
  for (const stream of streams) {
    const raw = await tcpPeer(t, port);
    raw.send(stream);
    await raw.closed;
    t.pass(stream.slice(0, 20));
  }
  t.equal(agent.counters['internal-error'], undefined);
  const raw = await tcpPeer(t, port);
  raw.send(options);
  await raw.expect(/^SIP\/2\.0 200 /);
});

t.test('TCP: a burst of 200 requests in one piece, over 60,480 bytes, in odd chunks', async (t) => {
  const { port } = await newAgent(t, { protocol: 'tcp' });
  const raw = await tcpPeer(t, port);
  const lines = [`X-Padding: ${'x'.repeat(300)}`];
  const burst = Array.from({ length: 200 }, () =>
    rawRequest({ method: 'OPTIONS', port: 9, to: port, transport: 'TCP', lines }),
  ).join('');
  t.ok(burst.length > 60_480);
  raw.send(burst);
  await eventually(() => raw.text().split('SIP/2.0 200 ').length === 201);
  for (let at = 0; at < 3000; at += 7) raw.send(burst.slice(at, Math.min(at + 7, 3000)));
  await eventually(() => raw.text().split('SIP/2.0 200 ').length > 201);
});

t.test('TCP: a message that comes too slowly, and a connection that never speaks, are closed', async (t) => {
  const { agent, port } = await newAgent(t, { protocol: 'tcp', limits: { messageMs: 60 } });
  const silent = await tcpPeer(t, port);
  const slow = await tcpPeer(t, port);
  const options = rawRequest({ method: 'OPTIONS', port: 9, to: port, transport: 'TCP' });
  slow.send(options);
  await slow.expect(/^SIP\/2\.0 200 /);
  const drip = setInterval(() => slow.send('O'), 5);
  t.teardown(() => clearInterval(drip));
  const idle = await tcpPeer(t, port);
  idle.send(options.replaceAll('raw', 'idle'));
  await idle.expect(/^SIP\/2\.0 200 /);
  await Promise.all([silent.closed, slow.closed]);
  t.equal(agent.counters['connection-slow'], 2);
  t.notOk(idle.socket.destroyed, 'a connection that is silent between messages stays');
});

t.test('TCP: limits on connections, idle time and what waits for a peer that does not read', async (t) => {
  const limits = { connections: 3, connectionsPerAddress: 2, idleMs: 80, writeBufferBytes: 20_000 };
  const { agent, port } = await newAgent(t, {
    protocol: 'tcp',
    limits,
    onRequest: (request) => request.respond(200, { body: { type: 'text/plain', bytes: 'x'.repeat(60_000) } }),
  });
  const first = await tcpPeer(t, port);
  const second = await tcpPeer(t, port);
  const third = await tcpPeer(t, port);
  await third.closed;
  t.equal(agent.counters['connections-exhausted'], 1);
  await Promise.all([first.closed, second.closed]);
  t.equal(agent.counters['connection-idle'], 2);

  const deaf = await tcpPeer(t, port);
  deaf.socket.pause();
  const ask = () => {
    for (let count = 0; count < 10; count++)
      deaf.send(rawRequest({ method: 'OPTIONS', port: 9, to: port, transport: 'TCP' }));
  };
  const asking = setInterval(ask, 1);
  t.teardown(() => clearInterval(asking));
  await eventually(() => (agent.counters['connection-unread'] ?? 0) > 0);
  clearInterval(asking);
});

t.test('TCP: a request that cannot be understood is answered 400 on its connection', async (t) => {
  const { port } = await newAgent(t, { protocol: 'tcp' });
  const raw = await tcpPeer(t, port);
  const options = rawRequest({ method: 'OPTIONS', port: 9, to: port, transport: 'TCP' });
  raw.send(options.replace('CSeq: 1 OPTIONS', 'CSeq: 1 INFO'));
  await raw.expect(/^SIP\/2\.0 400 /);
  raw.send(options);
  await raw.expect(/SIP\/2\.0 200 /);
});

t.test('TCP: a caller whose connection is gone hears its answer at the port of its Via', async (t) => {
  const invites: (() => void)[] = [];
  const { port } = await newAgent(t, {
    protocol: 'tcp',
    onRequest: (request) => void invites.push(() => request.respond(200)),
  });
  let text = '';
  const listener = createServer((socket) =>
    socket.on('data', (bytes) => {
      text += bytes.toString();
    }),
  ).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.teardown(() => listener.close());
  const address = listener.address();
  const via = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const raw = await tcpPeer(t, port);
  raw.send(rawRequest({ method: 'OPTIONS', port: via, to: port, transport: 'TCP' }));
  await eventually(() => invites.length === 1);
  raw.socket.destroy();
  await raw.closed;
  const later = await tcpPeer(t, port);
  later.send(rawRequest({ method: 'OPTIONS', port: via, to: port, transport: 'TCP' }));
  await eventually(() => invites.length === 2);
  invites[0]?.();
  await eventually(() => text.startsWith('SIP/2.0 200 '));
});
