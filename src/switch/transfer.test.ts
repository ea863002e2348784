// Transfers by REFER: who is asked, who is told what, what each party hears of media, and what comes back when it fails.
import t from 'tap';
import type { OutgoingInviteOptions } from '../sip/user-agent.ts';
import {
  FakeDialog,
  FakeIncoming,
  FakeInvite,
  fakeRequest,
  fakeResponse,
} from '../testing/fake-user-agent.ts';
import { takePlace } from './replaced-party.ts';
import { settle, type Talking, talking, targetPlan } from './transfer-fixture.ts';

/** A REFER by one of the parties. */
async function refer(from: FakeDialog, to: string, headers = {}) {
  const request = new FakeIncoming(fakeRequest('REFER', '', { 'refer-to': to, ...headers }));
  from.onRequest?.(request);
  await settle();
  return request;
}

/** What the transferor has been told by NOTIFY. */
function told(dialog: FakeDialog): string[] {
  return dialog.sent.filter((line) => line.startsWith('NOTIFY')).map((line) => line.trim().slice(15));
}

async function answer(
  options: OutgoingInviteOptions | undefined,
  dialog: FakeDialog,
  sdp: string,
  sent: string[],
) {
  options?.onAccepted(fakeResponse(200, sdp), dialog, () => void sent.push('ACK'));
  await settle();
  await settle();
}

async function blind(all: Talking) {
  const request = await refer(all.callee, '<sip:7003@switch>');
  const target = new FakeDialog();
  return { request, target, placed: all.userAgent.placed.at(-1) };
}

t.test('a callee sends the caller to another number', async (t) => {
  const all = await talking(t, { record: true });
  const { call, caller, callee, events, media, sdp } = all;
  const { request, target, placed } = await blind(all);
  t.same(request.sent, ['202']);
  t.match(placed, {
    uri: 'sip:7003@phone',
    headers: { 'session-id': /^a{32};remote=0{32}$/, 'referred-by': /sip:7001@/ },
    from: { uri: /7002/ },
  });
  t.match(
    placed?.body?.bytes.toString(),
    /m1\[a\] [\s\S]*a=sendrecv/,
    'who is transferred, at the new place',
  );
  placed?.onProvisional?.(fakeResponse(180));
  await settle();
  const acks: string[] = [];
  await answer(placed, target, sdp('c'), acks);
  t.same(acks, ['ACK']);
  t.match(caller.sent, [/^INVITE [\s\S]*m1\[b\] /, 'ACK'], 'the caller is told of the target');
  t.same(told(callee), ['100 Trying', '180 Ringing', '200 OK']);
  t.equal(callee.sent.at(-1), 'BYE');
  t.equal(call.state, 'answered');
  t.match([call.legs.b.party.number, call.plan.to.number], ['7003', '7003']);
  t.match(events.slice(-3), [
    { type: 'call.transferred', label: 'b', how: 'blind', by: { number: '7001' }, to: { number: '7003' } },
    { type: 'party.left', party: { number: '7001' } },
    { type: 'party.joined', party: { number: '7003' } },
  ]);
  t.same(media[0]?.asked.slice(-2), ['stopRecording', 'release'], 'one segment ends');
  t.same(media[1]?.asked, ['offer a', 'answer b recorded', 'startRecording 7003'], 'the next one begins');
  t.equal(call.recording?.state, 'recording');
  target.end();
  await settle();
  t.match(events.at(-1), { type: 'call.released', by: 'b' });
});

t.test('a caller can do it too; who is transferred keeps its place', async (t) => {
  const all = await talking(t, { record: false });
  const { call, caller, callee, sdp } = all;
  await refer(caller, '<sip:7003@switch>');
  const target = new FakeDialog();
  await answer(all.userAgent.placed.at(-1), target, sdp('c'), []);
  t.match(callee.sent, [/^INVITE [\s\S]*m=audio 3/, 'ACK'], 'directly');
  t.equal(caller.sent.at(-1), 'BYE');
  t.match([call.legs.a.party.number, call.legs.b.party.number], ['7003', '7001']);
  const info = new FakeIncoming(fakeRequest('INFO', 'x', { 'content-type': 'text/plain' }));
  target.onRequest?.(info);
  await settle();
  t.equal(callee.sent.at(-1), 'INFO x', 'the new parties are joined');
});

t.test('a target that refuses: all is as it was, and the transferor is told', async (t) => {
  const all = await talking(t, { record: true });
  const { call, caller, callee, media } = all;
  const { placed } = await blind(all);
  placed?.onRejected(fakeResponse(486, '', 'Busy Here'));
  await settle();
  t.same(told(callee), ['100 Trying', '486 Busy Here']);
  t.same(caller.sent, []);
  t.equal(call.state, 'answered');
  t.equal(call.transfer, undefined);
  t.same(media[1]?.asked, ['offer a', 'release']);
  callee.end();
  await settle();
  t.equal(call.state, 'released', 'the transferor’s end is the call’s end again');
});

t.test('a party that does not accept the target: the target is let go, the recording goes on', async (t) => {
  const all = await talking(t, { record: true });
  const { call, caller, callee, media, sdp } = all;
  caller.answerTo = () => fakeResponse(488);
  const { placed, target } = await blind(all);
  const acks: string[] = [];
  await answer(placed, target, sdp('c'), acks);
  t.same(acks, ['ACK']);
  t.ok(target.sent.includes('BYE'));
  t.match(told(callee), ['100 Trying', /^503/]);
  t.equal(call.legs.b.party.number, '7001');
  t.same(media[0]?.asked.slice(-2), ['stopRecording', 'startRecording 7001']);
  t.equal(call.recording?.state, 'recording');
});

t.test('a transferor that hangs up at once: the other one waits for the target', async (t) => {
  const all = await talking(t, { record: true });
  const { call, caller, callee, sdp } = all;
  const { placed, target } = await blind(all);
  callee.end();
  await settle();
  t.equal(call.state, 'answered');
  await answer(placed, target, sdp('c'), []);
  t.equal(call.legs.b.party.number, '7003');
  t.match(caller.sent, [/^INVITE/, 'ACK']);
  target.end();
  await settle();
  t.equal(call.state, 'released');
});

t.test('… and is hung up when the target refuses', async (t) => {
  const all = await talking(t, {});
  const { placed } = await blind(all);
  all.callee.end();
  placed?.onRejected(fakeResponse(480));
  await settle();
  t.equal(all.call.state, 'released');
  t.equal(all.caller.sent.at(-1), 'BYE');
});

t.test('who is transferred hangs up while the target rings: it is rung no more', async (t) => {
  const all = await talking(t, {});
  await blind(all);
  all.caller.end();
  await settle();
  t.equal(all.userAgent.sent.at(-1), 'CANCEL');
  t.equal(all.call.state, 'released');
});

t.test('what cannot be: refused before anything is tried', async (t) => {
  const all = await talking(t, {});
  const status = async (to: string, headers = {}) => (await refer(all.callee, to, headers)).sent[0];
  t.equal(await status('nonsense'), '400');
  t.equal(await status('<sip:7003@h>, <sip:7004@h>'), '400');
  t.equal(await status('<sip:7003@h;method=BYE>'), '403');
  t.equal(await status('<sip:7999@h>'), '404', 'no such number');
  t.equal(await status('<sip:7003@h?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>'), '481', 'no such call');
  t.equal(all.userAgent.placed.length, 1);
  t.equal(all.call.transfer, undefined);
  await blind(all);
  t.equal(await status('<sip:7003@h>'), '491', 'one at a time');
  t.same(targetPlan('7999'), { kind: 'refused', status: 404, reason: undefined });
});

async function consulting(t: Parameters<typeof talking>[0], record: boolean) {
  const first = await talking(t, { record });
  // The callee of the first call, 7001, has called 7003.
  const second = await talking(t, { record, from: '7001', to: '7003', shared: first });
  return { first, second };
}

t.test('attended: two calls become one, whose recording goes on with the new party', async (t) => {
  const { first, second } = await consulting(t, true);
  const { call, caller, callee } = first;
  const consultee = second.callee;
  const request = await refer(callee, '<sip:7003@switch?Replaces=second%3Bto-tag%3Dnear%3Bfrom-tag%3Dfar>');
  await settle();
  await settle();
  t.same(request.sent, ['202']);
  t.match(consultee.sent, [/^INVITE [\s\S]*\[a\] [\s\S]*sendrecv/, 'ACK'], 'offered who is transferred');
  t.match(caller.sent, [/^INVITE [\s\S]*\[b\] /, 'ACK']);
  t.same(told(callee), ['100 Trying', '200 OK']);
  t.equal(callee.sent.at(-1), 'BYE');
  t.equal(second.caller.sent.at(-1), 'BYE', 'the transferor’s leg of the consultation ends as well');
  t.notOk(consultee.sent.includes('BYE'));
  t.match([call.state, second.call.state], ['answered', 'released']);
  t.equal(call.legs.b.party.number, '7003');
  t.equal(call.recording?.state, 'recording');
  t.equal(second.call.recording?.state, 'stopped', 'the consultation’s own');
  t.match(
    first.events.find(({ type }) => type === 'call.transferred'),
    { how: 'attended', consultation: second.call.id, to: { number: '7003' } },
  );
  consultee.end();
  await settle();
  t.match([call.state, caller.sent.at(-1)], ['released', 'BYE']);
});

t.test('attended, and the target does not accept: both calls are as they were', async (t) => {
  const { first, second } = await consulting(t, false);
  second.callee.answerTo = () => fakeResponse(488);
  await refer(first.callee, '<sip:7003@switch?Replaces=second%3Bto-tag%3Dnear%3Bfrom-tag%3Dfar>');
  await settle();
  t.match(told(first.callee), ['100 Trying', /^488/]);
  t.match([first.call.state, second.call.state], ['answered', 'answered']);
  t.same(first.caller.sent, []);
  t.notOk(second.call.exchange.isBusy);
});

t.test(
  'attended, and who is transferred does not accept: the target comes back to the consultation',
  async (t) => {
    const { first, second } = await consulting(t, false);
    first.caller.answerTo = () => fakeResponse(488);
    await refer(first.callee, '<sip:7003@switch?Replaces=second%3Bto-tag%3Dnear%3Bfrom-tag%3Dfar>');
    await settle();
    await settle();
    t.match(told(first.callee), ['100 Trying', /^503/]);
    t.match(second.callee.sent, [/^INVITE [\s\S]*m=audio 1/, 'ACK', /^INVITE [\s\S]*m=audio 1/, 'ACK']);
    t.match([first.call.state, second.call.state], ['answered', 'answered']);
    t.notOk(second.call.exchange.isBusy);
  },
);

t.test(
  'attended while the consultation still rings: it is given up, and the target called for the other party',
  async (t) => {
    const first = await talking(t, {});
    const second = await talking(t, { from: '7001', to: '7003', shared: first, isRinging: true });
    const request = await refer(
      first.callee,
      '<sip:7003@switch?Replaces=second%3Bto-tag%3Dnear%3Bfrom-tag%3Dfar>',
    );
    t.same(request.sent, ['202']);
    t.equal(second.call.state, 'released');
    t.match(first.userAgent.placed.at(-1), { uri: 'sip:7003@phone', from: { uri: /7002/ } });
    await answer(first.userAgent.placed.at(-1), new FakeDialog(), first.sdp('c'), []);
    t.same(told(first.callee), ['100 Trying', '200 OK']);
  },
);

t.test('nobody may take a call that is not its own', async (t) => {
  const { first } = await consulting(t, false);
  const request = await refer(
    first.caller,
    '<sip:7003@switch?Replaces=second%3Bto-tag%3Dnear%3Bfrom-tag%3Dfar>',
  );
  t.same(request.sent, ['481']);
});

t.test('a party that is always recorded is recorded in a call that it comes into', async (t) => {
  const decide = ({ dn }: { dn: string | undefined }) =>
    dn === '7003'
      ? { record: true, side: 'destination' as const, dn, reason: 'DN 7003 has record=true' }
      : undefined;
  const { first } = await consulting(t, false);
  first.call.context.decide = decide;
  await refer(first.callee, '<sip:7003@switch?Replaces=second%3Bto-tag%3Dnear%3Bfrom-tag%3Dfar>');
  await settle();
  t.equal(first.call.recording?.state, 'recording', 'by attended transfer');
  t.match(first.events.at(-1), { type: 'recording.started' });

  const other = await talking(t, {});
  other.call.context.decide = decide;
  const invite = new FakeInvite(fakeRequest('INVITE', other.sdp('c')));
  const party = { number: '7003', uri: 'sip:7003@h', name: undefined, dn: '7003', trunk: undefined };
  await takePlace(other.call, 'b', invite, party);
  await settle();
  t.equal(other.call.recording?.state, 'recording', 'by INVITE with Replaces');
  t.ok(
    other.events.some((event) => event.type === 'recording.decided' && event.reason.startsWith('DN 7003')),
    'and it is said why',
  );
});
