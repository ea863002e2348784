// The recording decision: which side, and why.
import t from 'tap';
import { BUILT_IN_DEFAULTS, type Settings } from '../dn-settings.ts';
import { policyOf } from './dn-policy.ts';
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
  t.match(decideRecording(dn('7001', false), dn('7002', false), rule('source')), {
    record: true,
    side: 'source',
    dn: '7001',
    reason: 'rule "r" of the routing strategy says record = source',
    rule: 'r',
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
  t.match(decideRecording(dn('7002', false), dn('7001', true), rule('disable_destination')), {
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

/** A DN with these settings, and the agent who is logged in there. */
const side = (number: string, settings: Settings = {}, agent?: Settings & { number: string }) => ({
  dn: policyOf({ number, ...settings }, agent, { ...BUILT_IN_DEFAULTS, retention: 'quarter' }),
});

t.test("an agent's setting goes before that of the DN, both ways", async (t) => {
  const recorded = { number: '2201', record: true };
  t.match(decideRecording(side('7002'), side('7001', {}, recorded)), {
    record: true,
    dn: '7001',
    agentId: '2201',
    reason: 'agent 2201 on DN 7001 has record=true',
  });
  const unrecorded = { number: '2202', record: false };
  t.match(decideRecording(side('7002'), side('7001', { record: true }, unrecorded)), {
    record: false,
    agentId: '2202',
    reason: 'record is not set on DN 7002 nor on agent 2202 on DN 7001',
  });
  t.match(decideRecording(side('7002'), side('7001', { record: true }, { number: '2203' })), {
    record: true,
    agentId: '2203',
    reason: 'DN 7001 has record=true',
  });
});

t.test('what nobody says holds by default', async (t) => {
  const byDefault = { dn: policyOf({ number: '7001' }, undefined, { ...BUILT_IN_DEFAULTS, record: true }) };
  t.equal(decideRecording(trunk(false), byDefault).reason, 'DN 7001 (by default) has record=true');
  t.match(decideRecording(trunk(false), side('7001', { record: true })).terms, { retention: 'quarter' });
  const own = side('7001', { record: true, retention: 'year', 'recording-filename': '$id$' });
  t.same(decideRecording(trunk(false), own).terms, { retention: 'year', 'recording-filename': '$id$' });
});

t.test('a consultation call is recorded unless the recorded DN says otherwise', async (t) => {
  const spared = side('7001', { record: true, 'record-consult-calls': false });
  const other = side('7002', { record: true });
  t.equal(decideRecording(side('7001', { record: true }), side('7003'), undefined, true).record, true);
  t.equal(decideRecording(spared, side('7003')).record, true, 'no consultation call');
  t.match(decideRecording(spared, side('7003'), undefined, true), {
    record: false,
    side: 'source',
    dn: '7001',
    reason: 'a consultation call: DN 7001 has record=true, but record-consult-calls=false',
  });
  t.match(decideRecording(spared, other, undefined, true), { record: true, dn: '7002' });
  t.match(decideRecording(spared, trunk(true), undefined, true), { record: true, dn: '7001' });
  t.equal(decideRecording(spared, side('7003'), rule('source'), true).record, true, 'the strategy overrides');
});

t.test('mandatory: of whoever is to be recorded, on either side', async (t) => {
  const mandatory = (number: string, record: boolean) => side(number, { record, mandatory: true });
  const isMandatory = (...sides: Parameters<typeof decideRecording>) => decideRecording(...sides).mandatory;
  t.equal(isMandatory(side('7002'), mandatory('7001', true)), true);
  t.equal(isMandatory(mandatory('7002', true), side('7001', { record: true })), true);
  t.equal(isMandatory(side('7002'), mandatory('7001', false)), false, 'it is not to be recorded');
  t.equal(isMandatory(mandatory('7002', false), side('7001', { record: true })), false);
  t.equal(isMandatory(side('7002'), mandatory('7001', false), rule('destination')), true, 'by the strategy');
  t.equal(isMandatory(side('7002'), mandatory('7001', true), rule('disable_destination')), false);
});

t.test('media that is always to be anchored is, recorded or not', async (t) => {
  t.equal(decideRecording(side('7002', { anchor: 'always' }), side('7001')).isAnchored, true);
  t.equal(decideRecording(side('7002'), side('7001')).isAnchored, false);
});
