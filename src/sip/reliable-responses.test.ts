// Reliable provisional responses and PRACK, as callee and as caller (RFC 3262).
import t from 'tap';
import { answerTo, headerOf, type RawPeer, rawRequest, udpPeer } from './raw-peer-fixture.ts';
import type { Dialog, IncomingInvite, IncomingRequest, OutgoingInviteOptions } from './user-agent.ts';
import { eventually, newAgent, type Teardown } from './user-agent-fixture.ts';

const SDP = 'application/sdp';
const sdp = (bytes: string) => ({ type: SDP, bytes });
const REQUIRED = ['Require: 100rel', 'Supported: 100rel'];

async function incoming(t: Teardown, options: { lines?: string[]; offer?: string; t1?: number } = {}) {
  const { lines = REQUIRED, offer = '', t1 = 20 } = options;
  const peer = await udpPeer(t);
  let invite: IncomingInvite | undefined;
  let cancelled = 0;
  const { port, agent } = await newAgent(t, {
    timers: { t1, t2: 200 },
    onInvite: (incoming) => {
      invite = incoming;
      incoming.onCancel = () => {
        cancelled += 1;
      };
    },
  });
  peer.send(
    rawRequest({ method: 'INVITE', port: peer.port, to: port, callId: 'in', lines, sdp: offer }),
    port,
  );
  await eventually(() => invite !== undefined);
  if (invite === undefined) throw new Error('no INVITE');
  const known = { port: peer.port, to: port, callId: 'in' };
  let seq = 1;
  const prack = (response: string, body = '', rseq = headerOf(response, 'rseq')) => {
    const toTag = /tag=(\w+)/.exec(headerOf(response, 'to'))?.[1] ?? '';
    const lines = [`RAck: ${rseq} 1 INVITE`];
    seq += 1;
    peer.send(rawRequest({ method: 'PRACK', ...known, toTag, seq, lines, sdp: body }), port);
    return peer.expect(new RegExp(`^SIP/2\\.0 [\\s\\S]*CSeq: ${seq} PRACK`, 'i'));
  };
  const ack = (response: string) => {
    const toTag = /tag=(\w+)/.exec(headerOf(response, 'to'))?.[1] ?? '';
    peer.send(rawRequest({ method: 'ACK', ...known, toTag }), port);
  };
  return { peer, port, agent, invite, prack, ack, cancelled: () => cancelled };
}

t.test(
  'one who insists gets numbered responses, repeated until the PRACK comes, one after the other',
  async (t) => {
    const { peer, invite, prack, ack } = await incoming(t);
    invite.respond(180);
    invite.respond(182);
    const ringing = await peer.expect(/^SIP\/2\.0 180 /);
    t.match(headerOf(ringing, 'require'), '100rel');
    await eventually(() => peer.received.filter((text) => text === ringing).length >= 3);
    t.notOk(
      peer.received.some((text) => text.startsWith('SIP/2.0 182')),
      'the next one waits',
    );
    t.match(await prack(ringing, '', '1'), /^SIP\/2\.0 481 /, 'a PRACK of something else');
    t.match(await prack(ringing), /^SIP\/2\.0 200 /);
    const queued = await peer.expect(/^SIP\/2\.0 182 /);
    t.equal(Number(headerOf(queued, 'rseq')), Number(headerOf(ringing, 'rseq')) + 1);
    t.match(await prack(ringing), /^SIP\/2\.0 481 /, 'acknowledged already');
    invite.accept();
    const ok = await peer.expect(/^SIP\/2\.0 200 [\s\S]*INVITE/);
    ack(ok);
    t.match(await prack(queued), /^SIP\/2\.0 200 /, 'one that crossed the 2xx is still known');
  },
);

t.test('the 2xx waits until a description that was sent reliably is acknowledged', async (t) => {
  const { peer, invite, prack, ack } = await incoming(t, { lines: ['Supported: 100rel'], offer: 'offer' });
  invite.respond(180);
  t.equal(headerOf(await peer.expect(/^SIP\/2\.0 180 /), 'rseq'), '', 'not asked for');
  invite.respond(183, { reliable: true, body: sdp('answer') });
  const progress = await peer.expect(/^SIP\/2\.0 183 /);
  const dialog = invite.accept();
  t.equal(dialog.state, 'confirmed');
  await eventually(() => peer.received.filter((text) => text === progress).length >= 3);
  t.notOk(peer.received.some((text) => text.startsWith('SIP/2.0 200')));
  await prack(progress);
  ack(await peer.expect(/^SIP\/2\.0 200 [\s\S]*INVITE/));
  t.same(dialog.localDescription, { type: SDP, bytes: Buffer.from('answer') });
});

t.test('who cannot do it is sent a plain response', async (t) => {
  const { peer, invite } = await incoming(t, { lines: [] });
  invite.respond(183, { reliable: true, body: sdp('answer') });
  t.equal(headerOf(await peer.expect(/^SIP\/2\.0 183 /), 'rseq'), '');
});

t.test('a PRACK that never comes ends the call', async (t) => {
  const { peer, invite, cancelled } = await incoming(t, { t1: 4 });
  invite.respond(183);
  await peer.expect(/^SIP\/2\.0 504 /);
  t.equal(cancelled(), 1);
});

t.test('a CANCEL while the 2xx waits for a PRACK', async (t) => {
  const { peer, port, invite, cancelled } = await incoming(t, { offer: 'offer' });
  invite.respond(183, { body: sdp('answer') });
  const branch = /branch=(\w+)/.exec(headerOf(await peer.expect(/^SIP\/2\.0 183 /), 'via'))?.[1] ?? '';
  const dialog = invite.accept();
  peer.send(rawRequest({ method: 'CANCEL', port: peer.port, to: port, callId: 'in', branch }), port);
  await peer.expect(/^SIP\/2\.0 487 /);
  t.match([dialog.state, cancelled()], ['terminated', 1]);
});

t.test(
  'our offer in a reliable response is answered in the PRACK; a new offer in a PRACK is answered in its 200',
  async (t) => {
    const { peer, invite, prack } = await incoming(t);
    const seen: string[] = [];
    invite.onPrack = (request: IncomingRequest) => {
      const text = request.message.body.toString();
      seen.push(text);
      request.respond(200, text === 'new offer' ? { body: sdp('new answer') } : {});
    };
    invite.respond(183, { body: sdp('offer') });
    t.match(await prack(await peer.expect(/^SIP\/2\.0 183 /), 'answer'), /^SIP\/2\.0 200 /);
    invite.respond(180);
    const second = await prack(await peer.expect(/^SIP\/2\.0 180 /), 'new offer');
    t.match(second, /new answer$/);
    t.same(seen, ['answer', 'new offer']);
  },
);

t.test('without a handler a new offer in a PRACK is refused, its answer is not', async (t) => {
  const { peer, invite, prack } = await incoming(t);
  invite.respond(183, { body: sdp('offer') });
  t.match(await prack(await peer.expect(/^SIP\/2\.0 183 /), 'answer'), /^SIP\/2\.0 200 /);
  invite.respond(180);
  t.match(await prack(await peer.expect(/^SIP\/2\.0 180 /), 'new offer'), /^SIP\/2\.0 488 /);
});

async function placed(t: Teardown, options: Partial<OutgoingInviteOptions> = {}) {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, { timers: { t1: 500 } });
  const accepted: Dialog[] = [];
  agent.invite({
    uri: `sip:2002@127.0.0.1:${peer.port}`,
    from: { uri: 'sip:1001@example.com' },
    to: { uri: 'sip:2002@example.com' },
    onAccepted: (_response, dialog, ack) => {
      accepted.push(dialog);
      ack();
    },
    onRejected: () => {},
    ...options,
  });
  const invite = await peer.expect(/^INVITE /);
  t.teardown(() => agent.close());
  const answer = (status: string, rseq: number, tag: string, body = '') => {
    const lines = [`Contact: <sip:raw@127.0.0.1:${peer.port}>`, 'Require: 100rel', `RSeq: ${rseq}`];
    peer.send(answerTo(invite, status, lines, tag, body), port);
  };
  return { peer, port, agent, invite, accepted, answer };
}

/** The PRACK for an RSeq, answered. */
async function expectPrack(peer: RawPeer, port: number, rack: string, tag: string): Promise<string> {
  const prack = await peer.expect(new RegExp(`^PRACK [\\s\\S]*tag=${tag}[\\s\\S]*RAck: ${rack}`));
  peer.send(answerTo(prack, '200 OK'), port);
  return prack;
}

t.test(
  'as caller: each reliable response is acknowledged in order, in the dialog of its branch',
  async (t) => {
    const seen: number[] = [];
    const { peer, port, answer } = await placed(t, { onProvisional: ({ status }) => void seen.push(status) });
    answer('180 Ringing', 7, 'one');
    const first = await expectPrack(peer, port, '7 1 INVITE', 'one');
    t.equal(headerOf(first, 'cseq'), '2 PRACK');
    answer('180 Ringing', 7, 'one');
    answer('182 Queued', 9, 'one');
    answer('183 Session Progress', 41, 'two');
    const other = await expectPrack(peer, port, '41 1 INVITE', 'two');
    t.equal(headerOf(other, 'cseq'), '2 PRACK', 'numbers are the dialog’s own');
    answer('181 Call Is Being Forwarded', 8, 'one');
    const next = await expectPrack(peer, port, '8 1 INVITE', 'one');
    t.equal(headerOf(next, 'cseq'), '3 PRACK');
    t.same(seen, [180, 183, 181], 'what came twice or too early was not told');
  },
);

t.test('as caller: an offer in a reliable response waits for the answer of the user', async (t) => {
  let pracked: Promise<unknown> | undefined;
  const { peer, port, answer } = await placed(t, {
    onProvisional: (_response, progress) => {
      pracked = progress?.prack?.(sdp('answer'));
    },
  });
  answer('183 Session Progress', 1, 'one', 'offer');
  t.match(await expectPrack(peer, port, '1 1 INVITE', 'one'), /answer$/);
  t.match(await pracked, { status: 200 });
});

t.test('as caller: an answer in a reliable response is acknowledged by itself', async (t) => {
  const asked: unknown[] = [];
  const { peer, port, answer } = await placed(t, {
    body: sdp('offer'),
    onProvisional: (_response, progress) => void asked.push(progress?.prack),
  });
  answer('183 Session Progress', 1, 'one', 'answer');
  t.equal(headerOf(await expectPrack(peer, port, '1 1 INVITE', 'one'), 'content-length'), '0');
  t.same(asked, [undefined]);
});
