// REFER and Replaces: what is asked for, what it refers to, and what its sender is told (RFC 3515, RFC 3891, RFC 4488).
import t from 'tap';
import type { SipRequest } from './message.ts';
import { answerTo, headerOf, rawRequest, udpPeer } from './raw-peer-fixture.ts';
import { ReferSubscription, sipfragStatus } from './refer-subscription.ts';
import { parseReferTo, printReferTo } from './refer-to.ts';
import { parseReplaces, printReplaces, replacedBy } from './replaces.ts';
import { inviteWith, request } from './transaction-fixture.ts';
import type { Dialog } from './user-agent.ts';
import { connectCall, eventually, newAgent } from './user-agent-fixture.ts';

t.test('a Replaces header', async (t) => {
  const text = '425928@bobster.example.org;to-tag=7743;from-tag=6472';
  t.same(parseReplaces(text), {
    callId: '425928@bobster.example.org',
    toTag: '7743',
    fromTag: '6472',
    earlyOnly: false,
  });
  t.match(parseReplaces('a; From-Tag=1 ;TO-TAG=2;early-only;x=1'), undefined, 'no white space inside');
  t.match(parseReplaces('a;From-Tag=1;TO-TAG=2;early-only;x=1'), { toTag: '2', earlyOnly: true });
  for (const bad of [
    '',
    ';to-tag=1;from-tag=2',
    'a;to-tag=1',
    'a;to-tag=;from-tag=2',
    'a;to-tag=1;to-tag=2;from-tag=3',
    `${text}, ${text}`,
  ])
    t.equal(parseReplaces(bad), undefined, bad);
  t.equal(
    printReplaces({ callId: 'a@b', toTag: '1', fromTag: '2', earlyOnly: true }),
    'a@b;to-tag=1;from-tag=2;early-only',
  );
});

t.test('a Refer-To header', async (t) => {
  t.same(parseReferTo('"Bob" <sip:2003@example.com;user=phone>;x=y'), {
    uri: 'sip:2003@example.com;user=phone',
    method: 'INVITE',
    replaces: undefined,
  });
  const attended =
    '<sips:b@h.example;method=invite?Require=replaces&Replaces=12345%40192.0.2.3%3Bto-tag%3D1%3Bfrom-tag%3D5>';
  t.match(parseReferTo(attended), {
    uri: 'sips:b@h.example',
    method: 'INVITE',
    replaces: { callId: '12345@192.0.2.3', toTag: '1', fromTag: '5' },
  });
  t.equal(parseReferTo('sip:a@b;method=BYE')?.method, 'INVITE', 'a parameter of the header, not of the URI');
  t.equal(parseReferTo('<sip:a@b;method=BYE>')?.method, 'BYE');
  for (const bad of [
    undefined,
    '',
    '<http://x>',
    '<sip:a@b>, <sip:c@d>',
    '<sip:a@b?Replaces=x>',
    '<sip:a@b?Replaces=%ZZ>',
  ])
    t.equal(parseReferTo(bad), undefined, `${bad}`);
  const there = parseReferTo(printReferTo('sip:2003@127.0.0.1', 'a@b;to-tag=1;from-tag=2'));
  t.match(there, { uri: 'sip:2003@127.0.0.1', replaces: { callId: 'a@b', toTag: '1', fromTag: '2' } });
});

t.test('which dialog an INVITE replaces', async (t) => {
  const invite = (replaces?: string): SipRequest =>
    request([inviteWith(), ...(replaces === undefined ? [] : [`Replaces: ${replaces}`])].join('\n'));
  const find = (dialog: Partial<Dialog> | undefined) => () => dialog as Dialog | undefined;
  const named = 'x;to-tag=1;from-tag=2';
  const confirmed = { state: 'confirmed' } as const;
  t.same(replacedBy(invite(), find(confirmed)), { kind: 'none' });
  t.match(replacedBy(invite(named), find(confirmed)), { kind: 'dialog', dialog: confirmed });
  t.match(replacedBy(invite(named), find(undefined)), { status: 481 });
  t.match(replacedBy(invite(named), find({ state: 'terminated' })), { status: 603 });
  t.match(replacedBy(invite(`${named};early-only`), find(confirmed)), { status: 486 });
  t.match(replacedBy(invite(named), find({ state: 'early', role: 'callee' })), { status: 481 });
  t.match(replacedBy(invite(named), find({ state: 'early', role: 'caller' })), { kind: 'dialog' });
  t.match(replacedBy(invite(`${named}, ${named}`), find(confirmed)), { status: 400 });
});

t.test('a dialog is found by its name', async (t) => {
  const { callerAgent, caller } = await connectCall(t);
  t.equal(callerAgent.findDialog(caller.callId, caller.localTag, caller.remoteTag), caller);
  t.equal(callerAgent.findDialog(caller.callId, caller.remoteTag, caller.localTag), undefined);
  t.equal(caller.role, 'caller');
});

async function referred(t: Parameters<typeof udpPeer>[0], lines: string[] = []) {
  const peer = await udpPeer(t);
  let dialog: Dialog | undefined;
  let subscription: ReferSubscription | undefined;
  const { port } = await newAgent(t, {
    onInvite: (invite) => {
      const accepted = invite.accept();
      dialog = accepted;
      accepted.onRequest = (refer) => {
        subscription = new ReferSubscription(accepted, refer, { 'x-call': '1' });
      };
    },
  });
  const known = { port: peer.port, to: port, callId: 'in' };
  peer.send(rawRequest({ method: 'INVITE', ...known }), port);
  const toTag = /tag=(\w+)/.exec(headerOf(await peer.expect(/^SIP\/2\.0 200 /), 'to'))?.[1] ?? '';
  peer.send(rawRequest({ method: 'ACK', ...known, toTag }), port);
  const all = ['Refer-To: <sip:2003@127.0.0.1>', ...lines];
  peer.send(rawRequest({ method: 'REFER', ...known, toTag, seq: 2, lines: all }), port);
  const accepted = await peer.expect(/^SIP\/2\.0 202 /);
  await eventually(() => subscription !== undefined);
  if (subscription === undefined || dialog === undefined) throw new Error('no REFER');
  return { peer, port, dialog, subscription, accepted };
}

t.test('its sender is told what becomes of it, in order, and once', async (t) => {
  const { peer, port, dialog, subscription, accepted } = await referred(t);
  t.match([headerOf(accepted, 'x-call'), headerOf(accepted, 'refer-sub')], ['1', '']);
  t.match(headerOf(accepted, 'contact'), '<sip:2002@127.0.0.1');
  subscription.report(180);
  subscription.report(180);
  subscription.report(200);
  subscription.report(503);
  for (const [status, state] of [
    ['100 Trying', 'active;expires=300'],
    ['180 Ringing', 'active;expires=300'],
    ['200 OK', 'terminated;reason=noresource'],
  ] as const) {
    const notify = await peer.expect(new RegExp(`^NOTIFY [\\s\\S]*SIP/2\\.0 ${status}\\r\\n$`));
    t.equal(headerOf(notify, 'event'), 'refer;id=2');
    t.equal(headerOf(notify, 'subscription-state'), state);
    t.equal(headerOf(notify, 'content-type'), 'message/sipfrag;version=2.0');
    peer.send(answerTo(notify, '200 OK'), port);
  }
  await subscription.told;
  t.equal(peer.received.filter((text) => text.startsWith('NOTIFY')).length, 3);
  t.equal(dialog.state, 'confirmed');
});

t.test('one who does not know the subscription ends it, and not the call', async (t) => {
  const { peer, port, dialog, subscription } = await referred(t);
  peer.send(answerTo(await peer.expect(/^NOTIFY /), '481 No Subscription'), port);
  await subscription.told;
  subscription.report(200);
  await subscription.told;
  t.equal(peer.received.filter((text) => text.startsWith('NOTIFY')).length, 1);
  t.equal(dialog.state, 'confirmed');
});

t.test('one who wants no subscription is not told', async (t) => {
  const { peer, subscription, accepted } = await referred(t, ['Refer-Sub: false', 'Supported: norefersub']);
  t.equal(headerOf(accepted, 'refer-sub'), 'false');
  subscription.report(200);
  await subscription.told;
  t.notOk(peer.received.some((text) => text.startsWith('NOTIFY')));
});

t.test('the status in a NOTIFY', async (t) => {
  t.equal(sipfragStatus(Buffer.from('SIP/2.0 603 Declined\r\n')), 603);
  t.equal(sipfragStatus(Buffer.from('SIP/2.0 200')), 200);
  for (const bad of ['', 'SIP/2.0 999 x', 'SIP/2.0 2000 x', 'HTTP/1.1 200 OK'])
    t.equal(sipfragStatus(Buffer.from(bad)), undefined, bad);
});
