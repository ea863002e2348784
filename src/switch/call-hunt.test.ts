// A call that is offered to several DNs: who answers is the callee, and decides whether it is recorded.
import t from 'tap';
import { silentLogger } from '../log.ts';
import type { OutgoingInviteOptions } from '../sip/user-agent.ts';
import type { EventBody } from '../spool/events.ts';
import type { RecordingMetadata } from '../spool/segment.ts';
import { FakeInvite, FakeUserAgent, fakeRequest, fakeResponse } from '../testing/fake-user-agent.ts';
import { Call } from './call.ts';
import type { CallMedia } from './call-media.ts';
import type { CallPlan, CallTarget } from './call-model.ts';
import { isOneParty } from './hunt-plan.ts';
import { type StoredCall, storeCall } from './stored-call.ts';
import type { Ring } from './strategy/strategy.ts';

/** Lets every promise that can settle do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Keeps who was called, in order. */
class SeveralPlaces extends FakeUserAgent {
  readonly placed: OutgoingInviteOptions[] = [];

  override invite(options: OutgoingInviteOptions) {
    this.placed.push(options);
    return super.invite(options);
  }
}

function target(number: string, record: boolean): CallTarget {
  const dn = { number, name: null, record, ha1: null, realm: null };
  const peer = { protocol: 'udp', address: `127.0.0.${number.slice(-1)}`, port: 5071 } as const;
  const uri = `sip:${number}@phone`;
  return {
    to: { number, uri, name: undefined, dn: number, trunk: undefined },
    route: { kind: 'dn', dn, uri, peer, flow: undefined },
    decision: { record, side: 'destination', dn: number, reason: `record=${record}` },
  };
}

function nobodyYet({ route }: CallTarget): CallTarget {
  return {
    route,
    to: { number: '7900', uri: 'sip:7900@h', name: undefined, dn: undefined, trunk: undefined },
    decision: { record: false, side: 'destination', dn: undefined, reason: 'whoever answers decides it' },
  };
}

/** A second contact of the same DN. */
function elsewhere(one: CallTarget): CallTarget {
  const peer = { ...one.route.peer, address: '127.0.0.9' };
  return { ...one, route: { ...one.route, peer } };
}

function setUp(targets: CallTarget[], ring: Ring, isMediaServerUp = true) {
  const userAgent = new SeveralPlaces();
  const invite = new FakeInvite(fakeRequest('INVITE', 'offer'));
  const events: EventBody[] = [];
  const kept = new Map<string, StoredCall | undefined>();
  const asked: string[] = [];
  const metadata: RecordingMetadata[] = [];
  let source = () => '';
  const media: CallMedia = {
    anchored: true,
    async offer(_from, sdp) {
      if (!isMediaServerUp) throw new Error('no media server');
      asked.push('offer');
      return Buffer.from(`m(${sdp})`);
    },
    async answer(_from, sdp, recording) {
      asked.push(`answer from ${source()}`);
      if (recording !== undefined) metadata.push(recording);
      return Buffer.from(`m(${sdp})`);
    },
    startRecording: async () => void asked.push('startRecording'),
    exists: async () => true,
    stopRecording: async () => void asked.push('stopRecording'),
    release: async () => undefined,
  };
  const [first] = targets;
  if (first === undefined) throw new Error('no target');
  const plan: CallPlan = {
    sessionId: 'a'.repeat(32),
    from: { number: '+49', uri: 'sip:+49@trunk', name: undefined, dn: undefined, trunk: 'carrier' },
    ...(isOneParty(targets) ? first : nobodyYet(first)),
    maxForwards: 69,
    attached: { data: { queue: 'sales' }, rule: 'r' },
    hunt: {
      rounds: ring === 'together' ? [targets] : targets.map((one) => [one]),
      ringTimeMs: 60_000,
    },
  };
  const call = new Call(
    { invite, plan },
    {
      userAgent,
      log: silentLogger(),
      journal: (event) => void events.push(event),
      anchor: (_call, legs) => {
        source = () => legs.b.source;
        return media;
      },
      ringTimeoutMs: 60_000,
      probeMs: 60_000,
      glareDelay: async () => {},
      anchorOf: (one) => (one === media ? { server: 'fake', name: 'call' } : undefined),
      restoreMedia: () => media,
      keep: (one) => void kept.set(one.id, storeCall(one)),
      forget: (one) => void kept.delete(one.id),
      featureCodes: new Map([['*1', 'record']] as const),
      onReleased: () => undefined,
    },
  );
  t.teardown(() => call.release('switch', 503, 'test over'));
  const answerAt = async (index: number) => {
    const ack = () => void userAgent.sent.push('ACK');
    userAgent.placed[index]?.onAccepted(fakeResponse(200, 'answer'), userAgent.dialog, ack);
    await settle();
  };
  return { call, userAgent, invite, events, asked, metadata, answerAt };
}

t.test('in order: the second DN answers, is recorded, and is the callee from then on', async (t) => {
  const { call, userAgent, invite, events, asked, metadata, answerAt } = setUp(
    [target('7001', false), target('7002', true)],
    'in-order',
  );
  await call.begin();
  userAgent.placed[0]?.onProvisional?.(fakeResponse(183, 'early'));
  await settle();
  t.same(invite.sent, ['180'], 'no early media: only one may answer the offer');
  userAgent.placed[0]?.onRejected(fakeResponse(486));
  t.same(
    userAgent.placed.map(({ uri }) => uri),
    ['sip:7001@phone', 'sip:7002@phone'],
  );
  await answerAt(1);
  t.same(invite.sent, ['180', '200 m(answer)']);
  t.same(asked, ['offer', 'answer from 127.0.0.2', 'startRecording']);
  t.match(metadata[0]?.parties, [
    { label: 'a', role: 'customer', number: '+49' },
    { label: 'b', role: 'agent', number: '7002', dn: '7002' },
  ]);
  t.equal(call.plan.to.dn, '7002');
  t.match(events, [
    { type: 'call.created', to: { number: '7900' } },
    { type: 'data.attached', data: { queue: 'sales' }, rule: 'r' },
    { type: 'call.ringing' },
    { type: 'recording.decided', record: true, dn: '7002' },
    { type: 'call.answered', to: { number: '7002' } },
    { type: 'recording.started' },
  ]);
});

t.test('together: a DN that is not recorded answers, and nothing is recorded', async (t) => {
  const { call, userAgent, invite, events, metadata, answerAt } = setUp(
    [target('7001', true), target('7002', false)],
    'together',
  );
  await call.begin();
  await answerAt(1);
  t.same(userAgent.sent, ['INVITE m(offer)', 'INVITE m(offer)', 'CANCEL', 'ACK']);
  t.same(invite.sent, ['200 m(answer)']);
  t.equal(call.recording, undefined);
  t.same(metadata, []);
  t.match(
    events.find(({ type }) => type === 'recording.decided'),
    { record: false, dn: '7002' },
  );
});

t.test('two phones of one DN: recorded from the start, whichever answers', async (t) => {
  const desk = target('7001', true);
  const { call, userAgent, invite, events, asked, answerAt } = setUp([desk, elsewhere(desk)], 'together');
  await call.begin();
  userAgent.placed[0]?.onProvisional?.(fakeResponse(183, 'early'));
  await settle();
  t.same(invite.sent, ['180'], 'either phone may still answer the offer');
  await answerAt(1);
  t.same(asked, ['offer', 'answer from 127.0.0.9', 'startRecording']);
  t.same(
    events.filter(({ type }) => type === 'recording.decided').length,
    1,
    'decided once, before it was answered',
  );
  t.match(events[2], { type: 'recording.decided', record: true, dn: '7001' });
});

t.test('one phone of a DN declines: so does the DN', async (t) => {
  const desk = target('7001', false);
  const { call, userAgent, invite } = setUp([desk, elsewhere(desk)], 'together');
  await call.begin();
  userAgent.placed[0]?.onRejected(fakeResponse(486));
  userAgent.placed[1]?.onRejected(fakeResponse(603));
  await settle();
  t.same(invite.sent, ['603']);
});

t.test('DNs of which none is recorded ring with direct media', async (t) => {
  const { call, userAgent, asked, answerAt } = setUp(
    [target('7001', false), target('7002', false)],
    'together',
  );
  await call.begin();
  await answerAt(0);
  t.same(userAgent.sent.slice(0, 2), ['INVITE offer', 'INVITE offer']);
  t.same(asked, []);
});

t.test('the media server was lost before anybody answered: the loss is told when it matters', async (t) => {
  const { call, events, answerAt } = setUp([target('7001', false), target('7002', true)], 'together', false);
  await call.begin();
  t.notOk(events.some(({ type }) => type === 'recording.failed'));
  await answerAt(1);
  t.match(
    events.find(({ type }) => type === 'recording.failed'),
    { reason: 'no media server' },
  );
});

t.test('nobody answers: the caller gets the best refusal', async (t) => {
  const { call, userAgent, invite, events } = setUp([target('7001', true), target('7002', true)], 'together');
  await call.begin();
  userAgent.placed[0]?.onRejected(fakeResponse(603));
  userAgent.placed[1]?.onRejected(fakeResponse(486));
  await settle();
  t.same(invite.sent, ['486']);
  t.match(events.at(-1), { type: 'call.released', status: 486, answered: false });
  t.notOk(events.some(({ type }) => type === 'recording.decided'));
});

t.test('the caller gives up while several ring', async (t) => {
  const { call, userAgent, invite } = setUp([target('7001', true), target('7002', true)], 'together');
  await call.begin();
  invite.cancel();
  await settle();
  t.same(userAgent.sent.slice(2), ['CANCEL', 'CANCEL']);
});
