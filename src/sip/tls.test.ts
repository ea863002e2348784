// TLS: handshakes and who fails them, certificates and who is believed, another certificate while connections stay.
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import t from 'tap';
import { makeCertificate, type TestCertificate } from '../testing/certificate.ts';
import { rawRequest, tcpPeer } from './raw-peer-fixture.ts';
import type { Flow, TlsIdentity } from './user-agent.ts';
import { connectCall, eventually, newAgent, type Teardown } from './user-agent-fixture.ts';

const authority = makeCertificate({ name: 'authority', names: [] });
const FROM = { uri: 'sip:1001@example.com' };

function identity(own: TestCertificate = authority.issue(), more: Partial<TlsIdentity> = {}): TlsIdentity {
  const { certificate, key } = own;
  return { certificate, key, ca: authority.certificate, verifyClients: false, verifyServers: true, ...more };
}

/** An agent on TLS that keeps the flows of what it is asked. */
async function tlsAgent(t: Teardown, tls = identity(), more: Parameters<typeof newAgent>[1] = {}) {
  const flows: Flow[] = [];
  const made = await newAgent(t, {
    protocol: 'tls',
    tls,
    onRequest: (request) => {
      flows.push(request.flow);
      request.respond(200);
    },
    ...more,
  });
  return { ...made, flows };
}

/** A client that speaks TLS by hand. */
async function tlsPeer(t: Teardown, port: number, options: object = {}): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca: authority.certificate,
    servername: 'localhost',
    ...options,
  });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await new Promise<void>((resolve) => {
    socket.once('secureConnect', resolve);
    socket.once('close', () => resolve());
  });
  return socket;
}

const options = (port: number) => rawRequest({ method: 'OPTIONS', port: 9, to: port, transport: 'TLS' });

t.test('a request goes by TLS, its answer by the same connection, and what is asked back', async (t) => {
  const server = await tlsAgent(t);
  const client = await tlsAgent(t);
  const ask = () => client.agent.request({ method: 'OPTIONS', uri: server.target, from: FROM, to: FROM });
  t.equal((await ask()).status, 200);
  t.equal((await ask()).status, 200);
  const [flow, again] = server.flows;
  if (flow === undefined) return t.fail('no flow');
  t.equal(flow.id, again?.id);
  t.match(flow, { peer: { protocol: 'tls' }, local: { protocol: 'tls', port: server.port } });
  const back = await server.agent.request({
    method: 'OPTIONS',
    uri: 'sip:a@192.0.2.9',
    flow,
    from: FROM,
    to: FROM,
  });
  t.equal(back.status, 200);
});

t.test('a call by TLS: Via and Contact say so, and by sips too', async (t) => {
  const { invite, caller, callee } = await connectCall(t, { protocol: 'tls', tls: identity() });
  t.equal(invite.headers.via[0]?.protocol, 'TLS');
  t.match(invite.headers.contact, [{ uri: /^sip:.*;transport=tls$/ }]);
  t.equal((await callee.bye()).status, 200);
  t.equal(caller.state, 'terminated');
  const secure = await connectCall(t, { protocol: 'tls', tls: identity(), scheme: 'sips' });
  t.match(secure.invite.headers.contact, [{ uri: /^sips:1001@127\.0\.0\.1:\d+$/ }]);
  t.match(secure.caller, { state: 'confirmed' });
  t.equal((await secure.caller.bye()).status, 200);
});

t.test('a client that is no TLS, or whose TLS is too old, is counted and dropped', async (t) => {
  const { agent, port } = await tlsAgent(t);
  for (const bytes of [options(port), 'GET / HTTP/1.1\r\n\r\n', '\r\n\r\n', '\x80\x2e\x01\x03\x01']) {
    const raw = await tcpPeer(t, port);
    raw.send(Buffer.from(bytes, 'latin1'));
    await raw.closed;
    t.equal(raw.text(), '', 'and hears nothing');
  }
  t.equal(agent.counters['tls-not-spoken'], 4);
  const garbage = await tcpPeer(t, port);
  garbage.send(Buffer.from([22, 3, 1, 0, 4, 1, 2, 3, 4]));
  await garbage.closed;
  const old = await tlsPeer(t, port, {
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1.1',
    ciphers: 'ALL@SECLEVEL=0',
  });
  t.ok(old.destroyed);
  const gone = await tcpPeer(t, port);
  gone.socket.destroy();
  await eventually(() => agent.counters['tls-handshake-failed'] === 3);
  const good = await tlsPeer(t, port);
  good.write(options(port));
  t.match(String(await once(good, 'data')), /^SIP\/2\.0 200 /);
});

t.test('a handshake that does not end is ended; a connection counts from its first byte', async (t) => {
  const limits = { handshakeMs: 60, connections: 2 };
  const { agent, port } = await tlsAgent(t, identity(), { limits });
  const silent = await tcpPeer(t, port);
  const half = await tcpPeer(t, port);
  half.send(Buffer.from([22, 3, 1, 2, 0]));
  const third = await tcpPeer(t, port);
  await third.closed;
  t.equal(agent.counters['connections-exhausted'], 1);
  await Promise.all([silent.closed, half.closed]);
  await eventually(() => agent.counters['tls-handshake-slow'] === 2);
  const good = await tlsPeer(t, port);
  t.ok(good.authorized);
});

t.test('many handshakes at once all come through', async (t) => {
  const { agent, port } = await tlsAgent(t);
  const sockets = await Promise.all(Array.from({ length: 40 }, () => tlsPeer(t, port)));
  t.ok(sockets.every(({ authorized }) => authorized));
  t.equal(agent.counters['tls-handshake-failed'], undefined);
});

t.test('the certificate of whom we connect to', async (t) => {
  const names = ['sip.example.com', '192.0.2.1'];
  const cases: [string, TlsIdentity, boolean][] = [
    ['of another name', identity(authority.issue({ names })), false],
    ['expired', identity(authority.issue({ days: -1 })), false],
    ['of an authority that nobody knows', identity(makeCertificate()), false],
    ['as it should be', identity(), true],
  ];
  for (const [name, tls, isGood] of cases) {
    const server = await tlsAgent(t, tls);
    const strict = await tlsAgent(t);
    const ask = (agent: typeof strict.agent) =>
      agent.request({ method: 'OPTIONS', uri: server.target, from: FROM, to: FROM });
    t.equal((await ask(strict.agent)).status, isGood ? 200 : 503, name);
    t.equal(strict.agent.counters['tls-refused'], isGood ? undefined : 1);
    const lax = await tlsAgent(t, identity(authority.issue(), { verifyServers: false }));
    t.equal((await ask(lax.agent)).status, 200, `${name}, not looked at`);
  }
});

t.test('a peer shows the name by which it is known, not the address', async (t) => {
  const server = await tlsAgent(t, identity(authority.issue({ names: ['sip.example.com'] })));
  const { agent } = await tlsAgent(t);
  const ask = (name?: string) => {
    const peer = { protocol: 'tls', address: '127.0.0.1', port: server.port } as const;
    const to = name === undefined ? peer : { ...peer, name };
    return agent.request({ method: 'OPTIONS', uri: 'sip:a@b', peer: to, from: FROM, to: FROM });
  };
  t.equal((await ask('sip.example.com')).status, 200);
  t.equal((await ask('sip.example.net')).status, 503, 'another name does not take the open connection');
  t.equal((await ask()).status, 503);
});

t.test('who connects may have to show a certificate', async (t) => {
  const { agent, port } = await tlsAgent(t, identity(authority.issue(), { verifyClients: true }));
  const nameless = await tlsPeer(t, port);
  const { certificate, key } = makeCertificate();
  const unknown = await tlsPeer(t, port, { cert: certificate, key });
  await eventually(() => agent.counters['tls-handshake-failed'] === 2);
  await eventually(() => nameless.destroyed && unknown.destroyed);
  const own = authority.issue();
  const known = await tlsPeer(t, port, { cert: own.certificate, key: own.key });
  known.write(options(port));
  t.match(String(await once(known, 'data')), /^SIP\/2\.0 200 /);
});

t.test('another certificate: new connections get it, those that are open stay', async (t) => {
  const { agent, port } = await tlsAgent(t);
  const before = await tlsPeer(t, port);
  const next = authority.issue({ name: 'next' });
  agent.useTls(identity(next));
  t.throws(() => agent.useTls(identity({ ...next, key: authority.key })), { code: 'TLS_UNUSABLE' });
  t.throws(() => agent.useTls(identity({ ...next, certificate: 'none' })), { code: 'TLS_UNUSABLE' });
  const after = await tlsPeer(t, port);
  t.equal(after.getPeerCertificate().subject.CN, 'next');
  before.write(options(port));
  t.match(String(await once(before, 'data')), /^SIP\/2\.0 200 /);
});

t.test('TLS without a certificate is an error before anything listens', async (t) => {
  await t.rejects(newAgent(t, { protocol: 'tls' }), { code: 'TLS_UNUSABLE', hint: /\[sip\.tls\]/ });
});

t.test('closing ends handshakes under way', async (t) => {
  const { agent, port } = await tlsAgent(t);
  const silent = connectTcp(port, '127.0.0.1');
  silent.on('error', () => undefined);
  await once(silent, 'connect');
  await eventually(() => agent.listening.length === 1);
  const closed = once(silent, 'close');
  await agent.close();
  await closed;
});
