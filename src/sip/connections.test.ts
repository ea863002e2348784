// Connections of TCP and TLS in the course of a call: used again, ended, opened anew, and pinged (RFC 5923, 5626).
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';
import t from 'tap';
import { makeCertificate } from '../testing/certificate.ts';
import { answerTo, rawRequest, tcpPeer } from './raw-peer-fixture.ts';
import type { Dialog, Flow } from './user-agent.ts';
import { eventually, newAgent, type Teardown } from './user-agent-fixture.ts';

const FROM = { uri: 'sip:1001@example.com' };
const HOST = '127.0.0.1';

/** Whoever listens on TCP and keeps the sockets that come, with what they say. */
async function listener(t: Teardown) {
  const sockets: Socket[] = [];
  const texts: string[] = [];
  const server = createServer((socket) => {
    const index = sockets.push(socket) - 1;
    texts[index] = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      texts[index] += bytes.toString();
    });
  }).listen(0, HOST);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  return { sockets, texts, port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
}

/** A call from a raw peer on TCP, answered. */
async function rawCall(t: Teardown, more: Parameters<typeof newAgent>[1] = {}, contact?: string) {
  const dialogs: Dialog[] = [];
  const made = await newAgent(t, {
    protocol: 'tcp',
    onInvite: (invite) => void dialogs.push(invite.accept()),
    ...more,
  });
  const raw = await tcpPeer(t, made.port);
  const callId = `call-${made.port}`;
  const request = (method: string, seq: number, toTag?: string) => {
    const text = rawRequest({
      method,
      port: 9,
      to: made.port,
      seq,
      callId,
      transport: 'TCP',
      ...(toTag && { toTag }),
    });
    return contact === undefined ? text : text.replace(/Contact: .*\r/, `Contact: <${contact}>\r`);
  };
  raw.send(request('INVITE', 1));
  await raw.expect(/SIP\/2\.0 200 /);
  const [dialog] = dialogs;
  if (dialog === undefined) throw new Error('no dialog');
  raw.send(request('ACK', 1, dialog.localTag));
  return { ...made, raw, dialog, request };
}

t.test('a connection that has ended in the midst of a call is opened anew, to the Contact', async (t) => {
  const phone = await listener(t);
  const { raw, dialog } = await rawCall(t, {}, `sip:raw@${HOST}:${phone.port};transport=tcp`);
  // Not destroyed: that the agent has ended it too shows that it knows.
  raw.socket.end();
  await raw.closed;
  const asked = dialog.request('INFO');
  await eventually(() => phone.texts[0]?.startsWith('INFO ') === true);
  phone.sockets[0]?.write(answerTo(phone.texts[0] ?? '', '200 OK'));
  t.equal((await asked).status, 200);
  void dialog.bye();
  await eventually(() => phone.texts[0]?.includes('\r\nBYE ') === true);
  t.equal(phone.sockets.length, 1, 'by the connection that is open now');
});

t.test(
  'a phone that speaks in its call from a new connection is answered there, and asked there',
  async (t) => {
    const { raw, dialog, port, request } = await rawCall(t);
    raw.socket.destroy();
    await raw.closed;
    const again = await tcpPeer(t, port);
    dialog.onRequest = (incoming) => incoming.respond(200);
    again.send(request('INFO', 2, dialog.localTag));
    await again.expect(/^SIP\/2\.0 200 /);
    void dialog.bye();
    await again.expect(/\r\nBYE /);
  },
);

t.test('a call follows its phone to the connection with which it has registered again', async (t) => {
  const flows: Flow[] = [];
  const asked: string[] = [];
  const { raw, dialog, port } = await rawCall(t, {
    onRequest: (request) => {
      flows.push(request.flow);
      request.respond(200);
    },
    successorOf: (_flow, uri) => {
      asked.push(uri);
      return flows[0];
    },
  });
  raw.socket.end();
  await raw.closed;
  const again = await tcpPeer(t, port);
  again.send(rawRequest({ method: 'REGISTER', port: 9, to: port, transport: 'TCP' }));
  await again.expect(/^SIP\/2\.0 200 /);
  void dialog.bye();
  await again.expect(/\r\nBYE /);
  t.same(asked, ['sip:raw@127.0.0.1'], 'who it is that has to be found');
});

t.test('requests to a trunk take the connection that it has opened, when its Via says so', async (t) => {
  const trunk = await listener(t);
  const target = `sip:x@${HOST}:${trunk.port};transport=tcp`;
  const isTrusted = { value: true };
  const { agent, port } = await newAgent(t, { protocol: 'tcp', mayAlias: () => isTrusted.value });
  const options = (via: string) =>
    rawRequest({ method: 'OPTIONS', port: trunk.port, to: port, transport: 'TCP' }).replace(
      /(Via: [^;]+)/,
      via,
    );
  const ask = () => void agent.request({ method: 'OPTIONS', uri: target, from: FROM, to: FROM });

  const stranger = await tcpPeer(t, port);
  isTrusted.value = false;
  stranger.send(options('$1;alias'));
  await stranger.expect(/^SIP\/2\.0 200 /);
  isTrusted.value = true;
  const plain = await tcpPeer(t, port);
  plain.send(options('$1'));
  await plain.expect(/^SIP\/2\.0 200 /);
  const liar = await tcpPeer(t, port);
  liar.send(options(`Via: SIP/2.0/TCP 127.0.0.9:${trunk.port};alias`));
  await liar.expect(/^SIP\/2\.0 200 /);
  const own = await tcpPeer(t, port);
  own.send(options('$1;alias'));
  await own.expect(/^SIP\/2\.0 200 /);
  ask();
  await own.expect(/\r\nOPTIONS /);
  t.equal(trunk.sockets.length, 0);
  own.socket.end();
  await own.closed;
  await eventually(() => {
    if (trunk.sockets.length === 0) ask();
    return trunk.sockets.length > 0;
  });
  await eventually(() => /^Via: SIP\/2\.0\/TCP [^\r]*;alias/m.test(trunk.texts[0] ?? ''));
  for (const { text } of [stranger, plain, liar]) t.notMatch(text(), /OPTIONS sip/);
});

t.test('in TLS only who has shown a certificate of its address may have them', async (t) => {
  const authority = makeCertificate({ name: 'authority', names: [] });
  const identity = (names: string[]) => {
    const { certificate, key } = authority.issue({ names });
    return { certificate, key, ca: authority.certificate, verifyClients: false, verifyServers: true };
  };
  const { agent } = await newAgent(t, {
    protocol: 'tls',
    tls: { ...identity([HOST]), verifyClients: true },
    mayAlias: () => true,
  });
  const target = `sip:x@${HOST}:${agent.listening[0]?.port};transport=tls`;
  for (const [name, connections] of [
    [HOST, 'one'],
    ['elsewhere.example', 'none'],
  ] as const) {
    const flows: Flow[] = [];
    const trunk = await newAgent(t, {
      protocol: 'tls',
      tls: identity([name]),
      onRequest: (request) => {
        flows.push(request.flow);
        request.respond(200);
      },
    });
    t.equal(
      (await trunk.agent.request({ method: 'OPTIONS', uri: target, from: FROM, to: FROM })).status,
      200,
    );
    const back = await agent.request({ method: 'OPTIONS', uri: trunk.target, from: FROM, to: FROM });
    t.equal(back.status, connections === 'one' ? 200 : 503, name);
    t.equal(flows.length, connections === 'one' ? 1 : 0);
  }
});

t.test(
  'an idle connection that the peer ends just when it is used again: the request goes by a new one',
  async (t) => {
    const trunk = await listener(t);
    const { agent } = await newAgent(t, { protocol: 'tcp' });
    const uri = `sip:x@${HOST}:${trunk.port};transport=tcp`;
    const ask = () => agent.request({ method: 'OPTIONS', uri, from: FROM, to: FROM });
    const first = ask();
    await eventually(() => trunk.texts[0]?.includes('\r\n\r\n') === true);
    trunk.sockets[0]?.write(answerTo(trunk.texts[0] ?? '', '200 OK'));
    t.equal((await first).status, 200);
    trunk.sockets[0]?.resetAndDestroy();
    const second = ask();
    await eventually(() => trunk.texts[1]?.includes('\r\n\r\n') === true);
    trunk.sockets[1]?.write(answerTo(trunk.texts[1] ?? '', '200 OK'));
    t.equal((await second).status, 200);
  },
);

t.test('TLS: CRLF CRLF is answered by CRLF', async (t) => {
  const { certificate, key } = makeCertificate();
  const tls = { certificate, key, ca: certificate, verifyClients: false, verifyServers: true };
  const { agent, port } = await newAgent(t, { protocol: 'tls', tls });
  const socket = connect({ port, host: HOST, ca: certificate });
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  socket.write('\r\n\r\n');
  t.equal(String(await once(socket, 'data')), '\r\n');
  t.equal(agent.counters['keep-alive'], 1);
});
