// Who hangs up, and when, in the midst of a transfer: nobody is left in a call without anybody, and nothing is left behind.
import t from 'tap';
import { GrecError } from '../errors.ts';
import {
  FakeDialog,
  FakeIncoming,
  FakeInvite,
  fakeRequest,
  fakeResponse,
} from '../testing/fake-user-agent.ts';
import { requestRecording } from './recording-requests.ts';
import { takePlace } from './replaced-party.ts';
import { settle, talking } from './transfer-fixture.ts';

function refer(from: FakeDialog, to = '<sip:7003@switch>') {
  from.onRequest?.(new FakeIncoming(fakeRequest('REFER', '', { 'refer-to': to })));
  return settle();
}

t.test('a target that hangs up before who stays has agreed: the call goes on as it was', async (t) => {
  const all = await talking(t, { record: true });
  const { call, caller, callee, userAgent, media, sdp } = all;
  await refer(callee);
  const target = new FakeDialog();
  let isFirst = true;
  caller.answerTo = () => {
    if (isFirst) target.end();
    isFirst = false;
    return fakeResponse(200, sdp('a'));
  };
  userAgent.placed.at(-1)?.onAccepted(fakeResponse(200, sdp('c')), target, () => {});
  await settle();
  t.equal(call.state, 'answered');
  t.equal(call.legs.b.party.number, '7001', 'who is still there');
  t.match(caller.sent, [/^INVITE [\s\S]*m1\[b\] /, 'ACK', /^INVITE [\s\S]*m0\[b\] /, 'ACK'], 'brought back');
  t.notOk(callee.sent.includes('BYE'));
  t.equal(media[1]?.asked.at(-1), 'release');
  t.equal(call.recording?.state, 'recording');
  callee.end();
  t.equal(call.state, 'released');
});

t.test('who stays hangs up just as it has agreed: the target is hung up, its media freed', async (t) => {
  const all = await talking(t, { record: true });
  const { call, caller, callee, userAgent, media, events, sdp } = all;
  await refer(callee);
  const target = new FakeDialog();
  caller.answerTo = (method) => {
    if (method === 'INVITE') queueMicrotask(() => caller.end());
    return fakeResponse(200, sdp('a'));
  };
  userAgent.placed.at(-1)?.onAccepted(fakeResponse(200, sdp('c')), target, () => {});
  await settle();
  t.equal(call.state, 'released');
  t.ok(target.sent.includes('BYE'), 'the target');
  t.ok(callee.sent.includes('BYE'), 'the transferor');
  t.equal(media[1]?.asked.at(-1), 'release');
  t.same(
    events.slice(events.findIndex(({ type }) => type === 'call.released') + 1),
    [],
    'nothing happens in a call that is over',
  );
});

t.test(
  'who is transferred hangs up while the target rings: its place at the media server is freed',
  async (t) => {
    const { callee, caller, media, userAgent } = await talking(t, { record: true });
    await refer(callee);
    caller.end();
    await settle();
    t.equal(userAgent.sent.at(-1), 'CANCEL');
    t.same(media[1]?.asked, ['offer a', 'release']);
  },
);

t.test('the call ends while it is asked where the transfer may go: nobody is rung', async (t) => {
  const { call, callee, caller, userAgent } = await talking(t, {});
  const { plan } = call.context;
  const { promise, resolve } = Promise.withResolvers<void>();
  call.context.plan = async (...asked) => {
    await promise;
    return plan?.(...asked) ?? { kind: 'refused', status: 404, reason: undefined };
  };
  await refer(callee);
  caller.end();
  resolve();
  await settle();
  t.equal(call.state, 'released');
  t.equal(userAgent.placed.length, 1);
});

t.test('a party that takes a place and hangs up at once leaves the call as it was', async (t) => {
  const { call, caller, callee, sdp } = await talking(t, { record: true });
  // Without an offer: its ACK brings its description.
  const invite = new FakeInvite(fakeRequest('INVITE'));
  caller.answerTo = () => {
    invite.dialog.end();
    return fakeResponse(200, sdp('a'));
  };
  const party = { number: '7003', uri: 'sip:7003@h', name: undefined, dn: '7003', trunk: undefined };
  void takePlace(call, 'b', invite, party);
  await settle();
  invite.dialog.onAck?.(fakeRequest('ACK', sdp('c')));
  await settle();
  t.equal(call.state, 'answered');
  t.equal(call.legs.b.party.number, '7001');
  t.notOk(callee.sent.includes('BYE'));
});

t.test('the call ends while the new segment begins: it was the last thing that happened in it', async (t) => {
  const { call, caller, callee, userAgent, media, events, sdp } = await talking(t, { record: true });
  await refer(callee);
  const target = new FakeDialog();
  const begun = Promise.withResolvers<void>();
  const [, place] = media;
  if (place === undefined) throw new Error('no place for the new pair');
  place.startRecording = () => begun.promise;
  userAgent.placed.at(-1)?.onAccepted(fakeResponse(200, sdp('c')), target, () => {});
  await settle();
  caller.end();
  begun.resolve();
  await settle();
  t.equal(call.state, 'released');
  t.equal(events.at(-1)?.type, 'call.released');
  t.ok(callee.sent.includes('BYE'), 'the transferor');
  t.ok(target.sent.includes('BYE'), 'the target');
});

t.test(
  'two calls of one phone are not sent into each other at once: each would wait for the other',
  async (t) => {
    const first = await talking(t, {});
    const second = await talking(t, { from: '7001', to: '7003', shared: first });
    first.userAgent.known.set('first', first.callee);
    second.callee.answerTo = () => new Promise(() => {});
    await refer(first.callee, '<sip:7003@switch?Replaces=second%3Bto-tag%3Dnear%3Bfrom-tag%3Dfar>');
    const crossing = new FakeIncoming(
      fakeRequest('REFER', '', {
        'refer-to': '<sip:7002@switch?Replaces=first%3Bto-tag%3Dnear%3Bfrom-tag%3Dfar>',
      }),
    );
    second.caller.onRequest?.(crossing);
    await settle();
    t.same(crossing.sent, ['491']);
  },
);

t.test('a recording that begins, or is paused, while the target rings goes on with it', async (t) => {
  for (const isPaused of [false, true]) {
    const { call, caller, callee, userAgent, media, sdp } = await talking(t, { record: false });
    await refer(callee);
    await requestRecording(call, 'start', { reason: 'test' });
    if (isPaused) await requestRecording(call, 'pause', { reason: 'test' });
    const target = new FakeDialog();
    target.answerTo = () => fakeResponse(200, sdp('c'));
    caller.answerTo = () => fakeResponse(200, sdp('a'));
    userAgent.placed.at(-1)?.onAccepted(fakeResponse(200, sdp('c')), target, () => {});
    await settle();
    await settle();
    t.equal(call.legs.b.party.number, '7003');
    t.ok(call.media.anchored);
    t.equal(call.recording?.state, isPaused ? 'paused' : 'recording');
    if (isPaused) await requestRecording(call, 'resume', { reason: 'test' });
    t.equal(call.recording?.state, 'recording');
    t.equal(media.at(-1)?.asked.at(-1), 'startRecording 7003');
  }
});

t.test(
  'no media server: the transfer succeeds, and only the recording fails, unless it is mandatory',
  async (t) => {
    for (const mandatory of [false, true]) {
      const { call, caller, callee, userAgent, events, sdp } = await talking(t, { record: false });
      const { plan, anchor } = call.context;
      call.context.plan = async (...asked) => {
        const planned = await plan?.(...asked);
        if (planned === undefined || 'status' in planned) throw new Error('no plan');
        return { ...planned, decision: { ...planned.decision, record: true, mandatory } };
      };
      call.context.anchor = (...given) => ({
        ...anchor(...given),
        offer: () => Promise.reject(new GrecError('NG_TIMEOUT', 'no media server answers')),
      });
      await refer(callee);
      t.equal(userAgent.placed.length, mandatory ? 1 : 2);
      const target = new FakeDialog();
      userAgent.placed.at(1)?.onAccepted(fakeResponse(200, sdp('c')), target, () => {});
      await settle();
      t.equal(call.state, 'answered');
      t.equal(call.legs.b.party.number, mandatory ? '7001' : '7003');
      t.equal(events.at(-1)?.type, mandatory ? 'call.answered' : 'recording.failed');
      t.equal(caller.sent.length, mandatory ? 0 : 2, 'told of the target');
    }
  },
);
