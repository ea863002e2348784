// A callee that answers 3xx: whom the call is offered to then, and to whom never.
import { join } from 'node:path';
import t from 'tap';
import type { OutgoingInviteOptions } from '../sip/user-agent.ts';
import type { EventBody } from '../spool/events.ts';
import { FakeInvite, FakeUserAgent, fakeRequest, fakeResponse } from '../testing/fake-user-agent.ts';
import { Call } from './call.ts';
import { fakeContext, settle } from './call-fixture.ts';
import { directMedia } from './call-media.ts';
import { planCall } from './call-plan.ts';
import { DnStore } from './dn-store.ts';
import { routeRedirected } from './redirection.ts';
import { NOTHING } from './strategy/evaluate.ts';
import { trunksOf } from './trunk-fixture.ts';

const TRUNKS = trunksOf('[[trunk]]\nname = "carrier"\nhost = "127.0.0.2"\nnumbers-out = "+49*"');

function redirected(status: number, ...uris: string[]) {
  const response = fakeResponse(status);
  response.headers.contact = uris.map((uri) => ({ name: undefined, uri, params: {} }));
  return response;
}

class Places extends FakeUserAgent {
  readonly placed: OutgoingInviteOptions[] = [];

  override invite(options: OutgoingInviteOptions) {
    this.placed.push(options);
    return super.invite(options);
  }

  get uris(): string[] {
    return this.placed.map(({ uri }) => uri.replace(/:\d+$/, ''));
  }
}

async function calling(dialled: string) {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  const place = { protocol: 'udp', address: '127.0.0.9', port: 5070 } as const;
  for (const number of ['7001', '7002', '7003', '7004', '7005', '7006', '7007', '7008']) {
    store.saveDn({ number, name: null, record: number === '7002', ha1: null, realm: null });
    const registered = { number, contact: `sip:${number}@phone`, callId: 'c', cseq: 1, userAgent: null };
    if (number !== '7008') store.replaceRegistrations(number, [{ ...registered, ...place, expiresAt: 2 }]);
  }
  const dn = store.dn('7001');
  if (dn === undefined) throw new Error('no DN');
  const message = { ...fakeRequest('INVITE', 'offer'), uri: `sip:${dialled}@127.0.0.1` };
  const invite = new FakeInvite(message);
  const options = { store, trunks: TRUNKS, flowOf: () => undefined, isReachable: () => true, now: () => 1 };
  const ruling = { sessionId: 'a'.repeat(32), decision: NOTHING };
  const planned = planCall(invite, { kind: 'dn', dn }, options, ruling);
  if (planned.kind !== 'call') throw new Error(planned.reason);
  const userAgent = new Places();
  const events: EventBody[] = [];
  const context = fakeContext({
    userAgent,
    journal: (event) => void events.push(event),
    anchor: () => ({ ...directMedia, anchored: true, startRecording: async () => undefined }),
    redirect: (from, response) => routeRedirected(from, response, options),
  });
  const call = new Call({ invite, plan: planned.plan }, context);
  t.teardown(() => call.release('switch', 503, 'test over'));
  await call.begin();
  const refuse = async (index: number, response: ReturnType<typeof fakeResponse>) => {
    userAgent.placed[index]?.onRejected(response);
    await settle();
  };
  return { call, invite, userAgent, events, refuse };
}

t.test('a DN sends the call to another DN, which is the callee and recorded', async (t) => {
  const { call, invite, userAgent, events, refuse } = await calling('7003');
  await refuse(0, redirected(302, 'sip:nobody@elsewhere', 'sip:7002@whatever.example'));
  t.same(userAgent.uris, ['sip:7003@phone', 'sip:7002@phone']);
  t.match(userAgent.placed[1]?.headers, {
    diversion: /^<sip:7003@/,
    'history-info': /^<sip:7003@[^,]*cause%3D302>;index=1, <sip:7002@[^,]*>;index=1\.1;mp=1$/,
  });
  userAgent.placed[1]?.onAccepted(fakeResponse(200, 'answer'), userAgent.dialog, () => {});
  await settle();
  t.equal(call.plan.to.dn, '7002');
  t.match(
    events.filter(({ type }) => type === 'recording.decided'),
    [{ record: false }, { record: true, dn: '7002' }],
  );
  for (let turn = 0; turn < 5; turn++) await settle();
  t.equal(call.recording?.state, 'recording', 'the media was moved for it');
  t.same(invite.sent[0], '200 answer');
});

for (const [what, dialled, contact] of [
  ['a DN sends it to a number that is none of ours', '7003', 'sip:+4930123@127.0.0.2'],
  ['a trunk sends it to another host', '+4930', 'sip:+4930123@192.0.2.9'],
  ['a trunk sends it to a number that is not allowed', '+4930', 'sip:0900@127.0.0.2'],
  ['a DN sends it to itself', '7003', 'sip:7003@phone'],
  ['a DN sends it to one that is not registered', '7003', 'sip:7008@phone'],
  ['without a number', '7003', 'sip:phone'],
] as const) {
  t.test(`${what}: the call is refused`, async (t) => {
    const { invite, userAgent, refuse } = await calling(dialled);
    await refuse(0, redirected(302, contact));
    t.equal(userAgent.placed.length, 1);
    t.same(invite.sent, ['480']);
  });
}

t.test('a trunk sends it to another number on itself', async (t) => {
  const { userAgent, refuse } = await calling('+4930');
  await refuse(0, redirected(302, 'sip:+4931@127.0.0.2'));
  t.same(userAgent.uris, ['sip:+4930@127.0.0.2', 'sip:+4931@127.0.0.2']);
});

t.test(
  'several contacts one after the other; DNs that send the call round and round are tried once',
  async (t) => {
    const { invite, userAgent, refuse } = await calling('7003');
    await refuse(0, redirected(300, 'sip:7004@h', 'sip:7005@h'));
    await refuse(1, fakeResponse(486));
    await refuse(2, redirected(302, 'sip:7003@h', 'sip:7004@h'));
    t.same(userAgent.uris, ['sip:7003@phone', 'sip:7004@phone', 'sip:7005@phone']);
    t.same(invite.sent, ['480']);
  },
);
