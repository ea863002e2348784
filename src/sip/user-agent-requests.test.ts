// Requests outside and inside dialogs: the checks of RFC 3261 section 8.2 and 12.2.2, and what the user's mistakes become.
import t from 'tap';
import { answerTo, headerOf, rawRequest, udpPeer } from './raw-peer-fixture.ts';
import type { Dialog, IncomingRequest } from './user-agent.ts';
import { connectCall, eventually, newAgent } from './user-agent-fixture.ts';

/** A raw peer in a confirmed dialog with an agent. */
async function rawCall(t: Parameters<typeof newAgent>[0]) {
  const peer = await udpPeer(t);
  const dialogs: Dialog[] = [];
  const { agent, port } = await newAgent(t, { onInvite: (invite) => void dialogs.push(invite.accept()) });
  const ask = (method: string, seq: number, toTag?: string) =>
    peer.send(
      rawRequest({
        method,
        port: peer.port,
        to: port,
        callId: 'call',
        seq,
        ...(toTag === undefined ? {} : { toTag }),
      }),
      port,
    );
  ask('INVITE', 5);
  const ok = await peer.expect(/^SIP\/2\.0 200 /);
  const toTag = /tag=(\w+)/.exec(headerOf(ok, 'to'))?.[1] ?? '';
  ask('ACK', 5, toTag);
  const [dialog] = dialogs;
  if (dialog === undefined) throw new Error('no dialog');
  return { peer, agent, port, dialog, ask: (method: string, seq: number) => ask(method, seq, toTag) };
}

t.test('outside any dialog', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, { onRequest: (request) => request.respond(200) });
  const ask = (options: Partial<Parameters<typeof rawRequest>[0]> & { method: string }) =>
    peer.send(rawRequest({ port: peer.port, to: port, ...options }), port);

  ask({ method: 'INVITE', toTag: 'unknown' });
  await peer.expect(/^SIP\/2\.0 481 [\s\S]*INVITE/);
  ask({ method: 'BYE', toTag: 'unknown' });
  await peer.expect(/^SIP\/2\.0 481 [\s\S]*BYE/);
  ask({ method: 'CANCEL' });
  await peer.expect(/^SIP\/2\.0 481 [\s\S]*CANCEL/);
  ask({ method: 'OPTIONS', lines: ['Require: 100rel, x-none'] });
  t.equal(headerOf(await peer.expect(/^SIP\/2\.0 420 /), 'unsupported'), 'x-none', '100rel is spoken');
  const twice = { method: 'MESSAGE', callId: 'twice', seq: 7 };
  ask(twice);
  ask(twice);
  await peer.expect(/^SIP\/2\.0 482 [\s\S]*7 MESSAGE/);
  ask({ method: 'ACK', toTag: 'unknown' });
  ask({ method: 'OPTIONS' });
  await peer.expect(/^SIP\/2\.0 200 [\s\S]*OPTIONS/);
  t.equal(agent.counters['ack-unmatched'], 1);
  t.notOk(
    peer.received.some((text) => / ACK\r/i.test(text)),
    'ACK is never answered',
  );
});

t.test('an INVITE without Contact is refused', async (t) => {
  const peer = await udpPeer(t);
  const { port } = await newAgent(t, {});
  const text = rawRequest({ method: 'INVITE', port: peer.port, to: port }).replace(/Contact: .*\r\n/, '');
  peer.send(text, port);
  t.match(await peer.expect(/^SIP\/2\.0 400 /), /^SIP\/2\.0 400 Missing Contact\r\n/);
});

t.test(
  'within a dialog: numbers must not go back; what has no handler is 405 or 501; OPTIONS is 200',
  async (t) => {
    const { peer, ask, dialog } = await rawCall(t);
    ask('INFO', 4);
    await peer.expect(/^SIP\/2\.0 500 [\s\S]*4 INFO/);
    ask('INFO', 9);
    t.match(headerOf(await peer.expect(/^SIP\/2\.0 405 [\s\S]*9 INFO/), 'allow'), 'INVITE');
    ask('FROBNICATE', 10);
    await peer.expect(/^SIP\/2\.0 501 [\s\S]*10 FROBNICATE/);
    ask('OPTIONS', 11);
    await peer.expect(/^SIP\/2\.0 200 [\s\S]*11 OPTIONS/);
    ask('INVITE', 12);
    await peer.expect(/^SIP\/2\.0 488 [\s\S]*12 INVITE/);
    dialog.onRequest = (request) => request.respond(202, { headers: { 'x-seen': request.message.method } });
    ask('INFO', 13);
    t.equal(headerOf(await peer.expect(/^SIP\/2\.0 202 [\s\S]*13 INFO/), 'x-seen'), 'INFO');
  },
);

t.test('a second re-INVITE while the first is unanswered: 500 with Retry-After', async (t) => {
  const { peer, ask, dialog } = await rawCall(t);
  const pending: IncomingRequest[] = [];
  dialog.onReinvite = (request) => void pending.push(request);
  ask('INVITE', 6);
  await eventually(() => pending.length === 1);
  ask('INVITE', 7);
  const refused = await peer.expect(/^SIP\/2\.0 500 [\s\S]*7 INVITE/);
  t.match(headerOf(refused, 'retry-after'), /^\d+$/);
  t.match(await dialog.reinvite({}), { response: { status: 491 } }, 'nor may we send one');
  pending[0]?.respond(200);
  await peer.expect(/^SIP\/2\.0 200 [\s\S]*6 INVITE/);
  t.equal(pending.length, 1);
});

t.test('a re-INVITE while ours is unanswered: 491', async (t) => {
  const { peer, port, ask, dialog } = await rawCall(t);
  dialog.onReinvite = () => t.fail('not handed over');
  const reinvited = dialog.reinvite({});
  const ours = await peer.expect(/^INVITE /);
  t.match(headerOf(ours, 'contact'), `<sip:2002@127.0.0.1:${port}>`);
  ask('INVITE', 6);
  await peer.expect(/^SIP\/2\.0 491 [\s\S]*6 INVITE/);
  t.match(await dialog.reinvite({}), { response: { status: 491 } });
  peer.send(answerTo(ours, '491 Request Pending'), port);
  t.match(await reinvited, { response: { status: 491 } });
  await peer.expect(/^ACK /);
  t.equal(dialog.state, 'confirmed');
});

t.test('a re-INVITE that is cancelled gets 487, and the dialog goes on', async (t) => {
  const { peer, port, dialog } = await rawCall(t);
  dialog.onReinvite = () => {};
  const invite = rawRequest({
    method: 'INVITE',
    port: peer.port,
    to: port,
    callId: 'call',
    seq: 6,
    branch: 'z9hG4bKre',
    toTag: dialog.localTag,
  });
  peer.send(invite, port);
  await peer.expect(/^SIP\/2\.0 100 [\s\S]*6 INVITE/);
  peer.send(invite.replaceAll('INVITE', 'CANCEL'), port);
  await peer.expect(/^SIP\/2\.0 200 [\s\S]*6 CANCEL/);
  await peer.expect(/^SIP\/2\.0 487 [\s\S]*6 INVITE/);
  t.equal(dialog.state, 'confirmed');
});

t.test('a re-INVITE moves the target of what we send', async (t) => {
  const { peer, port, ask, dialog } = await rawCall(t);
  const other = await udpPeer(t);
  dialog.onReinvite = (request) => request.respond(200);
  const invite = rawRequest({
    method: 'INVITE',
    port: peer.port,
    to: port,
    callId: 'call',
    seq: 6,
    toTag: dialog.localTag,
  });
  peer.send(invite.replace(`<sip:raw@127.0.0.1:${peer.port}>`, `<sip:raw@127.0.0.1:${other.port}>`), port);
  await peer.expect(/^SIP\/2\.0 200 [\s\S]*6 INVITE/);
  ask('ACK', 6);
  const answered = dialog.request('INFO');
  const info = await other.expect(/^INFO /);
  t.match(info, `INFO sip:raw@127.0.0.1:${other.port} SIP/2.0`);
  other.send(answerTo(info, '200 OK'), port);
  t.equal((await answered).status, 200);
});

for (const status of ['481 Call/Transaction Does Not Exist', '408 Request Timeout']) {
  t.test(`a ${status.slice(0, 3)} within a dialog ends it`, async (t) => {
    const { peer, port, dialog } = await rawCall(t);
    const ends: string[] = [];
    dialog.onEnd = ({ by }) => void ends.push(by);
    const answered = dialog.request('INFO');
    peer.send(answerTo(await peer.expect(/^INFO /), status), port);
    t.equal((await answered).status, Number(status.slice(0, 3)));
    t.same(ends, ['timeout']);
    t.equal(dialog.state, 'terminated');
    t.equal((await dialog.request('INFO')).status, 481);
    t.equal((await dialog.bye()).status, 481);
    t.same(ends, ['timeout']);
  });
}

const SDP = { type: 'application/sdp', bytes: 'v=0\r\n' };

t.test(
  'a re-INVITE that is not answered at all ends by Timer B, and costs a patient caller nothing',
  async (t) => {
    const { peer, port, dialog } = await rawCall(t);
    dialog.onEnd = () => t.fail('the call goes on');
    const patience = { giveUpAfterMs: 100 };
    const reinvited = dialog.reinvite({ body: SDP, patience });
    await peer.expect(/^INVITE /);
    t.equal((await reinvited).response.status, 408);
    t.equal(dialog.state, 'confirmed');
    const again = dialog.reinvite({ body: SDP, patience });
    const invite = await peer.expect(/^INVITE [\s\S]*CSeq: 2 INVITE/i);
    const cancels = peer.received.filter((message) => message.startsWith('CANCEL'));
    t.same(cancels, [], 'what has had no response is not cancelled (RFC 3261 section 9.1)');
    peer.send(answerTo(invite, '200 OK'), port);
    const { response, ack } = await again;
    t.equal(response.status, 200);
    ack();
    await peer.expect(/^ACK /);
  },
);

t.test('BYEs that cross are both answered 200', async (t) => {
  const { peer, port, ask, dialog } = await rawCall(t);
  dialog.onEnd = () => t.fail('we have hung up ourselves');
  const answered = dialog.bye();
  const bye = await peer.expect(/^BYE /);
  ask('BYE', 6);
  await peer.expect(/^SIP\/2\.0 200 [\s\S]*6 BYE/);
  peer.send(answerTo(bye, '200 OK'), port);
  t.equal((await answered).status, 200);
});

t.test('a dialog ends once, and its unanswered re-INVITE with it', async (t) => {
  const { peer, ask, dialog } = await rawCall(t);
  const ends: unknown[] = [];
  dialog.onEnd = ({ by, request }) => void ends.push([by, request?.method]);
  dialog.onReinvite = () => {};
  ask('INVITE', 6);
  await peer.expect(/^SIP\/2\.0 100 [\s\S]*6 INVITE/);
  ask('BYE', 7);
  await peer.expect(/^SIP\/2\.0 200 [\s\S]*7 BYE/);
  await peer.expect(/^SIP\/2\.0 487 [\s\S]*6 INVITE/);
  ask('BYE', 8);
  await peer.expect(/^SIP\/2\.0 481 [\s\S]*8 BYE/);
  t.same(ends, [['remote', 'BYE']]);
});

t.test('a handler that throws costs its request alone', async (t) => {
  const { agent, target } = await newAgent(t, {
    onInvite: () => {
      throw new Error('no');
    },
    onRequest: () => {
      throw new Error('no');
    },
  });
  const { agent: client } = await newAgent(t, {});
  const from = { uri: 'sip:1001@example.com' };
  const options = { uri: target, from, to: { uri: target } };
  t.equal((await client.request({ method: 'OPTIONS', ...options })).status, 500);
  const rejected = await new Promise((resolve) => {
    client.invite({ ...options, onAccepted: resolve, onRejected: resolve });
  });
  t.match(rejected, { status: 500 });
  t.equal(agent.counters['handler-error'], 2);
});

t.test('what cannot be written becomes a 500 of ours, and nothing is sent', async (t) => {
  const peer = await udpPeer(t);
  const { agent } = await newAgent(t, {});
  const uri = `sip:2002@127.0.0.1:${peer.port}`;
  const base = { uri, from: { uri: 'sip:1001@example.com' }, to: { uri } };
  const ask = (headers: Record<string, string>) => agent.request({ method: 'OPTIONS', ...base, headers });
  t.equal((await ask({ subject: 'a\r\nX-Evil: 1' })).status, 500);
  t.equal((await ask({ via: 'SIP/2.0/UDP evil' })).status, 500);
  t.equal((await ask({ contact: '<<<' })).status, 500);
  t.equal((await agent.request({ method: 'OPTIONS', ...base, to: { uri: 'sip:a>\r\nX: y' } })).status, 500);
  t.same(peer.received, []);
});

t.test('headers that are taken apart may be given as text', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const uri = 'sip:registrar.example.com';
  const answered = agent.request({
    method: 'REGISTER',
    uri,
    from: { uri: 'sip:1001@example.com', name: 'Ann "A"' },
    to: { uri: 'sip:1001@example.com' },
    peer: { protocol: 'udp', address: '127.0.0.1', port: peer.port },
    headers: { contact: `<sip:1001@127.0.0.1:${port}>;expires=60`, expires: '60', 'max-forwards': '5' },
  });
  const register = await peer.expect(/^REGISTER sip:registrar\.example\.com SIP\/2\.0\r\n/);
  t.equal(headerOf(register, 'contact'), `<sip:1001@127.0.0.1:${port}>;expires=60`);
  t.equal(headerOf(register, 'expires'), '60');
  t.equal(headerOf(register, 'max-forwards'), '5');
  t.match(headerOf(register, 'from'), '"Ann \\"A\\"" <sip:1001@example.com>;tag=');
  peer.send(answerTo(register, '200 OK'), port);
  t.equal((await answered).status, 200);
});

t.test('close: what is under way ends, and nothing more is sent', async (t) => {
  const call = await connectCall(t);
  const peer = await udpPeer(t);
  const uri = `sip:2002@127.0.0.1:${peer.port}`;
  const under = call.callerAgent.request({ method: 'OPTIONS', uri, from: { uri }, to: { uri } });
  await peer.expect(/^OPTIONS /);
  await call.callerAgent.close();
  t.equal((await under).status, 503);
  t.equal((await call.caller.request('INFO')).status, 481);
  const after = await call.callerAgent.request({ method: 'OPTIONS', uri, from: { uri }, to: { uri } });
  t.equal(after.status, 503);
});
