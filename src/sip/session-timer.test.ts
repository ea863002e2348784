// Session timers in calls: who refreshes, by what, when the session expires, a 422 on the way (RFC 4028).
import t from 'tap';
import { silentLogger } from '../log.ts';
import { answerTo, headerOf, rawRequest, udpPeer } from './raw-peer-fixture.ts';
import { ManualClock } from './transaction-fixture.ts';
import { createUserAgent, type Dialog, type IncomingInvite, type UserAgentOptions } from './user-agent.ts';
import { eventually, type Teardown } from './user-agent-fixture.ts';

const sdp = (bytes: string) => ({ type: 'application/sdp', bytes });

/** A user agent whose clock stands still unless it is wound. */
async function agentWithClock(t: Teardown, options: Partial<UserAgentOptions> = {}) {
  const clock = new ManualClock();
  const agent = await createUserAgent(
    {
      listen: [{ protocol: 'udp', host: '127.0.0.1', port: 0 }],
      log: silentLogger(),
      product: 'test',
      onInvite: () => {},
      onRequest: () => {},
      sessionTimer: { expires: 300, minSe: 90 },
      ...options,
    },
    { clock },
  );
  t.teardown(() => agent.close());
  return { agent, clock, port: agent.listening[0]?.port ?? 0 };
}

/** A call that the user agent has taken. */
async function taken(t: Teardown, lines: string[]) {
  const peer = await udpPeer(t);
  let invite: IncomingInvite | undefined;
  let dialog: Dialog | undefined;
  const ends: string[] = [];
  const { clock, port } = await agentWithClock(t, {
    onInvite: (incoming) => {
      invite = incoming;
      dialog = incoming.accept({ body: sdp('ours') });
      dialog.onEnd = ({ by }) => void ends.push(by);
    },
  });
  const known = { port: peer.port, to: port, callId: 'in' };
  peer.send(rawRequest({ method: 'INVITE', ...known, lines, sdp: 'theirs' }), port);
  await eventually(() => invite !== undefined);
  const ok = await peer.expect(/^SIP\/2\.0 200 /);
  const toTag = /tag=(\w+)/.exec(headerOf(ok, 'to'))?.[1] ?? '';
  peer.send(rawRequest({ method: 'ACK', ...known, toTag }), port);
  if (dialog === undefined) throw new Error('no dialog');
  // The ACK has been seen once a later request is answered.
  let seq = 1;
  const ask = (method: string, lines: string[] = [], body = '') => {
    seq += 1;
    peer.send(rawRequest({ method, ...known, toTag, seq, lines, sdp: body }), port);
    return peer.expect(new RegExp(`^SIP/2\\.0 [2-6][\\s\\S]*CSeq: ${seq} ${method}`, 'i'));
  };
  await ask('OPTIONS');
  return { peer, port, clock, dialog, ok, ends, ask };
}

t.test('a caller that knows the extension refreshes; when it does not, the call ends in time', async (t) => {
  const { peer, port, clock, dialog, ok, ends, ask } = await taken(t, ['Supported: timer']);
  t.equal(headerOf(ok, 'session-expires'), '300;refresher=uac');
  t.equal(headerOf(ok, 'require'), 'timer');
  t.same(dialog.sessionTimer, { seconds: 300, refresher: 'peer' });
  clock.advance(200_000);
  const lines = ['Supported: timer', 'Session-Expires: 300;refresher=uac'];
  t.equal(headerOf(await ask('UPDATE', lines), 'session-expires'), '300;refresher=uac');
  clock.advance(200_000);
  t.equal(dialog.state, 'confirmed', 'refreshed');
  clock.advance(68_000);
  t.same(ends, ['timeout'], '32 s before the session expires');
  peer.send(answerTo(await peer.expect(/^BYE /), '200 OK'), port);
});

t.test(
  'a caller that does not know the extension is refreshed by re-INVITE with what was described',
  async (t) => {
    const { peer, port, clock, dialog, ok } = await taken(t, []);
    t.equal(headerOf(ok, 'session-expires'), '300;refresher=uas');
    t.equal(headerOf(ok, 'require'), '');
    t.same(dialog.sessionTimer, { seconds: 300, refresher: 'us' });
    clock.advance(150_000);
    const reinvite = await peer.expect(/^INVITE /);
    t.match(reinvite, /Session-Expires: 300;refresher=uac\r[\s\S]*ours$/);
    const contact = `Contact: <sip:raw@127.0.0.1:${peer.port}>`;
    const lines = [contact, 'Session-Expires: 200;refresher=uac'];
    peer.send(answerTo(reinvite, '200 OK', lines, 'raw', 'theirs'), port);
    await peer.expect(/^ACK /);
    t.same(dialog.sessionTimer, { seconds: 200, refresher: 'us' }, 'shortened');
    clock.advance(100_000);
    await peer.expect(/^INVITE [\s\S]*Session-Expires: 200/);
  },
);

t.test(
  'a peer that takes UPDATE is refreshed by it; a 422 raises the interval; without the header there is no timer',
  async (t) => {
    const { peer, port, clock, dialog } = await taken(t, [
      'Supported: timer',
      'Allow: UPDATE',
      'Session-Expires: 120;refresher=uas',
    ]);
    clock.advance(60_000);
    const update = await peer.expect(/^UPDATE /);
    t.match(headerOf(update, 'session-expires'), '120;refresher=uac');
    peer.send(answerTo(update, '422 Session Interval Too Small', ['Min-SE: 240']), port);
    const again = await peer.expect(/^UPDATE [\s\S]*Session-Expires: 240;refresher=uac/);
    t.equal(headerOf(again, 'min-se'), '240');
    peer.send(answerTo(again, '200 OK'), port);
    await eventually(() => dialog.sessionTimer === undefined);
    clock.advance(1_000_000);
    t.equal(dialog.state, 'confirmed');
  },
);

t.test('a refresh that fails is tried again; one that is not answered ends the call', async (t) => {
  const { peer, port, clock, ends } = await taken(t, [
    'Supported: timer',
    'Allow: UPDATE',
    'Session-Expires: 120;refresher=uas',
  ]);
  clock.advance(60_000);
  peer.send(answerTo(await peer.expect(/^UPDATE [\s\S]*CSeq: 1 UPDATE/i), '500 Not Now'), port);
  await eventually(() => clock.pending > 0);
  await new Promise((resolve) => setImmediate(resolve));
  await eventually(() => {
    clock.advance(100);
    return peer.received.some((text) => /CSeq: 2 UPDATE/i.test(text));
  });
  clock.advance(40_000);
  await eventually(() => ends.length > 0);
  t.same(ends, ['timeout']);
});

t.test('too small an interval is refused with 422, in an INVITE and in a refresh', async (t) => {
  const { ask } = await taken(t, ['Supported: timer']);
  const small = ['Supported: timer', 'Session-Expires: 60'];
  t.equal(headerOf(await ask('UPDATE', small), 'min-se'), '90');
  const peer = await udpPeer(t);
  const { port } = await agentWithClock(t, { onInvite: () => t.fail('the user was asked') });
  peer.send(rawRequest({ method: 'INVITE', port: peer.port, to: port, lines: small }), port);
  t.equal(headerOf(await peer.expect(/^SIP\/2\.0 422 /), 'min-se'), '90');
});

t.test('as caller: a 422 has the INVITE sent again with what is asked for, once', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port, clock } = await agentWithClock(t);
  let dialog: Dialog | undefined;
  const place = (onRejected: (status: number) => void = () => {}) =>
    agent.invite({
      uri: `sip:2002@127.0.0.1:${peer.port}`,
      from: { uri: 'sip:1001@example.com' },
      to: { uri: 'sip:2002@example.com' },
      onAccepted: (_response, accepted, ack) => {
        dialog = accepted;
        ack();
      },
      onRejected: ({ status }) => onRejected(status),
    });
  place();
  const first = await peer.expect(/^INVITE /);
  t.match([headerOf(first, 'session-expires'), headerOf(first, 'min-se')], ['300', '90']);
  peer.send(answerTo(first, '422 Session Interval Too Small', ['Min-SE: 900']), port);
  const second = await peer.expect(/^INVITE [\s\S]*CSeq: 2 INVITE/i);
  t.match([headerOf(second, 'session-expires'), headerOf(second, 'min-se')], ['900', '900']);
  const lines = [`Contact: <sip:raw@127.0.0.1:${peer.port}>`, 'Session-Expires: 900;refresher=uas'];
  peer.send(answerTo(second, '200 OK', lines), port);
  await eventually(() => dialog !== undefined);
  t.same(dialog?.sessionTimer, { seconds: 900, refresher: 'peer' });
  clock.advance(868_000);
  await peer.expect(/^BYE /);
  const rejected = new Promise((resolve) => place(resolve));
  const count = peer.received.length;
  const third = await peer.expect(/^INVITE /, count);
  peer.send(answerTo(third, '422 Session Interval Too Small', ['Min-SE: 900']), port);
  const fourth = await peer.expect(/^INVITE [\s\S]*CSeq: 2 INVITE/i, count);
  peer.send(answerTo(fourth, '422 Session Interval Too Small', ['Min-SE: 9000']), port);
  t.equal(await rejected, 422, 'not for ever');
});
