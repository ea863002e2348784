// INVITEs that do not simply succeed: cancelled, rejected, forked, racing, unanswered, unacknowledged.
import t from 'tap';
import type { SipResponse } from './message.ts';
import { answerTo, headerOf, rawRequest, udpPeer } from './raw-peer-fixture.ts';
import type { Dialog, IncomingInvite, OutgoingInvite, Protocol, UserAgent } from './user-agent.ts';
import { eventually, newAgent } from './user-agent-fixture.ts';

interface Placed {
  outgoing: OutgoingInvite;
  provisional: number[];
  accepted: Dialog[];
  rejected: SipResponse[];
}

function place(agent: UserAgent, uri: string, ackAtOnce = true): Placed {
  const placed: Omit<Placed, 'outgoing'> = { provisional: [], accepted: [], rejected: [] };
  const outgoing = agent.invite({
    uri,
    from: { uri: 'sip:1001@example.com' },
    to: { uri: 'sip:2002@example.com' },
    onProvisional: ({ status }) => placed.provisional.push(status),
    onAccepted: (_response, dialog, ack) => {
      placed.accepted.push(dialog);
      if (ackAtOnce) ack();
    },
    onRejected: (response) => placed.rejected.push(response),
  });
  return { outgoing, ...placed };
}

for (const protocol of ['udp', 'tcp'] satisfies Protocol[]) {
  t.test(`${protocol}: a ringing call is cancelled`, async (t) => {
    const invites: IncomingInvite[] = [];
    let cancelled = 0;
    const { target } = await newAgent(t, {
      protocol,
      onInvite: (invite) => {
        invites.push(invite);
        invite.onCancel = () => {
          cancelled += 1;
        };
        invite.respond(180);
      },
    });
    const { agent } = await newAgent(t, { protocol });
    const placed = place(agent, target);
    await eventually(() => placed.provisional.includes(180));
    placed.outgoing.cancel('SIP;cause=200');
    placed.outgoing.cancel();
    await eventually(() => placed.rejected.length > 0);
    t.match(placed.rejected, [{ status: 487 }]);
    t.equal(cancelled, 1);
    t.equal(placed.accepted.length, 0);
    const [invite] = invites;
    t.equal(invite?.accept().state, 'terminated', 'it is too late to accept it');
    invite?.respond(486);
  });
}

t.test('cancel before any response waits for the first one', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const placed = place(agent, `sip:2002@127.0.0.1:${peer.port}`);
  placed.outgoing.cancel();
  const invite = await peer.expect(/^INVITE /);
  await peer.expect(/^INVITE /, 1);
  t.notOk(peer.received.some((text) => text.startsWith('CANCEL')));
  peer.send(answerTo(invite, '100 Trying'), port);
  const cancel = await peer.expect(/^CANCEL /);
  t.equal(headerOf(cancel, 'via'), headerOf(invite, 'via'));
  peer.send(answerTo(cancel, '200 OK'), port);
  peer.send(answerTo(invite, '487 Request Terminated'), port);
  await peer.expect(/^ACK /);
  t.match(placed.rejected, [{ status: 487 }]);
});

t.test('a peer that answers neither CANCEL nor INVITE is given up after 64*T1', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, { timers: { t1: 5 } });
  const placed = place(agent, `sip:2002@127.0.0.1:${peer.port}`);
  peer.send(answerTo(await peer.expect(/^INVITE /), '180 Ringing'), port);
  await eventually(() => placed.provisional.length > 0);
  placed.outgoing.cancel();
  await eventually(() => placed.rejected.length > 0);
  t.match(placed.rejected, [{ status: 408 }]);
});

t.test('a 200 that crosses the CANCEL is acknowledged and hung up', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const placed = place(agent, `sip:2002@127.0.0.1:${peer.port}`);
  const invite = await peer.expect(/^INVITE /);
  peer.send(answerTo(invite, '180 Ringing'), port);
  await eventually(() => placed.provisional.length > 0);
  placed.outgoing.cancel();
  await peer.expect(/^CANCEL /);
  peer.send(answerTo(invite, '200 OK', [`Contact: <sip:raw@127.0.0.1:${peer.port}>`]), port);
  const ack = await peer.expect(/^ACK /);
  const bye = await peer.expect(/^BYE /);
  t.ok(peer.received.indexOf(ack) < peer.received.indexOf(bye));
  t.match(headerOf(bye, 'to'), 'tag=raw');
  t.equal(placed.accepted.length, 0);
  t.match(placed.rejected, [{ status: 487 }]);
  peer.send(answerTo(bye, '200 OK'), port);
});

t.test('a fork: the first 2xx is the call, every other is acknowledged and hung up', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const placed = place(agent, `sip:2002@127.0.0.1:${peer.port}`);
  const invite = await peer.expect(/^INVITE /);
  const contact = [`Contact: <sip:raw@127.0.0.1:${peer.port}>`];
  peer.send(answerTo(invite, '200 OK', contact, 'one'), port);
  peer.send(answerTo(invite, '200 OK', contact, 'two'), port);
  const bye = await peer.expect(/^BYE /);
  t.match(headerOf(bye, 'to'), 'tag=two');
  await peer.expect(/^ACK [\s\S]*tag=one/);
  await peer.expect(/^ACK [\s\S]*tag=two/);
  t.equal(placed.accepted.length, 1);
  t.equal(placed.accepted[0]?.remoteTag, 'one');
  t.equal(agent.counters['answer-forked'], 1);
});

t.test('a 200 that comes again gets the same ACK again, and is told once', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const placed = place(agent, `sip:2002@127.0.0.1:${peer.port}`);
  const invite = await peer.expect(/^INVITE /);
  const ok = answerTo(invite, '200 OK', [`Contact: <sip:raw@127.0.0.1:${peer.port}>`]);
  peer.send(ok, port);
  const first = await peer.expect(/^ACK /);
  peer.send(ok, port);
  const second = await peer.expect(/^ACK /, peer.received.indexOf(first) + 1);
  t.equal(second, first);
  t.not(headerOf(first, 'via'), headerOf(invite, 'via'), 'an ACK of a 2xx has a branch of its own');
  t.equal(placed.accepted.length, 1);
});

t.test('hanging up before the ACK was sent sends the ACK first', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const placed = place(agent, `sip:2002@127.0.0.1:${peer.port}`, false);
  const invite = await peer.expect(/^INVITE /);
  peer.send(answerTo(invite, '200 OK', [`Contact: <sip:raw@127.0.0.1:${peer.port}>`]), port);
  await eventually(() => placed.accepted.length > 0);
  void placed.accepted[0]?.bye();
  const bye = await peer.expect(/^BYE /);
  t.match(peer.received.at(peer.received.indexOf(bye) - 1), /^ACK /);
});

t.test('nobody there: 408 made here after 64*T1; no way out: 503 made here', async (t) => {
  const peer = await udpPeer(t);
  const { agent } = await newAgent(t, { timers: { t1: 5 } });
  const silent = place(agent, `sip:2002@127.0.0.1:${peer.port}`);
  const nowhere = place(agent, 'sip:2002@no-such-host.invalid');
  const wrong = place(agent, 'sip:2002@127.0.0.1:5060;transport=sctp');
  const tel = place(agent, 'tel:+15550100');
  const tcp = place(agent, 'sip:2002@127.0.0.1;transport=tcp');
  await eventually(() => [silent, nowhere, wrong, tel, tcp].every(({ rejected }) => rejected.length === 1));
  t.match(silent.rejected, [{ status: 408 }]);
  for (const { rejected } of [nowhere, wrong, tel, tcp]) t.match(rejected, [{ status: 503 }]);
});

t.test('a 2xx is sent again until its ACK comes', async (t) => {
  const peer = await udpPeer(t);
  const dialogs: Dialog[] = [];
  let acks = 0;
  const { port } = await newAgent(t, {
    timers: { t1: 20, t2: 40 },
    onInvite: (invite) => {
      const dialog = invite.accept();
      dialogs.push(dialog);
      dialog.onAck = () => {
        acks += 1;
      };
    },
  });
  const invite = (callId: string) =>
    peer.send(rawRequest({ method: 'INVITE', port: peer.port, to: port, callId }), port);
  invite('lost');
  const ok = await peer.expect(/^SIP\/2\.0 200 /);
  await eventually(() => peer.received.filter((text) => text === ok).length >= 4);
  const toTag = /tag=(\w+)/.exec(headerOf(ok, 'to'))?.[1] ?? '';
  const ack = rawRequest({ method: 'ACK', port: peer.port, to: port, callId: 'lost', toTag });
  peer.send(ack, port);
  peer.send(ack, port);
  await eventually(() => acks > 0);
  // Another's 2xx, never acknowledged, is the clock: it is sent again after 20, 60 and 100 ms, the first one would be after 40 at most.
  invite('other');
  const isOther = (text: string) => headerOf(text, 'call-id') === 'other';
  await eventually(() => peer.received.filter(isOther).length >= 4);
  const since = peer.received.findIndex(isOther);
  t.ok(peer.received.slice(since).every(isOther), 'nothing of the first was sent again');
  t.equal(acks, 1);
  t.equal(dialogs[0]?.state, 'confirmed');
});

t.test('a 2xx whose ACK never comes ends the dialog with BYE', async (t) => {
  const peer = await udpPeer(t);
  let end: unknown;
  const { agent, port } = await newAgent(t, {
    timers: { t1: 4, t2: 16 },
    onInvite: (invite) => {
      const dialog = invite.accept();
      dialog.onEnd = ({ by }) => {
        end = { by, state: dialog.state };
      };
    },
  });
  peer.send(rawRequest({ method: 'INVITE', port: peer.port, to: port }), port);
  const bye = await peer.expect(/^BYE /);
  t.match(end, { by: 'timeout', state: 'terminated' });
  t.match(bye, `BYE sip:raw@127.0.0.1:${peer.port} SIP/2.0`);
  t.equal(headerOf(bye, 'cseq'), '1 BYE');
  peer.send(answerTo(bye, '200 OK'), port);
  t.ok(agent);
});

t.test('hanging up before the ACK has come waits for it', async (t) => {
  const peer = await udpPeer(t);
  let answered: SipResponse | undefined;
  const { port } = await newAgent(t, {
    onInvite: (invite) => {
      const dialog = invite.accept();
      void dialog.bye().then((response) => {
        answered = response;
      });
      t.equal(dialog.state, 'terminated');
    },
  });
  peer.send(rawRequest({ method: 'INVITE', port: peer.port, to: port, callId: 'early' }), port);
  const ok = await peer.expect(/^SIP\/2\.0 200 /);
  t.notOk(peer.received.some((text) => text.startsWith('BYE')));
  const toTag = /tag=(\w+)/.exec(headerOf(ok, 'to'))?.[1] ?? '';
  peer.send(rawRequest({ method: 'ACK', port: peer.port, to: port, callId: 'early', toTag }), port);
  peer.send(answerTo(await peer.expect(/^BYE /), '200 OK'), port);
  await eventually(() => answered !== undefined);
  t.equal(answered?.status, 200);
});

t.test('a BYE in an early dialog ends the INVITE with 487', async (t) => {
  const peer = await udpPeer(t);
  let cancelled = false;
  const { port } = await newAgent(t, {
    onInvite: (invite) => {
      invite.onCancel = () => {
        cancelled = true;
      };
      invite.respond(180);
    },
  });
  peer.send(rawRequest({ method: 'INVITE', port: peer.port, to: port, callId: 'eb' }), port);
  const toTag = /tag=(\w+)/.exec(headerOf(await peer.expect(/^SIP\/2\.0 180 /), 'to'))?.[1] ?? '';
  peer.send(rawRequest({ method: 'BYE', port: peer.port, to: port, callId: 'eb', toTag, seq: 2 }), port);
  await peer.expect(/^SIP\/2\.0 200 [\s\S]*BYE/);
  await peer.expect(/^SIP\/2\.0 487 [\s\S]*INVITE/);
  t.ok(cancelled);
});

t.test('the responses of an INVITE: one tag, Contact, Record-Route, and the product', async (t) => {
  const peer = await udpPeer(t);
  const { port } = await newAgent(t, {
    onInvite: (invite) => {
      invite.respond(183);
      invite.accept({ headers: { 'x-extra': 'yes' } });
    },
  });
  const lines = ['Record-Route: <sip:127.0.0.9;lr>'];
  peer.send(rawRequest({ method: 'INVITE', port: peer.port, to: port, lines }), port);
  const progress = await peer.expect(/^SIP\/2\.0 183 /);
  const ok = await peer.expect(/^SIP\/2\.0 200 /);
  t.equal(headerOf(progress, 'to'), headerOf(ok, 'to'));
  for (const text of [progress, ok]) {
    t.equal(headerOf(text, 'contact'), `<sip:2002@127.0.0.1:${port}>`);
    t.equal(headerOf(text, 'record-route'), '<sip:127.0.0.9;lr>');
    t.equal(headerOf(text, 'server'), 'test');
  }
  t.equal(headerOf(ok, 'x-extra'), 'yes');
});

t.test('what cannot be written is told after invite has returned', async (t) => {
  const { agent } = await newAgent(t, {});
  let returned = false;
  const rejected = new Promise((resolve) => {
    agent.invite({
      uri: 'sip:2002@127.0.0.1:9',
      from: { uri: 'sip:1001@example.com' },
      to: { uri: 'sip:2002@example.com' },
      headers: { 'x-evil': 'a\r\nb' },
      onAccepted: resolve,
      onRejected: ({ status }) => resolve([status, returned]),
    });
  });
  returned = true;
  t.same(await rejected, [500, true]);
});

t.test(
  'close ends what is under way: a call that rings, one that is wanted, one that was just accepted',
  async (t) => {
    const { agent: callee, target } = await newAgent(t, { onInvite: (invite) => invite.respond(180) });
    const { agent } = await newAgent(t, {});
    const placed = place(agent, target);
    await eventually(() => placed.provisional.length > 0);
    await callee.close();
    await agent.close();
    t.match(placed.rejected, [{ status: 503 }]);
    const after = place(agent, target);
    await eventually(() => after.rejected.length > 0);
    t.match(after.rejected, [{ status: 503 }]);
  },
);
