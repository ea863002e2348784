// Transfers end to end: phones refer each other, recordings go on with the new party, and one conversation has one name.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Metadata } from '../../src/archive/metadata.ts';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import type { JournalEvent } from '../../src/spool/events.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import type { PhoneBehaviour, PhoneCall } from '../../src/testing/phone.ts';
import { freePort, type Installation, install, readAllChannels } from './installation.ts';
import { noise } from './noise.ts';
import { connect, type Ends, eventsOf, gone, newPhone } from './phones.ts';

/** Two switches on one machine, each the other's trunk. */
const [onePort, otherPort] = await Promise.all([freePort(), freePort('127.0.0.2')]);
const trunkTo = (host: string, port: number) =>
  `[[trunk]]\nname = "other"\nhost = "${host}"\nport = ${port}\n`;
const [one, other] = await Promise.all([
  install({ port: onePort, toml: trunkTo('127.0.0.2', otherPort) }),
  install({ host: '127.0.0.2', port: otherPort, toml: trunkTo('127.0.0.1', onePort) }),
]);
t.teardown(() => Promise.all([one.stop(), other.stop()]));
t.jobs = 4;

const phone = (t: Ends, at: Installation, record = false, behaviour: PhoneBehaviour = {}) =>
  newPhone(t, at, { record, behaviour, listenHost: at === one ? '127.0.0.1' : '127.0.0.3' });

/**
 * Both speak until each has heard the other: from here on nothing that is said is lost.
 * A party may speak as soon as it has answered, and the switch hears of its answer a little later.
 */
async function hearEachOther(...calls: [PhoneCall, PhoneCall]): Promise<void> {
  const before = calls.map(({ media }) => media.receiver.count().received);
  const heard = calls.map(({ media }, at) => media.receiver.until((before[at] ?? 0) + 1));
  let isHeard = false;
  const both = Promise.all(heard).then(() => {
    isHeard = true;
  });
  for (let at = 0; !isHeard; at += 1)
    await Promise.all(calls.map((call, index) => call.speak(noise(`hello ${index} ${at}`).subarray(0, 800))));
  await both;
}

function recordingOf(at: Installation, dn: string): Promise<RecordingRow> {
  return at.until(`${dn} is recorded`, async () =>
    (await at.recordings(0)).find((row) => row.dn === dn || row.callee === dn),
  );
}

function filesOf(at: Installation, { path }: RecordingRow) {
  if (path === null) throw new Error('nothing is archived');
  const folder = join(at.config.paths.archive, path);
  const metadata: Metadata = JSON.parse(readFileSync(join(folder, 'metadata.json'), 'utf8'));
  const channels = readAllChannels(join(folder, 'audio.wav'));
  /** The channel of that party. */
  const channelOf = (number: string) => {
    const channel = metadata.parties.find((party) => party.number === number)?.channel;
    return channels[channel ?? -1] ?? new Int16Array();
  };
  return { metadata, channelOf };
}

/** Events of that type that name the number as a party of the call. */
function events<T extends JournalEvent['type']>(at: Installation, type: T, number: string) {
  const isOf = (event: JournalEvent): event is Extract<JournalEvent, { type: T }> => event.type === type;
  return eventsOf(at)
    .filter(isOf)
    .filter((event) => JSON.stringify(event).includes(`"number":"${number}"`));
}

function hasAudio(channel: Int16Array, spoken: Buffer): boolean {
  const wanted = toLinear(spoken);
  const at = findAudio(channel, wanted).offset ?? -1;
  // The ends of it may be in another segment.
  const middle = wanted.subarray(1600, wanted.length - 1600);
  return at >= 0 && middle.every((sample, index) => channel[at + 1600 + index] === sample);
}

t.test('rule 5, report 6: blind: the customer goes to another agent, and it is one recording', async (t) => {
  const [customer, agent, expert] = [await phone(t, one), await phone(t, one, true), await phone(t, one)];
  const [out, into] = await connect(customer, agent);
  await hearEachOther(out, into);
  const first = [noise('customer 1'), noise('agent')] as const;
  await Promise.all([out.speak(first[0]), into.speak(first[1])]);
  const { status, outcome } = await into.refer(`sip:${expert.number}@127.0.0.1`);
  t.equal(status, 202);
  const there = await expert.nextCall();
  t.equal(await outcome, 200);
  t.match(await into.ended, { by: 'remote' }, 'the switch ends the transferor’s leg');
  t.match(there.remoteUri, customer.number, 'the expert sees who calls');
  await hearEachOther(out, there);
  const second = [noise('customer 2'), noise('expert')] as const;
  await Promise.all([out.speak(second[0]), there.speak(second[1])]);
  await there.hangup();
  t.match(await out.ended, { by: 'remote' });
  await gone(one, customer.number);
  const row = await recordingOf(one, agent.number);
  t.equal(row.state, 'complete', row.reason ?? '');
  const { metadata, channelOf } = filesOf(one, row);
  t.equal(metadata.segments.length, 2);
  t.match(
    metadata.parties.map(({ number }) => number).sort(),
    [customer.number, agent.number, expert.number].sort(),
  );
  for (const [channel, spoken, what] of [
    [channelOf(agent.number), first[1], 'the agent'],
    [channelOf(expert.number), second[1], 'the expert, on a channel of its own'],
    [channelOf(customer.number), first[0], 'the customer'],
    [channelOf(customer.number), second[0], 'the customer afterwards'],
  ] as const)
    t.ok(hasAudio(channel, spoken), what);
  t.match(events(one, 'call.transferred', expert.number), [
    { how: 'blind', by: { number: agent.number }, to: { number: expert.number } },
  ]);
  t.same((await one.recordings(0)).filter(({ callee }) => callee === expert.number).length, 0);
});

t.test('blind, to one who refuses: the call goes on as it was', async (t) => {
  const [customer, agent] = [await phone(t, one), await phone(t, one, true)];
  const busy = await phone(t, one, false, { refuseWith: 486 });
  const [out, into] = await connect(customer, agent);
  const { status, outcome } = await into.refer(`sip:${busy.number}@127.0.0.1`);
  t.same([status, await outcome], [202, 486]);
  await hearEachOther(out, into);
  const said = noise('still here');
  await into.speak(said);
  await into.hangup();
  await out.ended;
  await gone(one, customer.number);
  const { channelOf, metadata } = filesOf(one, await recordingOf(one, agent.number));
  t.ok(hasAudio(channelOf(agent.number), said));
  t.equal(metadata.segments.length, 1);
});

t.test(
  'rule 5, report 6: attended: both calls recorded; the customer’s recording goes on with the expert',
  async (t) => {
    const [customer, agent, expert] = [
      await phone(t, one),
      await phone(t, one, true),
      await phone(t, one, true),
    ];
    const [out, into] = await connect(customer, agent);
    t.equal(await into.hold(), 200);
    const [consulting, there] = await connect(agent, expert);
    const { status, outcome } = await into.refer(`sip:${expert.number}@127.0.0.1`, consulting);
    t.equal(status, 202);
    t.equal(await outcome, 200);
    await Promise.all([into.ended, consulting.ended]);
    await hearEachOther(out, there);
    const said = [noise('attended customer'), noise('attended expert')] as const;
    await Promise.all([out.speak(said[0]), there.speak(said[1])]);
    await out.hangup();
    await there.ended;
    await gone(one, customer.number);
    const row = await one.until('both calls are one recording', async () =>
      (await one.recordings(0)).find(({ callee }) => callee === agent.number),
    );
    const { channelOf, metadata } = filesOf(one, row);
    t.ok(hasAudio(channelOf(expert.number), said[1]), 'the expert');
    t.ok(hasAudio(channelOf(customer.number), said[0]), 'the customer');
    t.equal(metadata.joined?.length, 1, 'the consultation is part of it');
    t.same(
      (await one.recordings(0)).filter(({ callee }) => callee === expert.number),
      [],
    );
    t.match(events(one, 'call.transferred', expert.number), [{ how: 'attended', consultation: /./ }]);
  },
);

t.test('an INVITE with Replaces takes the place of a party', async (t) => {
  const [customer, agent, colleague] = [await phone(t, one), await phone(t, one, true), await phone(t, one)];
  const [out, into] = await connect(customer, agent);
  const { replaces } = into;
  const taken = await colleague.call(agent.number, { replaces: replaces ?? '', require: 'replaces' });
  t.match(await taken.outcome, { answered: true });
  t.match(await into.ended, { by: 'remote' });
  const said = noise('colleague');
  await hearEachOther(out, taken);
  await taken.speak(said);
  await out.hangup();
  await taken.ended;
  await gone(one, customer.number);
  t.ok(hasAudio(filesOf(one, await recordingOf(one, agent.number)).channelOf(colleague.number), said));
  const lost = await colleague.call(agent.number, { replaces: 'nothing;to-tag=1;from-tag=2' });
  t.match(await lost.outcome, { answered: false, status: 481 });
});

t.test('a conversation across two switches, transferred once, keeps its one Session-ID', async (t) => {
  const customer = await phone(t, one);
  const agent = await phone(t, other, true);
  const expert = await phone(t, one, false);
  const [out, into] = await connect(customer, agent);
  await Promise.all([out.speak(noise('far 1')), into.speak(noise('far 2'))]);
  const { outcome } = await into.refer(`sip:${expert.number}@127.0.0.2`);
  const there = await expert.nextCall();
  t.equal(await outcome, 200);
  await hearEachOther(out, there);
  const said = [noise('near 1'), noise('near 2')] as const;
  await Promise.all([out.speak(said[0]), there.speak(said[1])]);
  await out.hangup();
  await there.ended;
  await Promise.all([gone(one, customer.number), gone(other, customer.number)]);
  const created = [
    ...events(one, 'call.created', customer.number),
    ...events(other, 'call.created', customer.number),
  ];
  const ids = new Set(created.map(({ sessionId }) => sessionId));
  t.equal(created.length, 3, 'out to the other switch, there, and back');
  t.equal(ids.size, 1, [...ids].join());
  const row = await recordingOf(other, agent.number);
  t.equal(row.sessionId, [...ids][0]);
  t.ok(
    hasAudio(filesOf(other, row).channelOf(expert.number), said[1]),
    'the recording goes on where it is made',
  );
});
