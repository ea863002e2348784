// UPDATE: before and after the answer, crossing other offers, moving the peer (RFC 3311).
import t from 'tap';
import { answerTo, headerOf, type RawPeer, rawRequest, udpPeer } from './raw-peer-fixture.ts';
import type { Dialog, IncomingInvite } from './user-agent.ts';
import { connectCall, eventually, newAgent, type Teardown } from './user-agent-fixture.ts';

const sdp = (bytes: string) => ({ type: 'application/sdp', bytes });

t.test('both ways in an answered call', async (t) => {
  const { caller, callee } = await connectCall(t);
  t.ok(caller.allows('UPDATE') && callee.allows('UPDATE') && caller.supports('timer'));
  for (const [from, to] of [
    [caller, callee],
    [callee, caller],
  ] as const) {
    to.onUpdate = (request) => request.respond(200, { body: sdp(`answer to ${request.message.body}`) });
    const response = await from.update({ body: sdp('offer') });
    t.match([response.status, response.body.toString()], [200, 'answer to offer']);
    t.match([from.localDescription?.bytes, to.localDescription?.bytes], ['offer', 'answer to offer']);
  }
});

t.test('one without offer is answered by the user agent; one with an offer needs a handler', async (t) => {
  const { caller, callee } = await connectCall(t);
  t.equal((await caller.update({})).status, 200);
  t.equal((await caller.request('UPDATE', { body: sdp('offer') })).status, 488);
  callee.onUpdate = (request) => request.respond(504);
  t.equal((await caller.update({ body: sdp('offer') })).status, 504);
  t.equal((await caller.update({ body: sdp('again') })).status, 504, 'a refused offer is not open any more');
  t.equal(caller.localDescription, undefined);
});

t.test('an UPDATE and a re-INVITE do not cross', async (t) => {
  const { caller, callee } = await connectCall(t);
  let answer = () => {};
  callee.onReinvite = (request) => {
    answer = () => request.respond(200, { body: sdp('answer') });
  };
  let isAsked = false;
  callee.onUpdate = () => {
    isAsked = true;
  };
  const reinvited = caller.reinvite({ body: sdp('offer') });
  t.equal((await caller.update({ body: sdp('other') })).status, 491, 'made here');
  await eventually(() => callee.localTag !== '' && answer.toString() !== '() => {}');
  t.equal(
    (await callee.update({ body: sdp('other') })).status,
    491,
    'made there, of our own INVITE unanswered',
  );
  answer();
  const { response, ack } = await reinvited;
  t.equal(response.status, 200);
  ack();
  t.notOk(isAsked);
});

async function early(t: Teardown, options: { offer?: string; reliable?: boolean } = {}) {
  const peer = await udpPeer(t);
  let invite: IncomingInvite | undefined;
  const { port } = await newAgent(t, {
    onInvite: (incoming) => {
      invite = incoming;
    },
  });
  const known = { port: peer.port, to: port, callId: 'in' };
  const lines = ['Supported: 100rel', 'Allow: UPDATE'];
  peer.send(rawRequest({ method: 'INVITE', ...known, lines, sdp: options.offer ?? 'offer' }), port);
  await eventually(() => invite !== undefined);
  if (invite === undefined) throw new Error('no INVITE');
  const ask = (method: string, seq: number, response: string, body = '', lines: string[] = []) => {
    const toTag = /tag=(\w+)/.exec(headerOf(response, 'to'))?.[1] ?? '';
    peer.send(rawRequest({ method, ...known, seq, toTag, sdp: body, lines }), port);
    return peer.expect(new RegExp(`^SIP/2\\.0 [\\s\\S]*CSeq: ${seq} ${method}`, 'i'));
  };
  return { peer, port, invite, ask };
}

t.test('in an early dialog, while the offer of the INVITE has no answer: 500', async (t) => {
  const { peer, invite, ask } = await early(t);
  invite.respond(180);
  const refused = await ask('UPDATE', 2, await peer.expect(/^SIP\/2\.0 180 /), 'new offer');
  t.match(refused, /^SIP\/2\.0 500 [\s\S]*Retry-After: \d/);
});

t.test('in an early dialog, once the answer went out reliably: the user answers', async (t) => {
  const { peer, invite, ask } = await early(t);
  invite.respond(183, { reliable: true, body: sdp('answer') });
  const progress = await peer.expect(/^SIP\/2\.0 183 /);
  const dialog = invite.early();
  t.match([dialog?.state, dialog?.allows('UPDATE')], ['early', true]);
  if (dialog !== undefined) dialog.onUpdate = (request) => request.respond(200, { body: sdp('new answer') });
  await ask('PRACK', 2, progress, '', [`RAck: ${headerOf(progress, 'rseq')} 1 INVITE`]);
  t.match(await ask('UPDATE', 3, progress, 'new offer'), /^SIP\/2\.0 200 [\s\S]*Contact: [\s\S]*new answer$/);
});

t.test(
  'of ours in an early dialog: not while our offer is open, then to the Contact of the peer',
  async (t) => {
    const peer = await udpPeer(t);
    const { agent, port } = await newAgent(t, {});
    let dialog: Dialog | undefined;
    agent.invite({
      uri: `sip:2002@127.0.0.1:${peer.port}`,
      from: { uri: 'sip:1001@example.com' },
      to: { uri: 'sip:2002@example.com' },
      body: sdp('offer'),
      onProvisional: (_response, progress) => {
        dialog = progress?.dialog;
      },
      onAccepted: () => {},
      onRejected: () => {},
    });
    const invite = await peer.expect(/^INVITE /);
    const contact = `Contact: <sip:raw@127.0.0.1:${peer.port}>`;
    peer.send(answerTo(invite, '180 Ringing', [contact]), port);
    await eventually(() => dialog !== undefined);
    t.equal((await dialog?.update({ body: sdp('new') }))?.status, 491);
    peer.send(
      answerTo(invite, '183 Session Progress', [contact, 'Require: 100rel', 'RSeq: 5'], 'raw', 'answer'),
      port,
    );
    peer.send(answerTo(await peer.expect(/^PRACK /), '200 OK'), port);
    const updated = dialog?.update({ body: sdp('new offer') });
    const update = await peer.expect(/^UPDATE sip:raw@127/);
    t.match(update, /Contact: *<sip:1001@/);
    peer.send(answerTo(update, '200 OK', [contact], 'raw', 'new answer'), port);
    t.equal((await updated)?.body.toString(), 'new answer');
    t.equal(dialog?.localDescription?.bytes, 'new offer');
  },
);

async function confirmed(
  t: Teardown,
): Promise<{ peer: RawPeer; dialog: Dialog; toTag: string; port: number }> {
  const peer = await udpPeer(t);
  let dialog: Dialog | undefined;
  const { port } = await newAgent(t, {
    onInvite: (invite) => {
      dialog = invite.accept();
    },
  });
  const known = { port: peer.port, to: port, callId: 'in' };
  peer.send(rawRequest({ method: 'INVITE', ...known }), port);
  const toTag = /tag=(\w+)/.exec(headerOf(await peer.expect(/^SIP\/2\.0 200 /), 'to'))?.[1] ?? '';
  peer.send(rawRequest({ method: 'ACK', ...known, toTag }), port);
  if (dialog === undefined) throw new Error('no dialog');
  return { peer, dialog, toTag, port };
}

t.test('two at once: the second is told to come later; a BYE ends the first', async (t) => {
  const { peer, dialog, toTag, port } = await confirmed(t);
  dialog.onUpdate = () => {};
  const ask = (method: string, seq: number) =>
    peer.send(
      rawRequest({
        method,
        port: peer.port,
        to: port,
        callId: 'in',
        seq,
        toTag,
        sdp: method === 'BYE' ? '' : 'o',
      }),
      port,
    );
  ask('UPDATE', 2);
  ask('UPDATE', 3);
  t.match(await peer.expect(/^SIP\/2\.0 500 [\s\S]*3 UPDATE/), /Retry-After: \d/);
  ask('BYE', 4);
  await peer.expect(/^SIP\/2\.0 487 [\s\S]*2 UPDATE/);
  await peer.expect(/^SIP\/2\.0 200 [\s\S]*4 BYE/);
});
