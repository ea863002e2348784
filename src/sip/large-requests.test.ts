// Messages too large for one packet: TCP where the peer takes it, UDP where it does not, fragments and long bodies.
import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { answerTo, headerOf, rawRequest, tcpPeer, udpPeer } from './raw-peer-fixture.ts';
import type { Dialog, IncomingRequest, UserAgent } from './user-agent.ts';
import { eventually, newAgent, type Teardown } from './user-agent-fixture.ts';

const FROM = { uri: 'sip:1001@example.com' };
const HOST = '127.0.0.1';
const large = { type: 'text/plain', bytes: 'x'.repeat(1200) };
const small = { type: 'text/plain', bytes: 'x' };

/** Two protocols on one port, as a phone or trunk has them. */
async function bothAgent(t: Teardown, more: Parameters<typeof newAgent>[1] = {}) {
  const requests: IncomingRequest[] = [];
  for (let attempt = 0; ; attempt += 1) {
    const { agent: probe } = await newAgent(t, {});
    const port = probe.listening[0]?.port ?? 0;
    await probe.close();
    const listen = (['tcp', 'udp'] as const).map((protocol) => ({ protocol, host: HOST, port }));
    const onRequest = (request: IncomingRequest) => {
      requests.push(request);
      request.respond(200);
    };
    const made = await newAgent(t, { listen, onRequest, ...more }).catch(() => undefined);
    if (made !== undefined) return { ...made, requests, uri: `sip:2002@${HOST}:${port}` };
    if (attempt > 20) throw new Error('no port that is free for both');
  }
}

const message = (agent: UserAgent, uri: string, body: typeof large) =>
  agent.request({ method: 'MESSAGE', uri, from: FROM, to: { uri }, body });

t.test('a large request goes by TCP, Via and all; a small one stays on UDP', async (t) => {
  const { requests, uri } = await bothAgent(t);
  const { agent } = await bothAgent(t);
  t.equal((await message(agent, uri, small)).status, 200);
  t.equal((await message(agent, uri, large)).status, 200);
  t.same(
    requests.map(({ flow, message }) => [flow.peer.protocol, message.headers.via[0]?.protocol]),
    [
      ['udp', 'UDP'],
      ['tcp', 'TCP'],
    ],
  );
  t.equal(agent.counters['large-over-tcp'], 1);
});

t.test('to a peer without TCP it goes by UDP, and the next one at once', async (t) => {
  const { agent } = await bothAgent(t);
  const peer = await newAgent(t, {});
  t.equal((await message(agent, peer.target, large)).status, 200);
  t.equal((await message(agent, peer.target, large)).status, 200);
  t.equal(agent.counters['large-over-udp'], 2);
  t.equal(agent.counters['connection-error'], 1, 'one attempt to connect');
});

t.test('so it does from an agent that listens on UDP alone', async (t) => {
  const { uri, requests } = await bothAgent(t);
  const { agent } = await newAgent(t, {});
  t.equal((await message(agent, uri, large)).status, 200);
  t.equal(requests[0]?.flow.peer.protocol, 'udp');
});

t.test('a peer whose TCP port is that of something else is asked by UDP the next time', async (t) => {
  const peer = await udpPeer(t);
  const listener = createServer().listen({ port: peer.port, host: HOST });
  t.teardown(() => listener.close());
  await once(listener, 'listening');
  const { agent } = await bothAgent(t, { timers: { t1: 5, t2: 10, t4: 10 } });
  const uri = `sip:x@${HOST}:${peer.port}`;
  t.equal((await message(agent, uri, large)).status, 408);
  const answer = message(agent, uri, large);
  peer.send(answerTo(await peer.expect(/^MESSAGE /), '200 OK'), agent.listening[1]?.port ?? 0);
  t.equal((await answer).status, 200);
});

t.test('report 8: a whole call whose INVITE is large', async (t) => {
  let callee: Dialog | undefined;
  const { uri } = await bothAgent(t, {
    onInvite: (invite) => {
      t.equal(invite.flow.peer.protocol, 'tcp');
      t.notMatch(invite.message.headers.contact, [{ uri: /transport/ }], 'Contact stays as it was');
      callee = invite.accept();
    },
  });
  const { agent } = await bothAgent(t);
  const caller = await new Promise<Dialog>((resolve, reject) => {
    agent.invite({
      uri,
      from: FROM,
      to: { uri },
      body: large,
      onAccepted: (_response, dialog, ack) => {
        ack();
        resolve(dialog);
      },
      onRejected: ({ status }) => reject(new Error(String(status))),
    });
  });
  await eventually(() => callee !== undefined);
  t.equal((await caller.request('INFO')).status, 405);
  t.equal((await callee?.request('INFO'))?.status, 405, 'and the other way');
  const end = new Promise((resolve) => {
    if (callee !== undefined) callee.onEnd = resolve;
  });
  t.equal((await caller.bye()).status, 200);
  await end;
});

t.test('a datagram in fragments, as large as there can be, is read and answered', async (t) => {
  const peer = await udpPeer(t);
  let length = 0;
  const { port } = await newAgent(t, {
    onRequest: (request) => {
      length = request.message.body.length;
      request.respond(200);
    },
  });
  const head = rawRequest({ method: 'OPTIONS', port: peer.port, to: port });
  const body = 'b'.repeat(65_000 - head.length);
  peer.send(`${head.replace('Content-Length: 0', `Content-Length: ${body.length}`)}${body}`, port);
  t.match(headerOf(await peer.expect(/^SIP\/2\.0 200 /), 'cseq'), '1 OPTIONS');
  t.equal(length, body.length);
});

t.test('a message of a quarter of a megabyte by TCP, and none beyond it', async (t) => {
  const { port } = await newAgent(t, { protocol: 'tcp' });
  const ask = async (bytes: number) => {
    const raw = await tcpPeer(t, port);
    const head = rawRequest({ method: 'OPTIONS', port: 9, to: port, transport: 'TCP' });
    // The digits of the length take five bytes more than the zero.
    const size = bytes - head.length - 5;
    raw.send(`${head.replace('Content-Length: 0', `Content-Length: ${size}`)}${'b'.repeat(size)}`);
    return raw.expect(/^SIP\/2\.0 \d+/);
  };
  t.match(await ask(262_144), /^SIP\/2\.0 200/);
  t.match(await ask(262_145), /^SIP\/2\.0 513/);
});
