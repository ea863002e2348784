// Where calls go as a strategy says, and where they never go whatever it says.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FakeInvite, fakeRequest } from '../testing/fake-user-agent.ts';
import { planCall } from './call-plan.ts';
import { DnStore, type Registration } from './dn-store.ts';
import type { Caller } from './gate.ts';
import { routeAsDecided } from './route.ts';
import { NOTHING } from './strategy/evaluate.ts';
import type { Decision, RouteWord } from './strategy/strategy.ts';
import { trunksOf } from './trunk-fixture.ts';

const CARRIER = { name: 'carrier', record: false };
const TRUNKS = trunksOf(`
[[trunk]]
name = "carrier"
host = ["127.0.0.2", "127.0.0.3:5070"]
numbers-in = ["70XX", "7900"]
[[trunk]]
name = "second"
host = "127.0.0.4"
numbers-out = "+49*"
`);
const dnOf = (number: string, record = false) => ({ number, name: null, record, ha1: null, realm: null });
const fromDn = { kind: 'dn', dn: dnOf('7009') } as const;
const fromTrunkPeer = { protocol: 'tcp', address: '127.0.0.2', port: 5060 } as const;
const fromTrunk = { kind: 'trunk', trunk: CARRIER } as const;

/** DNs 7001 (recorded), 7002 and 7003 are registered; 7004 is not. */
function optionsOf(t: Test) {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  for (const number of ['7001', '7002', '7003', '7004']) store.saveDn(dnOf(number, number === '7001'));
  for (const number of ['7001', '7002', '7003']) {
    const place = { protocol: 'udp', address: '127.0.0.1', port: 5070 } as const;
    const contact = `sip:${number}@127.0.0.1:5070`;
    const registration = { number, contact, callId: 'c', cseq: 1, userAgent: null, expiresAt: 2, ...place };
    store.replaceRegistrations(number, [registration]);
  }
  return { store, trunks: TRUNKS, flowOf: () => undefined, isReachable: () => true, now: () => 1 };
}

const toDns = (...dns: string[]): RouteWord => ({ kind: 'dn', dns, ring: 'together', ringTimeMs: 20_000 });

t.test('to DNs: those that can be reached, in their order', async (t) => {
  const options = optionsOf(t);
  const uris = (word: RouteWord) => {
    const routes = routeAsDecided(word, fromTrunk, '7900', options);
    return 'kind' in routes ? routes : routes.map((round) => round.map(({ uri }) => uri));
  };
  t.same(uris(toDns('7002')), [['sip:7002@127.0.0.1:5070']]);
  const both = ['sip:7003@127.0.0.1:5070', 'sip:7001@127.0.0.1:5070'];
  const several = toDns('7003', '7004', '9999', '7001');
  t.same(uris(several), [both]);
  t.same(
    uris({ ...several, ring: 'in-order' } as RouteWord),
    both.map((uri) => [uri]),
  );
  t.match(uris(toDns('7004', '9999')), { kind: 'refused', status: 480, reason: 'Not Registered' });
  t.match(uris(toDns('9999')), { kind: 'refused', status: 480 });
});

t.test('to all contacts of a DN at once, but for those that cannot be reached', async (t) => {
  const options = optionsOf(t);
  const place = { address: '127.0.0.1', port: 5071, callId: 'c', cseq: 1, userAgent: null, expiresAt: 2 };
  const contact = (uri: string, protocol: 'udp' | 'tcp' = 'udp') => ({
    ...{ number: '7001', contact: uri, protocol },
    ...place,
  });
  const desk = contact('sip:desk@127.0.0.1');
  const natted = contact('sip:mobile@192.168.1.9;transport=tcp', 'tcp');
  const listening = contact('sip:soft@127.0.0.1:5099;transport=tcp', 'tcp');
  options.store.replaceRegistrations('7001', [desk, natted, listening]);
  const places = (changes: object) => {
    const route = routeAsDecided({ kind: 'dialled' }, fromTrunk, '7001', { ...options, ...changes });
    if ('kind' in route) return route.reason;
    return route.map((round) => round.map(({ uri, peer }) => `${uri} at ${peer.port}`));
  };
  const flow = { id: 'tcp:1', peer: fromTrunkPeer, local: fromTrunkPeer };
  t.same(places({ flowOf: () => flow }), [
    [`${desk.contact} at 5071`, `${natted.contact} at 5071`, `${listening.contact} at 5071`],
  ]);
  const reconnected = `${listening.contact} at 5099`;
  t.same(places({}), [[`${desk.contact} at 5071`, reconnected]], 'behind NAT, its connection has ended');
  t.same(places({ isReachable: ({ contact }: Registration) => contact !== desk.contact }), [[reconnected]]);
  t.same(
    places({ isReachable: () => false }),
    [[`${desk.contact} at 5071`, reconnected]],
    'better than none',
  );
  options.store.replaceRegistrations('7001', [natted]);
  t.equal(places({}), 'Not Connected');
});

t.test('a DN that rings at several places is one party, known from the start', async (t) => {
  const options = optionsOf(t);
  const [registration] = options.store.registrations('7001', 1);
  if (registration === undefined) throw new Error('7001 is not registered');
  options.store.replaceRegistrations('7001', [
    registration,
    { ...registration, contact: 'sip:two@127.0.0.1' },
  ]);
  const invite = new FakeInvite({ ...fakeRequest('INVITE', 'offer'), uri: 'sip:7001@h' });
  const result = planCall(invite, fromTrunk, options, { sessionId: 'a'.repeat(32), decision: NOTHING });
  t.match(result, {
    plan: {
      to: { dn: '7001' },
      decision: { record: true },
      hunt: { rounds: [[{ decision: { record: true } }, { to: { uri: 'sip:two@127.0.0.1' } }]] },
    },
  });
});

t.test('to a trunk: for DNs alone, whatever the strategy says', async (t) => {
  const options = optionsOf(t);
  const word = { kind: 'trunk', trunk: 'carrier' } as const;
  t.match(routeAsDecided(word, fromDn, '+4930', options), [
    [{ kind: 'trunk', uri: /^sip:\+4930@127.0.0.2/ }],
  ]);
  t.match(routeAsDecided(word, fromTrunk, '+4930', options), { kind: 'refused', status: 403 });
  t.match(routeAsDecided(word, fromDn, 'a b', options), { kind: 'refused', status: 404 });
  t.match(routeAsDecided({ ...word, trunk: 'gone' }, fromDn, '1', options), { kind: 'refused', status: 480 });
});

t.test('a DN that the strategy sends to a trunk goes there, though a DN has that number', async (t) => {
  const word = { kind: 'trunk', trunk: 'carrier' } as const;
  t.match(routeAsDecided(word, fromDn, '7001', optionsOf(t)), [[{ kind: 'trunk' }], [{}]]);
});

t.test('a number that is no DN: by all trunks that allow it, in order', async (t) => {
  const options = optionsOf(t);
  const hosts = (number: string, caller: Caller = fromDn) => {
    const route = routeAsDecided({ kind: 'dialled' }, caller, number, options);
    return 'kind' in route ? route.status : route.map((round) => round.map(({ peer }) => peer.address));
  };
  t.same(hosts('+4930'), [['127.0.0.2'], ['127.0.0.3'], ['127.0.0.4']]);
  t.same(hosts('0900'), [['127.0.0.2'], ['127.0.0.3']]);
  t.equal(hosts('+4930', fromTrunk), 403, 'a trunk reaches no trunk, nor numbers that are not its own');
  t.equal(hosts('7099', fromTrunk), 404);
  const word = { kind: 'trunk', trunk: 'second' } as const;
  t.match(routeAsDecided(word, fromDn, '0900', options), { kind: 'refused', status: 403 });
});

t.test('a call from a trunk reaches its numbers alone, whatever the strategy says', async (t) => {
  const options = optionsOf(t);
  const to = (number: string) => routeAsDecided(toDns('7001'), fromTrunk, number, options);
  t.match(to('7900'), [[{ dn: { number: '7001' } }]]);
  t.match(to('8000'), { kind: 'refused', status: 403, reason: 'Number Not Allowed' });
});

t.test('to nowhere', async (t) => {
  const word = { kind: 'reject', status: 603, reason: 'Closed' } as const;
  t.match(routeAsDecided(word, fromDn, '7001', optionsOf(t)), {
    kind: 'refused',
    status: 603,
    reason: 'Closed',
  });
});

function planned(t: Test, decision: Partial<Decision>, uri = 'sip:7900@h') {
  const invite = new FakeInvite({ ...fakeRequest('INVITE', 'offer'), uri });
  const ruling = { sessionId: 'a'.repeat(32), decision: { ...NOTHING, ...decision } };
  const result = planCall(invite, fromTrunk, optionsOf(t), ruling);
  if (result.kind !== 'call') throw new Error(result.reason);
  return result.plan;
}

t.test("the plan keeps what was dialled, the data, and the strategy's word on recording", async (t) => {
  const plan = planned(t, {
    rules: ['one', 'two'],
    route: toDns('7001'),
    attach: { queue: 'sales' },
    record: { word: 'disable_destination', rule: 'two' },
  });
  t.match(plan, {
    dialled: '7900',
    to: { number: '7001', dn: '7001' },
    attached: { data: { queue: 'sales' }, rule: 'one / two' },
    decision: { record: false, reason: /rule "two" .* though DN 7001 has record=true/ },
    hunt: undefined,
  });
});

t.test('of several DNs each has its own decision, and none is made before one answers', async (t) => {
  const plan = planned(t, { route: toDns('7001', '7002') });
  t.match(plan, {
    to: { number: '7900', dn: undefined },
    decision: { record: false },
    hunt: {
      rounds: [
        [
          { to: { dn: '7001' }, decision: { record: true } },
          { to: { dn: '7002' }, decision: { record: false } },
        ],
      ],
    },
  });
  t.equal(plan.dialled, undefined, 'the callee is still the dialled number');
});

t.test('without a strategy nothing but the dialled number counts', async (t) => {
  const plan = planned(t, {}, 'sip:7001@h');
  t.match(plan, { to: { dn: '7001' }, decision: { record: true } });
  t.equal(plan.dialled, undefined);
  t.equal(plan.attached, undefined);
});
