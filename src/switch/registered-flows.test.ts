// A call takes the connection that its own phone opened, whatever contacts others claim.
import t from 'tap';
import type { Flow } from '../sip/user-agent.ts';
import { FakeIncoming, fakeRequest } from '../testing/fake-user-agent.ts';
import type { Registration } from './dn-store.ts';
import { RegisteredFlows } from './registered-flows.ts';

const CONTACT = 'sip:7001@192.0.2.1:5060;transport=tcp';

function flow(id: string): Flow {
  const local = { protocol: 'tcp', address: '192.0.2.9', port: 5060 } as const;
  return { id, local, peer: { protocol: 'tcp', address: '192.0.2.1', port: 40000 } };
}

function register(id: string, uri = CONTACT) {
  const contact = [{ name: undefined, uri, params: {} }];
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
