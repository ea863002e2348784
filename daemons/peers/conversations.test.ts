// Attended transfers across two switches: whoever sits where, one conversation has one Session-ID at both in the end (RFC 7989).
import t from 'tap';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import type { Phone, PhoneCall } from '../../src/testing/phone.ts';
import { freePort, type Installation, install } from './installation.ts';
import { connect, type Ends, eventsOf, hear, newPhone } from './phones.ts';

/** Each the other's trunk. */
const [onePort, otherPort] = await Promise.all([freePort(), freePort('127.0.0.2')]);
const trunkTo = (host: string, port: number) =>
  `[[trunk]]\nname = "other"\nhost = "${host}"\nport = ${port}\n`;
const [one, other] = await Promise.all([
  install({ port: onePort, toml: trunkTo('127.0.0.2', otherPort) }),
  install({ host: '127.0.0.2', port: otherPort, toml: trunkTo('127.0.0.1', onePort) }),
]);
t.teardown(() => Promise.all([one.stop(), other.stop()]));
t.jobs = 3;

/** A fifth of a second of silence. */
const WORD = new Uint8Array(1600).fill(0x55);
const both = [one, other] as const;
const nameOf = (at: Installation) => (at === one ? 'here' : 'there');

/** A recorded one, at an address that is none of the other switch's: it would be taken for the trunk. */
const phoneAt = (t: Ends, at: Installation) =>
  newPhone(t, at, { record: true, listenHost: at === one ? '127.0.0.1' : '127.0.0.3' });

/** The calls of these numbers, each with the conversation that it is part of after its last event. */
function conversations(at: Installation, numbers: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const event of eventsOf(at)) {
    const isOurs =
      event.type === 'call.created' && [event.from, event.to].some(({ number }) => numbers.includes(number));
    if (isOurs || (event.type === 'call.joined' && found.has(event.call)))
      found.set(event.call, event.sessionId);
  }
  return found;
}

/** The same when all of them are over, and the journal says so. */
function conversationsInTheEnd(at: Installation, numbers: readonly string[]): Promise<Map<string, string>> {
  return at.until('the calls are over', async () => {
    const found = conversations(at, numbers);
    const over = eventsOf(at).filter((event) => event.type === 'call.released' && found.has(event.call));
    return over.length === found.size ? found : undefined;
  });
}

/** Those of the calls that are up. */
async function upNow(at: Installation, numbers: readonly string[]): Promise<string[]> {
  const { calls } = await at.ask<{ calls: { from: string; to: string; sessionId: string }[] }>(
    'grec-sipd',
    'GET',
    '/calls',
  );
  return calls.flatMap(({ from, to, sessionId }) =>
    numbers.includes(from) || numbers.includes(to) ? [sessionId] : [],
  );
}

/** Whoever calls, the agent's side of it comes first. */
async function speakWith(agent: Phone, party: Phone, isCaller: boolean): Promise<[PhoneCall, PhoneCall]> {
  const [out, into] = isCaller ? await connect(party, agent) : await connect(agent, party);
  await talk(out, into);
  return isCaller ? [into, out] : [out, into];
}

async function talk(out: PhoneCall, into: PhoneCall): Promise<void> {
  const spoken = Promise.all([out.speak(WORD), into.speak(WORD)]);
  await Promise.all([hear(out, 5), hear(into, 5)]);
  await spoken;
}

/** Resolves with the recordings of these numbers when all that were begun are there. */
function recordingsOf(at: Installation, numbers: readonly string[]): Promise<RecordingRow[]> {
  return at.until('all is recorded', async () => {
    const calls = conversations(at, numbers);
    const begun = eventsOf(at).flatMap((event) =>
      event.type === 'recording.started' && calls.has(event.call) ? [event.recording] : [],
    );
    const conversationsBegun = begun.length === 0 ? 0 : 1;
    const found = (await at.recordings(0)).filter(({ caller, callee }) =>
      numbers.some((number) => number === caller || number === callee),
    );
    return found.length === conversationsBegun ? found : undefined;
  });
}

const choices = [true, false];
for (const customerAt of both)
  for (const expertAt of both)
    for (const customerCalls of choices)
      for (const expertCalls of choices)
        t.test(
          `the customer ${nameOf(customerAt)} ${customerCalls ? 'calls' : 'is called'}, the expert ${nameOf(expertAt)} ${expertCalls ? 'calls' : 'is called'}`,
          { timeout: 60_000 },
          async (t) => {
            const agent = await phoneAt(t, one);
            const customer = await phoneAt(t, customerAt);
            const expert = await phoneAt(t, expertAt);
            const numbers = [agent.number, customer.number, expert.number];
            const [mine, customers] = await speakWith(agent, customer, customerCalls);
            t.equal(await mine.hold(), 200);
            const [consulting, experts] = await speakWith(agent, expert, expertCalls);
            const was = new Set((await Promise.all(both.map((at) => upNow(at, numbers)))).flat());
            t.equal(was.size, 2, 'two conversations until here');
            // Phones send it in either call: for the customer as a rule, for the expert some.
            const [asked, replaced] = expertCalls ? [consulting, mine] : [mine, consulting];
            const { outcome } = await asked.refer(`sip:${expert.number}@127.0.0.1`, replaced);
            t.equal(await outcome, 200);
            await Promise.all([mine.ended, consulting.ended]);
            await talk(customers, experts);
            const up = new Set((await Promise.all(both.map((at) => upNow(at, numbers)))).flat());
            t.equal(up.size, 1, 'one conversation from here on');
            await customers.hangup();
            await experts.ended;
            const told: string[] = [];
            for (const at of both) told.push(...(await conversationsInTheEnd(at, numbers)).values());
            t.same([...new Set(told)], [...up], 'in the events of both switches');
            for (const at of new Set([one, customerAt, expertAt])) {
              const rows = await recordingsOf(at, numbers);
              t.not(rows.length, 0, `recorded ${nameOf(at)}`);
              for (const { state, reason, sessionId } of rows)
                t.match([state, sessionId], ['complete', ...up], reason ?? 'in the recordings');
            }
          },
        );
