// A call back to back: what each side is sent, what the journal says, whoever fails and whenever.
import t from 'tap';
import { GrecError } from '../errors.ts';
import { FakeIncoming, fakeRequest, fakeResponse } from '../testing/fake-user-agent.ts';
import { answered, settle, setUp } from './call-fixture.ts';

t.test('a recorded call shows each side the media server', async (t) => {
  const { call, userAgent, invite, media, types, released } = setUp();
  await call.begin();
  userAgent.options?.onProvisional?.(fakeResponse(180));
  await settle();
  userAgent.accept('answer');
  await settle();
  t.same(userAgent.sent, ['INVITE m(offer)', 'ACK']);
  t.same(invite.sent, ['180', '200 m(answer)']);
  t.same(media.asked, ['offer', 'answer', 'startRecording']);
  t.equal(call.recording?.isRunning, true);
  invite.dialog.end();
  await released;
  t.same(userAgent.dialog.sent, ['BYE']);
  t.same(types(), [
    'call.created',
    'recording.decided',
    'call.ringing',
    'call.answered',
    'recording.started',
    'recording.stopped',
    'call.released',
  ]);
  t.equal(media.asked.at(-1), 'release');
});

t.test('a call that is not recorded has direct media', async (t) => {
  const { userAgent, invite, media, types } = await answered({ record: false });
  t.same(userAgent.sent, ['INVITE offer', 'ACK']);
  t.same(invite.sent, ['200 answer']);
  t.same(media.asked, []);
  t.notOk(types().includes('recording.started'));
});

t.test('a slow disk on the media server does not hold up the call', async (t) => {
  const { call, userAgent, invite, media, types } = setUp();
  let isOnDisk = () => {};
  media.startRecording = () =>
    new Promise((resolve) => {
      isOnDisk = resolve;
    });
  await call.begin();
  userAgent.accept('answer');
  await settle();
  t.same(invite.sent, ['200 m(answer)']);
  t.equal(call.recording?.isRunning, false);
  isOnDisk();
  await settle();
  t.equal(call.recording?.isRunning, true);
  t.equal(types().at(-1), 'recording.started');
});

t.test(
  'early media goes through the media server, and its answer serves when the 200 has none',
  async (t) => {
    const { call, userAgent, invite } = setUp();
    await call.begin();
    userAgent.options?.onProvisional?.(fakeResponse(183, 'early'));
    await settle();
    userAgent.accept('');
    await settle();
    t.same(invite.sent, ['183 m(early)', '200 m(early)']);
  },
);

t.test('an INVITE without offer: the 200 brings it, the ACK the answer', async (t) => {
  const { userAgent, invite, media, types } = await (async () => {
    const all = setUp({ offer: '' });
    await all.call.begin();
    all.userAgent.accept('late offer');
    await settle();
    return all;
  })();
  t.same(userAgent.sent, ['INVITE']);
  t.same(invite.sent, ['200 m(late offer)']);
  invite.dialog.onAck?.(fakeRequest('ACK', 'late answer'));
  await settle();
  t.same(userAgent.sent, ['INVITE', 'ACK m(late answer)']);
  t.same(media.asked, ['offer', 'answer', 'startRecording']);
  t.ok(types().includes('recording.started'));
});

t.test('without a media server the call is direct, and the loss is told', async (t) => {
  const { userAgent, invite, events } = await answered({ failing: ['offer'] });
  t.same(userAgent.sent, ['INVITE offer', 'ACK']);
  t.same(invite.sent, ['200 answer']);
  t.match(
    events.find(({ type }) => type === 'recording.failed'),
    { reason: 'no offer' },
  );
});

t.test('a media server lost between offer and answer: the callee is offered the caller itself', async (t) => {
  const { userAgent, invite, events } = await answered({ failing: ['answer'] });
  await settle();
  t.same(invite.sent, ['200 answer']);
  t.same(userAgent.dialog.sent, ['INVITE offer', 'ACK']);
  t.match(
    events.find(({ type }) => type === 'recording.failed'),
    { reason: 'no answer' },
  );
});

t.test('a recording that cannot start leaves the call alone', async (t) => {
  const { call, invite, types } = await answered({ failing: ['startRecording'] });
  t.same(invite.sent, ['200 m(answer)']);
  t.equal(call.state, 'answered');
  t.ok(types().includes('recording.failed'));
});

t.test('CANCEL ends the callee, and nothing more is said to the caller', async (t) => {
  const { call, userAgent, invite, events, released } = setUp();
  await call.begin();
  invite.cancel();
  await released;
  t.same(userAgent.sent, ['INVITE m(offer)', 'CANCEL']);
  t.same(invite.sent, ['487']);
  t.match(events.at(-1), { type: 'call.released', by: 'a', status: 487, answered: false });
});

t.test('CANCEL while the media server is asked for an answer: the callee is hung up', async (t) => {
  const { call, userAgent, invite, released } = setUp();
  await call.begin();
  userAgent.accept('answer');
  invite.cancel();
  await released;
  await settle();
  t.same(userAgent.sent, ['INVITE m(offer)', 'ACK']);
  t.same(userAgent.dialog.sent, ['BYE']);
  t.same(invite.sent, ['487']);
});

for (const [status, told] of [
  [486, 486],
  [603, 603],
  [302, 480],
  [401, 403],
  [481, 500],
]) {
  t.test(`the callee's ${status} is ${told} to the caller`, async (t) => {
    const { call, userAgent, invite, released } = setUp();
    await call.begin();
    userAgent.options?.onRejected(fakeResponse(status ?? 0));
    await released;
    t.same(invite.sent, [`${told}`]);
  });
}

t.test('no answer in time', async (t) => {
  const { call, userAgent, invite, released } = setUp({ ringTimeoutMs: 1 });
  await call.begin();
  await released;
  t.same(invite.sent, ['480']);
  t.same(userAgent.sent, ['INVITE m(offer)', 'CANCEL']);
});

t.test('the callee hangs up', async (t) => {
  const { userAgent, invite, events, released } = await answered();
  userAgent.dialog.end();
  await released;
  t.same(invite.dialog.sent, ['BYE']);
  t.match(events.at(-1), { type: 'call.released', by: 'b', status: 200, answered: true });
});

t.test('both hang up at once: one end is told', async (t) => {
  const { userAgent, invite, types, released } = await answered();
  userAgent.dialog.end();
  invite.dialog.end();
  await released;
  t.equal(types().filter((type) => type === 'call.released').length, 1);
});

t.test('a re-INVITE crosses the media server both ways, and hold is told', async (t) => {
  const hold =
    'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=sendonly\r\n';
  const { userAgent, invite, types } = await answered();
  const request = new FakeIncoming(fakeRequest('INVITE', hold));
  invite.dialog.onReinvite?.(request);
  await settle();
  t.match(userAgent.dialog.sent, [
    /^INVITE m\(v=0\r\no=- \d+ 1 IN IP4 127.0.0.1\r\ns=-[\s\S]*a=sendonly\r\n\)$/,
    'ACK',
  ]);
  t.same(request.sent, ['200 m(answer)']);
  t.equal(types().at(-1), 'call.held');
  const back = new FakeIncoming(fakeRequest('INVITE', hold.replace('sendonly', 'sendrecv')));
  invite.dialog.onReinvite?.(back);
  await settle();
  t.equal(types().at(-1), 'call.retrieved');
});

t.test('a refused re-INVITE leaves the call as it was', async (t) => {
  const { call, userAgent, invite } = await answered();
  userAgent.dialog.answerTo = () => fakeResponse(488);
  const request = new FakeIncoming(fakeRequest('INVITE', 'again'));
  invite.dialog.onReinvite?.(request);
  await settle();
  t.same(request.sent, ['488']);
  t.equal(call.state, 'answered');
});

t.test('two re-INVITEs at once: the second gets 491', async (t) => {
  const { userAgent, invite } = await answered();
  const first = new FakeIncoming(fakeRequest('INVITE', 'one'));
  const second = new FakeIncoming(fakeRequest('INVITE', 'two'));
  invite.dialog.onReinvite?.(first);
  userAgent.dialog.onReinvite?.(second);
  await settle();
  t.same(second.sent, ['491']);
  t.same(first.sent, ['200 m(answer)']);
});

t.test('a re-INVITE right behind the ACK that brings the answer waits for its turn', async (t) => {
  const { userAgent, invite } = await answered({ offer: '' });
  const request = new FakeIncoming(fakeRequest('INVITE', 'at once'));
  invite.dialog.onAck?.(fakeRequest('ACK', 'late answer'));
  invite.dialog.onReinvite?.(request);
  await settle();
  t.same(userAgent.dialog.sent, ['INVITE m(at once)', 'ACK'], 'after the ACK of the call itself');
  t.same(request.sent, ['200 m(answer)']);
});

t.test('one right behind the ACK of a re-INVITE without offer does as well', async (t) => {
  const { call, userAgent, invite } = await answered();
  userAgent.dialog.answerTo = () => fakeResponse(200, 'theirs');
  const bare = new FakeIncoming(fakeRequest('INVITE'));
  invite.dialog.onReinvite?.(bare);
  await settle();
  t.same(bare.sent, ['200 m(theirs)']);
  const crossing = new FakeIncoming(fakeRequest('INVITE', 'crossing'));
  userAgent.dialog.onReinvite?.(crossing);
  t.same(crossing.sent, ['491'], 'as long as the ACK is not there');
  invite.dialog.onAck?.(fakeRequest('ACK', 'mine'));
  const request = new FakeIncoming(fakeRequest('INVITE', 'at once'));
  invite.dialog.onReinvite?.(request);
  await settle();
  await settle();
  t.same(userAgent.dialog.sent, ['INVITE', 'ACK m(mine)', 'INVITE m(at once)', 'ACK']);
  t.same(request.sent, ['200 m(theirs)']);
  t.notOk(call.exchange.isBusy);
});

t.test('INFO is carried with its body; a REFER that refers to nothing is refused', async (t) => {
  const { userAgent, invite } = await answered();
  const info = new FakeIncoming(
    fakeRequest('INFO', 'Signal=1', { 'content-type': 'application/dtmf-relay' }),
  );
  invite.dialog.onRequest?.(info);
  const refer = new FakeIncoming(fakeRequest('REFER'));
  invite.dialog.onRequest?.(refer);
  await settle();
  t.same(userAgent.dialog.sent, ['INFO Signal=1']);
  t.same(info.sent, ['200']);
  t.same(refer.sent, ['400']);
});

t.test('after a call without offer, the ACK of a later re-INVITE ends nothing', async (t) => {
  const { call, userAgent, invite } = await answered({ offer: '' });
  invite.dialog.onAck?.(fakeRequest('ACK', 'late answer'));
  await settle();
  invite.dialog.onReinvite?.(new FakeIncoming(fakeRequest('INVITE', 'hold')));
  await settle();
  invite.dialog.onAck?.(fakeRequest('ACK'));
  await settle();
  t.equal(call.state, 'answered');
  t.same(userAgent.dialog.sent, ['INVITE m(hold)', 'ACK']);
});

t.test('a media server lost before a late answer: both parties get each other', async (t) => {
  const { call, userAgent, invite, events } = await answered({ offer: '', failing: ['answer'] });
  invite.dialog.onAck?.(fakeRequest('ACK', 'late answer'));
  await settle();
  t.same(userAgent.sent, ['INVITE', 'ACK late answer']);
  t.same(invite.dialog.sent, ['INVITE answer', 'ACK']);
  t.equal(call.state, 'answered');
  t.match(
    events.find(({ type }) => type === 'recording.failed'),
    { reason: 'no answer' },
  );
});

t.test('the media server takes a refused offer back', async (t) => {
  const { userAgent, invite, media } = await answered();
  const offers: string[] = [];
  const { offer } = media;
  media.offer = (from, sdp) => {
    offers.push(`${from} ${sdp}`);
    return offer(from, sdp);
  };
  userAgent.dialog.answerTo = () => fakeResponse(488);
  const request = new FakeIncoming(fakeRequest('INVITE', 'moved'));
  invite.dialog.onReinvite?.(request);
  await settle();
  t.same(request.sent, ['488']);
  t.same(offers, ['a moved', 'a offer']);
});

t.test('a re-INVITE that the media server cannot take gets 488, and the call goes on', async (t) => {
  const { call, userAgent, invite, media } = await answered();
  media.offer = async () => {
    throw new GrecError('NG_REFUSED', 'SRTP');
  };
  const request = new FakeIncoming(fakeRequest('INVITE', 'srtp'));
  invite.dialog.onReinvite?.(request);
  await settle();
  t.same(request.sent, ['488']);
  t.same(userAgent.dialog.sent, []);
  t.equal(call.state, 'answered');
});

t.test('an answer that cannot be passed on costs its request alone', async (t) => {
  const { call, userAgent, invite } = await answered();
  userAgent.dialog.answerTo = () => {
    throw new GrecError('SIP_INVALID', 'unwritable');
  };
  const info = new FakeIncoming(fakeRequest('INFO'));
  invite.dialog.onRequest?.(info);
  await settle();
  t.same(info.sent, ['500']);
  t.equal(call.state, 'answered');
});

t.test(
  'a party that cannot be reached any more ends the call; one that answers anything does not',
  async (t) => {
    const { call, userAgent, invite, events, released } = await answered({ probeMs: 2 });
    let asked = 0;
    userAgent.dialog.answerTo = () => {
      asked += 1;
      return fakeResponse(asked % 3 === 0 ? 405 : 503);
    };
    while (asked < 9) await settle();
    t.equal(call.state, 'answered');
    invite.dialog.answerTo = () => fakeResponse(503);
    while (call.state !== 'released') await settle();
    await released;
    t.match(events.at(-1), { type: 'call.released', by: 'a', reason: 'the caller is gone' });
    t.same(userAgent.dialog.sent.at(-1), 'BYE');
  },
);

t.test('a callee that has forgotten the call is not said to have hung up', async (t) => {
  const { userAgent, events, released } = await answered();
  userAgent.dialog.end('timeout');
  await released;
  t.match(events.at(-1), { by: 'b', reason: 'the callee is gone' });
});
