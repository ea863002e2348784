// A call takes the connection that its own phone opened, whatever contacts others claim.
import t from 'tap';
import type { Params } from '../sip/message.ts';
import { EARLIER_LIFE } from '../sip/stored-dialog.ts';
import type { Flow } from '../sip/user-agent.ts';
import { FakeIncoming, fakeRequest } from '../testing/fake-user-agent.ts';
import type { Registration } from './dn-store.ts';
import { RegisteredFlows } from './registered-flows.ts';

const CONTACT = 'sip:7001@192.0.2.1:5060;transport=tcp';

function flow(id: string): Flow {
  const local = { protocol: 'tcp', address: '192.0.2.9', port: 5060 } as const;
  return { id, local, peer: { protocol: 'tcp', address: '192.0.2.1', port: 40000 } };
}

function register(id: string, uri = CONTACT, params: Params = {}) {
  const contact = [{ name: undefined, uri, params }];
  return Object.assign(new FakeIncoming(fakeRequest('REGISTER', '', { contact })), { flow: flow(id) });
}

function registration(number: string, contact = CONTACT): Registration {
  const place = { protocol: 'tcp', address: '192.0.2.1', port: 40000 } as const;
  return { number, contact, ...place, expiresAt: 1, callId: 'c', cseq: 1, userAgent: null };
}

t.test('another DN that registers the same contact gets no calls of this one', async (t) => {
  const flows = new RegisteredFlows();
  flows.note('7001', register('own'), [registration('7001')]);
  flows.note('6666', register('thief'), [registration('6666')]);
  t.equal(flows.of(registration('7001'))?.id, 'own');
  t.equal(flows.of(registration('6666'))?.id, 'thief');
});

t.test('a contact that was refused or has gone leaves no connection behind', async (t) => {
  const flows = new RegisteredFlows();
  flows.note('7001', register('refused'), []);
  t.equal(flows.of(registration('7001')), undefined);
  flows.note('7001', register('first'), [registration('7001')]);
  flows.note('7001', register('second', 'sip:other@192.0.2.1'), [
    registration('7001'),
    registration('7001', 'sip:other@192.0.2.1'),
  ]);
  t.equal(flows.of(registration('7001'))?.id, 'first');
  flows.note('7001', register('third', 'sip:other@192.0.2.1'), [registration('7001', 'sip:other@192.0.2.1')]);
  t.equal(flows.of(registration('7001')), undefined);
  t.equal(flows.of(registration('7001', 'sip:other@192.0.2.1'))?.id, 'third');
});

t.test('a phone that has connected again is found by its contact, or by its instance', async (t) => {
  const flows = new RegisteredFlows();
  const known = [registration('7001')];
  for (const id of ['one', 'two', 'three']) flows.note('7001', register(id), known);
  t.equal(flows.successorOf(flow('one'), '7001')?.id, 'three');
  t.equal(flows.successorOf(flow('two'), '7001')?.id, 'three');
  t.equal(flows.successorOf(flow('three'), '7001'), undefined);
  flows.note('7001', register('one'), known);
  t.equal(flows.successorOf(flow('three'), '7001')?.id, 'one', 'back on the first one');
  t.equal(flows.successorOf(flow('one'), '7001'), undefined);

  const instance = { '+sip.instance': '"<urn:uuid:1>"' };
  const [first, then] = ['sip:7002@192.0.2.1:1', 'sip:7002@192.0.2.1:2'];
  flows.note('7002', register('four', first, instance), [registration('7002', first)]);
  flows.note('7002', register('five', then, instance), [
    registration('7002', first),
    registration('7002', then),
  ]);
  t.equal(flows.successorOf(flow('four'), '7002')?.id, 'five');
});

t.test('a DN that leaves a connection which others share takes none of their calls along', async (t) => {
  const flows = new RegisteredFlows();
  flows.note('7001', register('proxy'), [registration('7001')]);
  flows.note('6666', register('proxy'), [registration('6666')]);
  flows.note('6666', register('thief'), [registration('6666')]);
  t.equal(flows.successorOf(flow('proxy'), '7001'), undefined);
  t.equal(flows.successorOf(flow('proxy'), '6666')?.id, 'thief');
  flows.note('6666', register('refused'), []);
  t.equal(flows.successorOf(flow('thief'), '6666'), undefined, 'what was not registered is no successor');
});

t.test('after a restart of the switch a phone is found by its address, unless there are two', async (t) => {
  const flows = new RegisteredFlows();
  t.equal(flows.successorOf(flow(EARLIER_LIFE), '7001'), undefined);
  flows.note('7001', register('new'), [registration('7001')]);
  t.equal(flows.successorOf(flow(EARLIER_LIFE), '7001')?.id, 'new');
  t.equal(flows.successorOf(flow(EARLIER_LIFE), '7002'), undefined);
  const other = 'sip:desk@192.0.2.1:5060;transport=tcp';
  flows.note('7001', register('second', other), [registration('7001'), registration('7001', other)]);
  t.equal(flows.successorOf(flow(EARLIER_LIFE), '7001'), undefined);
});

t.test('a phone that has connected anew very often is still found', async (t) => {
  const flows = new RegisteredFlows();
  const contact = 'sip:7001@192.0.2.1';
  const place = { address: '192.0.2.1', port: 5060, protocol: 'tcp' } as const;
  const flowOf = (n: number): Flow => ({ id: `tcp:${n}`, peer: place, local: place });
  const registration = {
    number: '7001',
    contact,
    ...place,
    expiresAt: 1,
    callId: 'c',
    cseq: 1,
    userAgent: null,
  };
  for (let n = 0; n < 10_000; n += 1) {
    const request = new FakeIncoming(
      fakeRequest('REGISTER', '', { contact: [{ name: undefined, uri: contact, params: {} }] }),
    );
    flows.note('7001', Object.assign(request, { flow: flowOf(n) }), [registration]);
  }
  t.equal(flows.successorOf(flowOf(1), '7001')?.id, 'tcp:9999');
});
