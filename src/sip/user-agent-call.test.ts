// Two user agents over real sockets: a call from INVITE to BYE, over UDP and over TCP, IPv4 and IPv6.
import t, { type Test } from 'tap';
import { type Call, connectCall, eventually, newAgent } from './user-agent-fixture.ts';

for (const [protocol, host] of [
  ['udp', '127.0.0.1'],
  ['tcp', '127.0.0.1'],
  ['udp', '::1'],
  ['tcp', '::1'],
] as const) {
  const name = `${protocol} ${host}`;

  t.test(`${name}: the caller hangs up`, async (t) => {
    const call = await connectCall(t, { protocol, host });
    let ended: unknown;
    call.callee.onEnd = (end) => {
      ended = end.by;
    };
    const response = await call.caller.bye();
    t.equal(response.status, 200);
    t.equal(call.caller.state, 'terminated');
    await eventually(() => ended !== undefined);
    t.equal(ended, 'remote');
    t.equal(call.callee.state, 'terminated');
  });

  t.test(`${name}: the callee hangs up`, async (t) => {
    const call = await connectCall(t, { protocol, host });
    const ended = new Promise((resolve) => {
      call.caller.onEnd = resolve;
    });
    t.equal((await call.callee.bye()).status, 200);
    t.match(await ended, { by: 'remote', request: { method: 'BYE' } });
  });

  t.test(`${name}: both dialogs are one, and their Contacts reach them`, async (t) => {
    const call = await connectCall(t, { protocol, host });
    t.equal(call.caller.callId, call.callee.callId);
    t.equal(call.caller.remoteTag, call.callee.localTag);
    t.equal(call.caller.localTag, call.callee.remoteTag);
    const contact = call.invite.headers.contact;
    const { port } = call.callerAgent.listening[0] ?? { port: 0 };
    const transport = protocol === 'tcp' ? ';transport=tcp' : '';
    const literal = host === '::1' ? '[::1]' : host;
    t.match(contact, [{ uri: `sip:1001@${literal}:${port}${transport}` }]);
  });

  t.test(`${name}: re-INVITE in both directions, with its ACK`, async (t) => {
    const call = await connectCall(t, { protocol, host });
    await reinvites(t, call, 'caller', 'callee');
    await reinvites(t, call, 'callee', 'caller');
    t.equal((await call.caller.bye()).status, 200);
  });
}

async function reinvites(t: Test, call: Call, from: 'caller' | 'callee', to: 'caller' | 'callee') {
  const acked = new Promise<string>((resolve) => {
    call[to].onAck = (ack) => resolve(ack.body.toString());
  });
  call[to].onReinvite = (request) => {
    t.equal(request.message.body.toString(), 'offer');
    request.respond(200, { body: { type: 'application/sdp', bytes: 'answer' } });
  };
  const { response, ack } = await call[from].reinvite({ body: { type: 'application/sdp', bytes: 'offer' } });
  t.equal(response.status, 200);
  t.equal(response.body.toString(), 'answer');
  ack({ type: 'text/plain', bytes: 'with the ACK' });
  t.equal(await acked, 'with the ACK');
}

t.test('a call over UDP between agents with a long reason, a body, and headers', async (t) => {
  const { agent: callee } = await newAgent(t, {
    onInvite: (invite) => invite.respond(486, { reason: 'Busy, really', headers: { 'x-why': 'lunch' } }),
  });
  const { agent: caller, target } = await newAgent(t, {});
  t.ok(target);
  const rejected = await new Promise((resolve) => {
    const { port } = callee.listening[0] ?? { port: 0 };
    caller.invite({
      uri: `sip:2002@127.0.0.1:${port}`,
      from: { uri: 'sip:1001@example.com', name: 'Ann "A" O\\Hara' },
      to: { uri: 'sip:2002@example.com' },
      onAccepted: () => resolve('accepted'),
      onRejected: resolve,
    });
  });
  t.match(rejected, { status: 486, reason: 'Busy, really', headers: { 'x-why': 'lunch' } });
});
