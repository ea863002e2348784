// linphone as phone: registers over UDP and TCP, calls and is called, holds, and is moved to the media server and back in mid-call.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { install, readChannels } from './installation.ts';
import { type Linphone, noLinphone, startLinphone } from './linphone.ts';
import { hear, newPhone } from './phones.ts';
import { relayed } from './relayed.ts';
import { millisecondsOf, newTones } from './tones.ts';

const LINPHONE_HZ = 440;
const OTHER_HZ = 1000;

const installation = await install();
t.teardown(() => installation.stop());
const tones = newTones();
t.teardown(() => tones.remove());
const source = tones.write('linphone', LINPHONE_HZ);
t.jobs = 3;
const options = { skip: noLinphone, timeout: 60_000 };

let numbers = 7500;

async function newLinphone(
  t: Test,
  transport: 'udp' | 'tcp',
  record: boolean,
  file = source,
  at = installation,
): Promise<Linphone & { number: string }> {
  const number = `${numbers++}`;
  await at.addDn(number, `secret-${number}`, { record });
  const account = { number, password: `secret-${number}`, registrar: at.sip };
  const linphone = await startLinphone({ ...account, transport, source: file });
  t.teardown(() => linphone.quit());
  await at.registered(number);
  return { ...linphone, number };
}

interface Shown {
  held: string[];
  anchored: boolean;
  recording: string;
  recordingState: string;
}

async function callOf(dn: string): Promise<Shown | undefined> {
  const { calls } = await installation.ask<{ calls: Shown[] }>('grec-sipd', 'GET', `/calls?dn=${dn}`);
  return calls[0];
}

const request = (dn: string, operation: string) =>
  installation.ask<Shown>('grec-sipd', 'POST', `/calls/${dn}/recording`, { operation });

async function channelsOf(id: string): Promise<{ row: RecordingRow; left: Int16Array; right: Int16Array }> {
  const row = await installation.until(`${id} is listed`, async () =>
    (await installation.recordings(0)).find((one) => one.id === id),
  );
  if (row.path === null) throw new Error(`not archived: ${row.reason}`);
  const [left, right] = readChannels(join(installation.config.paths.archive, row.path, 'audio.wav'));
  return { row, left, right };
}

/** Block by block, for the phase of a tone is lost when a call is held. */
function spoke(t: Test, channel: Int16Array, hz: number, other: number): void {
  t.ok(millisecondsOf(hz, channel) > 1500, `${millisecondsOf(hz, channel)} ms of ${hz} Hz`);
  t.ok(millisecondsOf(other, channel) < 50, `${millisecondsOf(other, channel)} ms of ${other} Hz`);
}

t.test('over UDP: called by another linphone over TCP, held by it, recorded', options, async (t) => {
  const agent = await newLinphone(t, 'udp', true);
  const customer = await newLinphone(t, 'tcp', false, tones.write('other', OTHER_HZ));
  customer.say(`call ${agent.number}`);
  await Promise.all([agent.speaks(), customer.speaks()]);
  await relayed(installation, agent.number, 50);
  customer.say('pause');
  await Promise.all([customer.prints(/is now paused/), agent.prints(/has been paused by/)]);
  t.match(await callOf(agent.number), { held: [customer.number] });
  customer.say('resume');
  await Promise.all([agent.speaks(), customer.speaks()]);
  t.match(await callOf(agent.number), { held: [] });
  await relayed(installation, agent.number, 50);
  const recording = (await callOf(agent.number))?.recording ?? '';
  agent.say('terminate');
  await customer.prints(/ended/);
  const { row, left, right } = await channelsOf(recording);
  t.match(row, { state: 'complete', caller: customer.number, callee: agent.number });
  spoke(t, left, LINPHONE_HZ, OTHER_HZ);
  spoke(t, right, OTHER_HZ, LINPHONE_HZ);
});

for (const transport of ['udp', 'tcp'] as const)
  t.test(`over ${transport}: calls, and is recorded on request`, options, async (t) => {
    const linphone = await newLinphone(t, transport, false);
    const phone = await newPhone(t, installation);
    linphone.say(`call ${phone.number}`);
    const into = await phone.nextCall();
    await into.outcome;
    await linphone.speaks();
    await hear(into, 20);
    const { recording, ...started } = await request(linphone.number, 'start');
    t.match(started, { anchored: true, recordingState: 'recording' });
    await hear(into, 50);
    t.match(await request(linphone.number, 'pause'), { recordingState: 'paused' });
    await hear(into, 50);
    t.match(await request(linphone.number, 'resume'), { recordingState: 'recording' });
    await hear(into, 50);
    t.match(await request(linphone.number, 'stop'), { anchored: false, recordingState: 'stopped' });
    await hear(into, 20);
    t.equal(into.reinvites, 2, 'moved there and back');
    t.match(await request(linphone.number, 'start'), { anchored: true, recordingState: 'recording' });
    await hear(into, 20);
    await into.hangup();
    await linphone.prints(/ended/);
    const { row, left } = await channelsOf(recording);
    t.equal(row.state, 'complete');
    const spoken = millisecondsOf(LINPHONE_HZ, left);
    t.ok(spoken > 1500, `${spoken} ms of it are there`);
    t.ok(left.length / 8 - spoken > 800, 'and none of the pause');
  });

t.test('a digest of SHA-256 alone: registers, and calls', options, async (t) => {
  const strict = await install({ digest: ['SHA-256'] });
  t.teardown(() => strict.stop());
  const linphone = await newLinphone(t, 'udp', false, source, strict);
  const callee = await newPhone(t, strict);
  linphone.say(`call ${callee.number}`);
  const into = await callee.nextCall();
  t.match(await into.outcome, { answered: true });
  await linphone.speaks();
  await into.hangup();
  await linphone.prints(/ended/);
});
