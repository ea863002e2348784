// Two phones without a switch: real SIP and RTP on loopback, both directions exact.
import t from 'tap';
import { silentLogger } from '../log.ts';
import { encodeAlaw } from '../rtp/g711.ts';
import { findAudio } from './compare.ts';
import { loadVoice, toLinear } from './dialogue.ts';
import { createPhone, type Phone, type PhoneOptions } from './phone.ts';

const HOST = '127.0.0.1';
/** Half a second of speech of each side. */
const AGENT = loadVoice('agent').mulaw.subarray(3200, 7200);
const CUSTOMER = loadVoice('customer').mulaw.subarray(30_000, 34_000);

async function openPhone(
  t: Tap,
  number: string,
  options: Partial<PhoneOptions> & { protocol?: 'udp' | 'tcp' } = {},
): Promise<Phone> {
  const { protocol = 'udp', ...rest } = options;
  const registrar = { host: HOST, port: 9, protocol };
  const phone = await createPhone({ number, registrar, listenHost: HOST, log: silentLogger(), ...rest });
  t.teardown(() => phone.close());
  return phone;
}

interface Tap {
  teardown(fn: () => Promise<void>): void;
}

async function establish(caller: Phone, callee: Phone) {
  const placed = await caller.call(callee.contact);
  const taken = await callee.nextCall();
  return { placed, taken, outcome: await placed.outcome, takenOutcome: await taken.outcome };
}

for (const protocol of ['udp', 'tcp'] as const) {
  t.test(`a call over ${protocol} rings, is answered, carries speech both ways, and ends`, async (t) => {
    const caller = await openPhone(t, '7002', { protocol });
    const callee = await openPhone(t, '7001', { protocol, behaviour: { ringMs: 30 } });
    const { placed, taken, outcome, takenOutcome } = await establish(caller, callee);
    t.match(outcome, { answered: true, status: 200 });
    t.match(takenOutcome, { answered: true });
    t.ok(placed.provisional.includes(180));
    t.same([placed.encoding, taken.encoding], ['PCMU', 'PCMU']);
    const [sent] = await Promise.all([placed.speak(CUSTOMER), taken.speak(AGENT)]);
    t.same(sent, { packets: 25, samples: 4000 });
    await Promise.all([placed.media.receiver.until(25), taken.media.receiver.until(25)]);
    await placed.hangup();
    t.same(await placed.ended, { by: 'local' });
    t.same(await taken.ended, { by: 'remote' });
    t.same(findAudio(taken.media.receiver.audio(), toLinear(CUSTOMER)), { exact: true, offset: 0 });
    t.same(findAudio(placed.media.receiver.audio(), toLinear(AGENT)), { exact: true, offset: 0 });
    t.match(taken.media.receiver.count(), { received: 25, lost: 0, duplicates: 0 });
  });
}

t.test('the callee prefers its own encoding', async (t) => {
  const caller = await openPhone(t, '7002');
  const callee = await openPhone(t, '7001', { encodings: ['PCMA'] });
  const { placed, taken } = await establish(caller, callee);
  t.equal(placed.encoding, 'PCMA');
  const audio = Uint8Array.from(toLinear(AGENT), encodeAlaw);
  await placed.speak(audio);
  await taken.media.receiver.until(25);
  t.same([...new Set(taken.media.receiver.streams[0]?.packets.map(({ payloadType }) => payloadType))], [8]);
});

t.test('without a common encoding the call is refused with 488', async (t) => {
  const caller = await openPhone(t, '7002', { encodings: ['PCMU'] });
  const callee = await openPhone(t, '7001', { encodings: ['PCMA'] });
  const placed = await caller.call(callee.contact);
  t.match(await placed.outcome, { answered: false, status: 488 });
  t.same(await placed.ended, { by: 'setup' });
});

t.test('a phone that is busy refuses', async (t) => {
  const caller = await openPhone(t, '7002');
  const callee = await openPhone(t, '7001', { behaviour: { refuseWith: 486 } });
  const placed = await caller.call(callee.contact);
  t.match(await placed.outcome, { answered: false, status: 486 });
});

t.test('hanging up while it rings cancels the call on both sides', async (t) => {
  const caller = await openPhone(t, '7002');
  const callee = await openPhone(t, '7001', { behaviour: { ringMs: 60_000 } });
  const placed = await caller.call(callee.contact);
  await placed.ringing;
  const taken = await callee.nextCall();
  await placed.hangup();
  t.match(await taken.outcome, { answered: false, status: 487 });
  t.match(await placed.outcome, { answered: false, status: 487 });
});

t.test('hold stops the other side from sending, retrieve lets it speak again', async (t) => {
  const caller = await openPhone(t, '7002');
  const callee = await openPhone(t, '7001');
  const { placed, taken } = await establish(caller, callee);
  t.equal(await placed.hold(), 200);
  t.equal(taken.media.target?.mayReceive, false);
  await taken.speak(AGENT.subarray(0, 480));
  t.equal(await placed.retrieve(), 200);
  t.equal(taken.media.target?.mayReceive, true);
  t.equal(taken.reinvites, 2);
  await taken.speak(AGENT.subarray(480, 960));
  await placed.media.receiver.until(3);
  await taken.hangup();
  t.same(await placed.ended, { by: 'remote' });
  t.equal(placed.media.receiver.count().received, 3, 'only what came after the hold');
});

t.test('nothing answers where the call goes: 408 or 503, never a hang', async (t) => {
  const caller = await openPhone(t, '7002', { protocol: 'tcp' });
  const placed = await caller.call(`sip:7009@${HOST}:9;transport=tcp`);
  const { answered, status } = await placed.outcome;
  t.equal(answered, false);
  t.ok(status === 503 || status === 408, `${status}`);
});
