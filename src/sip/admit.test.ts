// What strangers send is answered once and forgotten: no transaction, no retransmission (RFC 3261 sections 8.2.7, 26.3.2.4).
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { headerOf, rawRequest, udpPeer } from './raw-peer-fixture.ts';
import { newAgent } from './user-agent-fixture.ts';

t.test('a refused INVITE gets one 401 and nothing else, each time that it comes', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {
    admit: ({ method }) =>
      method === 'INVITE' ? { status: 401, headers: { 'www-authenticate': 'Digest realm="x"' } } : undefined,
    onInvite: () => t.fail('not admitted'),
    limits: { transactions: 1 },
    timers: { t1: 5, t2: 10, t4: 5 },
  });
  const invite = rawRequest({ method: 'INVITE', port: peer.port, to: port });
  peer.send(invite, port);
  await peer.expect(/^SIP\/2\.0 401 /);
  peer.send(invite, port);
  await peer.expect(/^SIP\/2\.0 401 /, 1);
  peer.send(rawRequest({ method: 'ACK', port: peer.port, to: port, toTag: 'x' }), port);
  // The one transaction there may be is still free.
  peer.send(rawRequest({ method: 'OPTIONS', port: peer.port, to: port }), port);
  await peer.expect(/^SIP\/2\.0 200 /);
  const tags = peer.received.slice(0, 2).map((text) => headerOf(text, 'to'));
  t.equal(tags[0], tags[1], 'the answer to a repeated request has the same tag');
  t.match(headerOf(peer.received[0] ?? '', 'www-authenticate'), 'Digest');
  t.equal(peer.received.filter((text) => text.startsWith('SIP/2.0 401')).length, 2);
  t.equal(peer.received.length, 3, 'no 100, nothing sent again');
  t.equal(agent.counters['stateless-401'], 2);
  t.equal(agent.counters['transactions-exhausted'], undefined);
});

t.test('a handler that throws answers 500', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {
    admit: () => {
      throw new Error('out of order');
    },
  });
  peer.send(rawRequest({ method: 'OPTIONS', port: peer.port, to: port }), port);
  await peer.expect(/^SIP\/2\.0 500 /);
  t.equal(agent.counters['handler-error'], 1);
});

t.test('requests of dialogs that there are not take no transaction', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, { limits: { transactions: 1 } });
  for (let count = 0; count < 50; count++) {
    peer.send(rawRequest({ method: 'BYE', port: peer.port, to: port, toTag: `t${count}` }), port);
    peer.send(rawRequest({ method: 'CANCEL', port: peer.port, to: port }), port);
  }
  peer.send(rawRequest({ method: 'OPTIONS', port: peer.port, to: port }), port);
  await peer.expect(/^SIP\/2\.0 200 /);
  t.equal(agent.counters['stateless-481'], 100);
  t.equal(agent.counters['transactions-exhausted'], undefined);
});

t.test('a CANCEL from another host than its INVITE cancels nothing', async (t) => {
  const peer = await udpPeer(t);
  let cancelled = 0;
  const { port } = await newAgent(t, {
    onInvite: (invite) => {
      invite.respond(180);
      invite.onCancel = () => {
        cancelled += 1;
      };
    },
  });
  const branch = 'z9hG4bKguessed';
  const ask = (method: string) => rawRequest({ method, port: peer.port, to: port, branch, callId: 'c' });
  peer.send(ask('INVITE'), port);
  await peer.expect(/^SIP\/2\.0 180 /);
  const stranger = createSocket('udp4');
  t.teardown(() => stranger.close());
  stranger.bind(0, '127.0.0.9');
  await once(stranger, 'listening');
  stranger.send(ask('CANCEL'), port, '127.0.0.1');
  const [answer] = await once(stranger, 'message');
  t.match(String(answer), /^SIP\/2\.0 481 /);
  t.equal(cancelled, 0);
  peer.send(ask('CANCEL'), port);
  await peer.expect(/^SIP\/2\.0 487 /);
  t.equal(cancelled, 1);
});
