// What strangers write of themselves, as the rest of the system gets it.
import { join } from 'node:path';
import t from 'tap';
import { FakeInvite, fakeRequest } from '../testing/fake-user-agent.ts';
import { decideForNewcomer, planCall } from './call-plan.ts';
import { DnStore } from './dn-store.ts';
import { NOTHING } from './strategy/evaluate.ts';
import { trunksOf } from './trunk-fixture.ts';

function planned(t: { testdir(): string; teardown(step: () => void): void }, uri: string, name: string) {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  const number = '7001';
  store.saveDn({ number, name: null, record: true, ha1: null, realm: null });
  const place = { protocol: 'udp', address: '127.0.0.1', port: 5070 } as const;
  const registered = { number, contact: 'sip:7001@127.0.0.1:5070', callId: 'c', cseq: 1, userAgent: null };
  store.replaceRegistrations(number, [{ ...registered, ...place, expiresAt: 2 }]);
  const trunk = { name: 'carrier', record: false };
  const invite = new FakeInvite(fakeRequest('INVITE', '', { from: { uri, name, params: { tag: 'x' } } }));
  const options = {
    store,
    trunks: trunksOf('[[trunk]]\nname = "carrier"\nhost = "127.0.0.1"'),
    flowOf: () => undefined,
    isReachable: () => true,
    now: () => 1,
  };
  const result = planCall(invite, { kind: 'trunk', trunk }, options, {
    sessionId: 'a'.repeat(32),
    decision: NOTHING,
  });
  if (result.kind !== 'call') throw new Error(result.reason);
  return result.plan.from;
}

t.test('a name and a number hold nothing that moves a terminal or turns writing', async (t) => {
  const from = planned(t, 'sip:%1b%5b2J%0d%0a+49@h', '"\\\x1b]0;x\\\x07Ev\u202eil\\\0 \udcff"');
  t.equal(from.number, '[2J+49');
  t.equal(from.name, ']0;xEvil');
});

t.test('and no more than a recording can carry', async (t) => {
  const from = planned(t, `sip:${'9'.repeat(5000)}@h`, `"${'n'.repeat(50_000)}"`);
  t.equal(from.number.length, 64);
  t.equal(from.name?.length, 128);
  t.equal(from.uri.length, 1024);
});

t.test('what is asked for as SIPS goes by TLS or not at all', async (t) => {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  for (const [number, protocol] of [
    ['7001', 'udp'],
    ['7002', 'tls'],
  ] as const) {
    const dn = { number, name: null, record: false, ha1: null, realm: null };
    store.saveDn(dn);
    const place = { protocol, address: '127.0.0.1', port: 5070, contact: `sip:${number}@127.0.0.1:5070` };
    const registered = { number, callId: 'c', cseq: 1, userAgent: null, expiresAt: 2 };
    store.replaceRegistrations(number, [{ ...registered, ...place }]);
  }
  const trunk = { name: 'carrier', record: false };
  const options = {
    store,
    trunks: trunksOf('[[trunk]]\nname = "carrier"\nhost = "127.0.0.2"'),
    flowOf: () => undefined,
    isReachable: () => true,
    now: () => 1,
  };
  const plan = (uri: string, decision = NOTHING) => {
    const invite = new FakeInvite({ ...fakeRequest('INVITE'), uri });
    return planCall(invite, { kind: 'trunk', trunk }, options, { sessionId: 'a', decision });
  };
  t.match(plan('sips:7001@127.0.0.1'), { kind: 'refused', status: 480, reason: 'Not Reachable By TLS' });
  t.match(plan('SIPS:7002@127.0.0.1'), { kind: 'call', plan: { route: { peer: { protocol: 'tls' } } } });
  t.match(plan('sip:7001@127.0.0.1'), { kind: 'call' });
  const kept = plan('sip:7001@127.0.0.1', { ...NOTHING, retention: 'year' });
  t.match(kept, { plan: { decision: { terms: { retention: 'year' } } } }, 'as long as the strategy says');
});

t.test('a party that comes into a call otherwise than by a call to it: full-time recording', async (t) => {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  store.saveDn({ number: '7001', name: null, record: true, mandatory: true, ha1: null, realm: null });
  store.saveDn({ number: '7002', name: null, record: false, ha1: null, realm: null });
  const options = {
    store,
    trunks: trunksOf('[[trunk]]\nname = "carrier"\nhost = "127.0.0.2"\nrecord = true'),
    flowOf: () => undefined,
    isReachable: () => true,
    now: () => 1,
  };
  const party = (dn?: string, trunk?: string) => ({ number: '1', uri: '', name: undefined, dn, trunk });
  t.match(decideForNewcomer(party('7001'), 'a', options), {
    record: true,
    side: 'source',
    dn: '7001',
    mandatory: true,
    reason: 'DN 7001 has record=true',
  });
  t.match(decideForNewcomer(party('7001'), 'b', options), { side: 'destination' });
  t.equal(decideForNewcomer(party('7002'), 'b', options), undefined);
  t.match(decideForNewcomer(party(undefined, 'carrier'), 'b', options), { reason: /trunk carrier/ });
  t.equal(decideForNewcomer(party('gone', 'gone'), 'b', options), undefined);
});
