// The recording decision: which side, and why.
import t from 'tap';
import { decideRecording } from './recording-decision.ts';

const dn = (number: string, record: boolean) => ({ dn: { number, record } });
const trunk = (record: boolean) => ({ trunk: { name: 'carrier', record } });

t.test('a recorded callee is the agent', async (t) => {
  t.match(decideRecording(dn('7002', false), dn('7001', true)), {
    record: true,
    side: 'destination',
    dn: '7001',
  });
});

t.test('a recorded caller is the agent', async (t) => {
  t.match(decideRecording(dn('7001', true), dn('7002', false)), { record: true, side: 'source', dn: '7001' });
});

t.test('two recorded DNs make one recording, on the called side', async (t) => {
  t.match(decideRecording(dn('7001', true), dn('7002', true)), {
    record: true,
    side: 'destination',
    dn: '7002',
  });
});

t.test('a recorded trunk makes the DN behind it the agent, whichever way the call goes', async (t) => {
  t.match(decideRecording(trunk(true), dn('7001', false)), { record: true, side: 'destination', dn: '7001' });
  t.match(decideRecording(dn('7001', false), trunk(true)), { record: true, side: 'source', dn: '7001' });
});

t.test('a recorded DN is recorded on a trunk that is not', async (t) => {
  const decision = decideRecording(dn('7001', true), trunk(false));
  t.match(decision, { record: true, side: 'source', dn: '7001', reason: 'DN 7001 has record=true' });
});

t.test('nothing set, nothing recorded, and the reason says so', async (t) => {
  const decision = decideRecording(trunk(false), dn('7001', false));
  t.equal(decision.record, false);
  t.equal(decision.reason, 'record is not set on trunk carrier nor on DN 7001');
});

const rule = (word: 'source' | 'destination' | 'disable_source' | 'disable_destination') => ({
  word,
  rule: 'r',
});

t.test('the strategy starts recording where no DN does, on the side it names', async (t) => {
  t.same(decideRecording(dn('7001', false), dn('7002', false), rule('source')), {
    record: true,
    side: 'source',
    dn: '7001',
    reason: 'rule "r" of the routing strategy says record = source',
  });
  t.match(decideRecording(dn('7001', true), dn('7002', false), rule('destination')), {
    record: true,
    side: 'destination',
    dn: '7002',
  });
});

t.test('the side of a trunk can be recorded: the DN is that behind it', async (t) => {
  t.match(decideRecording(trunk(false), dn('7001', false), rule('source')), { side: 'source', dn: '7001' });
});

t.test('disable takes the recording from that side alone', async (t) => {
  t.same(decideRecording(dn('7002', false), dn('7001', true), rule('disable_destination')), {
    record: false,
    side: 'destination',
    dn: '7001',
    reason:
      'rule "r" of the routing strategy says record = disable_destination, though DN 7001 has record=true',
  });
  t.match(decideRecording(dn('7002', false), dn('7001', true), rule('disable_source')), { record: true });
  t.match(decideRecording(dn('7002', true), dn('7001', true), rule('disable_destination')), {
    record: true,
    side: 'source',
    dn: '7002',
  });
  t.match(decideRecording(dn('7002', true), dn('7001', false), rule('disable_source')), { record: false });
});

t.test("disable takes a trunk's recording too, on the side of the DN", async (t) => {
  t.match(decideRecording(trunk(true), dn('7001', true), rule('disable_destination')), { record: false });
  t.match(decideRecording(trunk(true), dn('7001', false), rule('disable_source')), { record: true });
});

t.test('disable of what is not recorded changes nothing', async (t) => {
  const decision = decideRecording(trunk(false), dn('7001', false), rule('disable_destination'));
  t.equal(decision.reason, 'record is not set on trunk carrier nor on DN 7001');
});
