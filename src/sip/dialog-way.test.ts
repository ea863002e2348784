// Which way requests of a dialog go: phones behind NAT, TCP connections that are open or gone, routes.
import t from 'tap';
import type { Core } from './core.ts';
import { DialogWay } from './dialog-way.ts';
import { Locator } from './locate.ts';
import type { SipRequest } from './message.ts';
import { answerTo, headerOf, rawRequest, tcpPeer, udpPeer } from './raw-peer-fixture.ts';
import type { Dialog, Peer } from './user-agent.ts';
import { newAgent } from './user-agent-fixture.ts';

const FROM = { uri: 'sip:1001@example.com' };

t.test(
  'a caller behind NAT: its Contact is its own Via address, so it is reached where it was heard',
  async (t) => {
    const peer = await udpPeer(t);
    const dialogs: Dialog[] = [];
    const { port } = await newAgent(t, { onInvite: (invite) => void dialogs.push(invite.accept()) });
    const invite = rawRequest({ method: 'INVITE', port: 5060, to: port, callId: 'nat' });
    peer.send(invite.replaceAll('127.0.0.1:5060', '192.0.2.33:5060'), port);
    const toTag = /tag=(\w+)/.exec(headerOf(await peer.expect(/^SIP\/2\.0 200 /), 'to'))?.[1] ?? '';
    peer.send(rawRequest({ method: 'ACK', port: 5060, to: port, callId: 'nat', toTag }), port);
    void dialogs[0]?.bye();
    t.match(await peer.expect(/^BYE /), /^BYE sip:raw@192\.0\.2\.33:5060 /);
  },
);

t.test('a callee behind NAT: called at its registered address, acknowledged there', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const at: Peer = { protocol: 'udp', address: '127.0.0.1', port: peer.port };
  const dialog = new Promise<Dialog>((resolve) => {
    agent.invite({
      uri: 'sip:2002@192.0.2.33:5062',
      peer: at,
      from: FROM,
      to: FROM,
      onAccepted: (_response, accepted, ack) => {
        ack();
        resolve(accepted);
      },
      onRejected: ({ status }) => t.fail(String(status)),
    });
  });
  const invite = await peer.expect(/^INVITE /);
  peer.send(answerTo(invite, '200 OK', ['Contact: <sip:2002@192.0.2.33:5062>']), port);
  t.match(await peer.expect(/^ACK /), /^ACK sip:2002@192\.0\.2\.33:5062 /);
  void (await dialog).bye();
  await peer.expect(/^BYE /);
});

t.test('a route is the next hop, whatever the target is', async (t) => {
  const peer = await udpPeer(t);
  const proxy = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const uri = `sip:2002@127.0.0.1:${peer.port}`;
  const { callId } = agent.invite({
    uri,
    from: FROM,
    to: FROM,
    onAccepted: (_response, _dialog, ack) => ack(),
    onRejected: ({ status }) => t.fail(String(status)),
  });
  const lines = [`Contact: <${uri}>`, `Record-Route: <sip:127.0.0.1:${proxy.port};lr>`];
  peer.send(answerTo(await peer.expect(/^INVITE /), '200 OK', lines), port);
  const ack = await proxy.expect(/^ACK /);
  t.equal(headerOf(ack, 'call-id'), callId);
  t.equal(headerOf(ack, 'route'), `<sip:127.0.0.1:${proxy.port};lr>`);
});

t.test(
  'a proxy that was given as route, and stays out of the dialog, is not taken for the phone',
  async (t) => {
    const [phone, proxy] = [await udpPeer(t), await udpPeer(t)];
    const { agent, port } = await newAgent(t, {});
    const uri = `sip:2002@127.0.0.1:${phone.port}`;
    const route = `<sip:127.0.0.1:${proxy.port};lr>`;
    agent.invite({
      uri,
      peer: { protocol: 'udp', address: '127.0.0.1', port: proxy.port },
      headers: { route },
      from: FROM,
      to: FROM,
      onAccepted: (_response, _dialog, ack) => ack(),
      onRejected: ({ status }) => t.fail(String(status)),
    });
    const invite = await proxy.expect(/^INVITE /);
    t.equal(headerOf(invite, 'route'), route);
    t.match(invite, `INVITE ${uri} SIP/2.0`);
    proxy.send(answerTo(invite, '200 OK', [`Contact: <${uri}>`]), port);
    t.notMatch(await phone.expect(/^ACK /), /^route:/im);
  },
);

t.test('TCP: the open connection of the dialog, then a new one to the Contact', async (t) => {
  const dialogs: Dialog[] = [];
  const { port } = await newAgent(t, {
    protocol: 'tcp',
    onInvite: (invite) => void dialogs.push(invite.accept()),
  });
  const phone = await newAgent(t, {
    protocol: 'tcp',
    onRequest: (request) => request.respond(200),
  });
  const raw = await tcpPeer(t, port);
  const invite = rawRequest({
    method: 'INVITE',
    port: phone.port,
    to: port,
    callId: 'tcp',
    transport: 'TCP',
  });
  raw.send(invite.replace(/Contact: .*\r/, `Contact: <sip:raw@127.0.0.1:${phone.port};transport=tcp>\r`));
  const toTag = /tag=(\w+)/.exec(headerOf(await raw.expect(/200 OK[\s\S]*\r\n\r\n/), 'to'))?.[1] ?? '';
  raw.send(rawRequest({ method: 'ACK', port: 9, to: port, callId: 'tcp', toTag, transport: 'TCP' }));
  const [dialog] = dialogs;
  if (dialog === undefined) return t.fail('no dialog');
  const first = dialog.request('INFO');
  const text = await raw.expect(/INFO sip:raw[\s\S]*\r\n\r\n/);
  raw.send(answerTo(text.slice(text.indexOf('INFO sip:')), '200 OK'));
  t.equal((await first).status, 200);
  raw.socket.destroy();
  await raw.closed;
  // The phone listens at its Contact, and knows no such dialog: it was reached.
  const probe = await tcpPeer(t, port);
  probe.send('\r\n\r\n');
  await probe.expect(/\r\n/);
  t.equal((await dialog.request('INFO')).status, 481);
});

t.test('a peer cannot have us write to groups, to every host, or to none', async (t) => {
  const peer = await udpPeer(t);
  const dialogs: Dialog[] = [];
  const { agent, port } = await newAgent(t, { onInvite: (invite) => void dialogs.push(invite.accept()) });
  for (const [index, contact] of [
    'sip:raw@239.1.2.3',
    'sip:raw@255.255.255.255',
    'sip:raw@0.0.0.0',
    'sip:raw@127.0.0.1;maddr=224.0.1.75',
  ].entries()) {
    const invite = rawRequest({ method: 'INVITE', port: peer.port, to: port, callId: `far-${index}` });
    peer.send(invite.replace(/Contact: .*\r/, `Contact: <${contact}>\r`), port);
    const ok = await peer.expect(new RegExp(`^SIP/2.0 200 [^]*far-${index}`));
    const toTag = /tag=(\w+)/.exec(headerOf(ok, 'to'))?.[1] ?? '';
    peer.send(rawRequest({ method: 'ACK', port: peer.port, to: port, callId: `far-${index}`, toTag }), port);
    t.equal((await dialogs[index]?.request('INFO'))?.status, 503, contact);
  }
  t.equal(agent.counters['made-503'], 4);
});

t.test('only who is on this machine may name its loopback addresses', async (t) => {
  const request = { method: 'BYE', uri: 'sip:x@127.0.0.1:2223', headers: {} } as unknown as SipRequest;
  const asked: Peer[] = [];
  const transport = { channelOf: () => undefined, channelTo: (peer: Peer) => asked.push(peer) };
  const core = { transport, locator: new Locator() } as unknown as Core;
  const way = (address: string) => {
    const at: Peer = { protocol: 'udp', address, port: 5060 };
    return new DialogWay(core, { peer: at, local: at, id: '' }, undefined);
  };
  t.match(await way('192.0.2.7').channel(request), { reason: /of this machine/ });
  t.match(await way('2001:db8::7').channel(request), { reason: /of this machine/ });
  t.same(asked, []);
  await way('127.0.0.3').channel(request);
  t.match(asked, [{ address: '127.0.0.1', port: 2223 }]);
});
