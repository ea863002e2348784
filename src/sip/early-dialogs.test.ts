// Early dialogs: one for each branch of a fork, as caller and as callee (RFC 3261 sections 12.1 and 13.2.2).
import t from 'tap';
import { answerTo, headerOf, rawRequest, udpPeer } from './raw-peer-fixture.ts';
import type { Dialog, IncomingInvite, Progress } from './user-agent.ts';
import { eventually, newAgent, type Teardown } from './user-agent-fixture.ts';

async function placed(t: Teardown) {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const progress: Progress[] = [];
  const accepted: Dialog[] = [];
  const rejected: number[] = [];
  agent.invite({
    uri: `sip:2002@127.0.0.1:${peer.port}`,
    from: { uri: 'sip:1001@example.com' },
    to: { uri: 'sip:2002@example.com' },
    onProvisional: (_response, given) => given && progress.push(given),
    onAccepted: (_response, dialog, ack) => {
      accepted.push(dialog);
      ack();
    },
    onRejected: ({ status }) => void rejected.push(status),
  });
  const invite = await peer.expect(/^INVITE /);
  const contact = [`Contact: <sip:raw@127.0.0.1:${peer.port}>`];
  const answer = (status: string, tag: string, lines = contact) =>
    peer.send(answerTo(invite, status, lines, tag), port);
  return { peer, port, agent, invite, progress, accepted, rejected, answer, contact };
}

t.test('each branch of a fork has its early dialog; the one that answers becomes the call', async (t) => {
  const { peer, port, progress, accepted, answer, contact } = await placed(t);
  answer('180 Ringing', 'one');
  answer('183 Session Progress', 'two');
  answer('180 Ringing', 'two');
  await eventually(() => progress.length === 3);
  const [one, two, again] = progress.map(({ dialog }) => dialog);
  t.equal(two, again, 'the same branch, the same dialog');
  t.match(
    [one, two],
    [
      { state: 'early', remoteTag: 'one' },
      { state: 'early', remoteTag: 'two' },
    ],
  );
  const info = two?.request('INFO');
  peer.send(answerTo(await peer.expect(/^INFO [\s\S]*tag=two/), '200 OK'), port);
  t.equal((await info)?.status, 200, 'requests go in an early dialog');
  const route = `Record-Route: <sip:127.0.0.1:${peer.port};lr>`;
  answer('200 OK', 'two', [...contact, route]);
  await eventually(() => accepted.length === 1);
  t.equal(accepted[0], two, 'the early dialog itself');
  t.match([one?.state, two?.state], ['terminated', 'confirmed']);
  t.match(await peer.expect(/^ACK /), /^ACK [\s\S]*\r\nRoute: *</, 'the route set of the 2xx');
  t.equal((await one?.request('INFO'))?.status, 481);
  answer('200 OK', 'one');
  t.match(headerOf(await peer.expect(/^BYE /), 'to'), 'tag=one', 'a late branch is hung up');
});

t.test('a refusal ends all early dialogs', async (t) => {
  const { progress, rejected, answer } = await placed(t);
  answer('180 Ringing', 'one');
  answer('486 Busy Here', 'proxy');
  await eventually(() => rejected.length === 1);
  t.equal(progress[0]?.dialog?.state, 'terminated');
});

t.test('a peer that makes up branches without end is given twenty early dialogs', async (t) => {
  const { progress, answer } = await placed(t);
  for (let branch = 1; branch <= 30; branch++) answer('180 Ringing', `b${branch}`);
  await eventually(() => progress.length === 30);
  t.equal(progress.filter(({ dialog }) => dialog !== undefined).length, 20);
});

t.test('a callee cannot end an early dialog with BYE', async (t) => {
  const { peer, port, invite, progress, answer } = await placed(t);
  answer('180 Ringing', 'one');
  await eventually(() => progress.length === 1);
  const tag = /tag=(\w+)/.exec(headerOf(invite, 'from'))?.[1] ?? '';
  const callId = headerOf(invite, 'call-id');
  peer.send(
    rawRequest({ method: 'BYE', port: peer.port, to: port, callId, toTag: tag, fromTag: 'one' }),
    port,
  );
  await peer.expect(/^SIP\/2\.0 481 [\s\S]*BYE/);
  t.equal(progress[0]?.dialog?.state, 'early');
});

async function incoming(t: Teardown, lines: string[] = []) {
  const peer = await udpPeer(t);
  let invite: IncomingInvite | undefined;
  const { port, agent } = await newAgent(t, {
    onInvite: (incoming) => {
      invite = incoming;
    },
  });
  peer.send(rawRequest({ method: 'INVITE', port: peer.port, to: port, callId: 'in', lines }), port);
  await eventually(() => invite !== undefined);
  if (invite === undefined) throw new Error('no INVITE');
  return { peer, port, agent, invite };
}

t.test(
  'a callee shows the branches behind it, each with its tag, and answers with one of them',
  async (t) => {
    const { peer, port, invite } = await incoming(t);
    invite.respond(180, { branch: 'one' });
    invite.respond(183, { branch: 'two' });
    const tags = [
      headerOf(await peer.expect(/^SIP\/2\.0 180 /), 'to'),
      headerOf(await peer.expect(/^SIP\/2\.0 183 /), 'to'),
    ].map((to) => /tag=(\w+)/.exec(to)?.[1]);
    t.not(tags[0], tags[1]);
    const early = invite.early('one');
    const seen: string[] = [];
    if (early !== undefined) {
      early.onRequest = (request) => {
        seen.push(request.message.method);
        request.respond(200);
      };
    }
    peer.send(
      rawRequest({ method: 'INFO', port: peer.port, to: port, callId: 'in', toTag: tags[0], seq: 2 }),
      port,
    );
    await peer.expect(/^SIP\/2\.0 200 [\s\S]*INFO/);
    t.same(seen, ['INFO']);
    const dialog = invite.accept({ branch: 'two' });
    const ok = await peer.expect(/^SIP\/2\.0 200 [\s\S]*INVITE/);
    t.match(headerOf(ok, 'to'), `tag=${tags[1]}`);
    t.match([dialog.localTag, early?.state], [tags[1], 'terminated']);
    peer.send(rawRequest({ method: 'ACK', port: peer.port, to: port, callId: 'in', toTag: tags[1] }), port);
    peer.send(
      rawRequest({ method: 'INFO', port: peer.port, to: port, callId: 'in', toTag: tags[0], seq: 3 }),
      port,
    );
    await peer.expect(/^SIP\/2\.0 481 [\s\S]*INFO/);
  },
);

t.test('a CANCEL ends the early dialogs of a callee', async (t) => {
  const { peer, port, invite } = await incoming(t);
  invite.respond(180);
  const early = invite.early();
  const branch = /branch=(\w+)/.exec(headerOf(await peer.expect(/^SIP\/2\.0 180 /), 'via'))?.[1] ?? '';
  peer.send(rawRequest({ method: 'CANCEL', port: peer.port, to: port, callId: 'in', branch }), port);
  await peer.expect(/^SIP\/2\.0 487 /);
  t.equal(early?.state, 'terminated');
  t.equal(invite.accept().state, 'terminated');
});
