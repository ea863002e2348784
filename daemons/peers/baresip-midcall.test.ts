// baresip in mid-call: recorded on request while it talks, on hold while direct and while anchored, its codec changed by the other party.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { type Baresip, noBaresip, startBaresip } from './baresip.ts';
import { install, readChannels } from './installation.ts';
import { audioIn, openParty } from './party.ts';
import { relayed } from './relayed.ts';
import { millisecondsOf, newTones } from './tones.ts';

const AGENT_HZ = 440;
const CUSTOMER_HZ = 1000;

const installation = await install();
t.teardown(() => installation.stop());
const tones = newTones();
t.teardown(() => tones.remove());
const agentFile = tones.write('agent', AGENT_HZ);
const customerFile = tones.write('customer', CUSTOMER_HZ);
t.jobs = 2;
const options = { skip: noBaresip, timeout: 60_000 };

interface Shown {
  held: string[];
  anchored: boolean;
  recording: string;
  recordingState: string;
}

let numbers = 7700;

async function newBaresip(
  t: Test,
  source: string,
  more: { transport?: 'tcp'; record?: boolean; codecs?: string } = {},
): Promise<Baresip & { number: string }> {
  const number = `${numbers++}`;
  const { record = false, transport = 'udp', ...rest } = more;
  await installation.addDn(number, `secret-${number}`, { record });
  const account = { number, password: `secret-${number}`, registrar: installation.sip };
  const baresip = await startBaresip({ ...account, ...rest, transport, source });
  t.teardown(() => baresip.quit());
  await installation.registered(number);
  return { ...baresip, number };
}

/** Says what each of the three has to say when nothing comes of the call. */
async function bothEstablished(...phones: Baresip[]): Promise<void> {
  try {
    await Promise.all(phones.map((phone) => phone.event('CALL_ESTABLISHED')));
  } catch (thrown) {
    const said = [...phones.map((phone) => phone.output()), installation.log.slice(-20).join('\n')];
    throw new Error(`${String(thrown)}\n${said.join('\n---\n')}`);
  }
}

const request = (dn: string, operation: string) =>
  installation.ask<Shown>('grec-sipd', 'POST', `/calls/${dn}/recording`, { operation });

/** Resolves when the DN's call is held by these, and by nobody else. */
async function held(dn: string, by: string[]): Promise<void> {
  await installation.until(`the call of ${dn} is held by ${by.join(' and ') || 'nobody'}`, async () => {
    const { calls } = await installation.ask<{ calls: Shown[] }>('grec-sipd', 'GET', `/calls?dn=${dn}`);
    return calls[0]?.held.join() === by.join() ? true : undefined;
  });
}

async function recorded(which: (row: RecordingRow) => boolean) {
  const row = await installation.until('the call is listed', async () =>
    (await installation.recordings(0)).find(which),
  );
  if (row.path === null) throw new Error(`not archived: ${row.reason}`);
  const [left, right] = readChannels(join(installation.config.paths.archive, row.path, 'audio.wav'));
  return { row, left, right };
}

t.test('recorded on request, and held, by turns', options, async (t) => {
  const agent = await newBaresip(t, agentFile, { transport: 'tcp' });
  const customer = await newBaresip(t, customerFile);
  customer.dial(agent.number);
  await bothEstablished(agent, customer);
  const { recording, ...started } = await request(agent.number, 'start');
  t.match(started, { anchored: true, recordingState: 'recording' });
  await relayed(installation, agent.number, 50);
  t.match(await request(agent.number, 'pause'), { recordingState: 'paused' });
  await relayed(installation, agent.number, 50);
  t.match(await request(agent.number, 'resume'), { recordingState: 'recording' });
  await relayed(installation, agent.number, 50);
  t.match(await request(agent.number, 'stop'), { anchored: false, recordingState: 'stopped' });

  agent.hold();
  await held(agent.number, [agent.number]);
  t.pass('held while direct');
  const again = await request(agent.number, 'start');
  t.match(again, { anchored: true, recordingState: 'recording', held: [agent.number] });
  agent.retrieve();
  await held(agent.number, []);
  await relayed(installation, agent.number, 50);
  customer.hold();
  await held(agent.number, [customer.number]);
  t.pass('held while anchored');
  customer.retrieve();
  await held(agent.number, []);
  await relayed(installation, agent.number, 50);
  agent.hangUp();
  await customer.event('CALL_CLOSED');

  const { row, left, right } = await recorded(({ id }) => id === recording);
  t.equal(row.state, 'complete');
  const [agentMs, customerMs] = [millisecondsOf(AGENT_HZ, left), millisecondsOf(CUSTOMER_HZ, right)];
  t.ok(agentMs > 3000 && customerMs > 3000, `${agentMs} ms of the agent, ${customerMs} ms of the customer`);
  t.ok(left.length / 8 - agentMs > 800, 'none of the pause');
  t.equal(millisecondsOf(CUSTOMER_HZ, left) + millisecondsOf(AGENT_HZ, right), 0, 'each on its own side');
  const rows = await installation.recordings(0);
  t.notOk(
    rows.some(({ id }) => id === again.recording),
    'what was recorded after the stop is part of the same recording',
  );
});

t.test('PCMU becomes PCMA in mid-call', options, async (t) => {
  const agent = await newBaresip(t, agentFile, { record: true, codecs: 'pcmu/8000/1,pcma/8000/1' });
  const caller = await openParty(installation, `${numbers++}`);
  t.teardown(() => caller.close());
  const { response, dialog } = await caller.call(agent.number);
  const offer = (payloadType: number) => [
    'c=IN IP4 127.0.0.1',
    `m=audio ${caller.media.rtpPort} RTP/AVP ${payloadType}`,
  ];
  t.equal(response.status, 200);
  t.match(audioIn(response), { formats: '0' });
  await caller.media.receiver.until(50);
  const again = await dialog?.reinvite({ body: caller.sdp(offer(8)) });
  again?.ack();
  t.equal(again?.response.status, 200);
  if (again !== undefined) t.match(audioIn(again.response), { formats: '8' });
  const before = caller.media.receiver.count().received;
  await caller.media.receiver.until(before + 50);
  await dialog?.bye();
  const { row, left } = await recorded(({ dn }) => dn === agent.number);
  t.equal(row.state, 'complete', row.reason ?? '');
  t.ok(millisecondsOf(AGENT_HZ, left) > 1800, `${millisecondsOf(AGENT_HZ, left)} ms of both codecs`);
});

t.test('PCMU becomes G.722 in mid-call: both are in the recording', options, async (t) => {
  const agent = await newBaresip(t, agentFile, { record: true, codecs: 'pcmu/8000/1,g722/16000/1' });
  const caller = await openParty(installation, `${numbers++}`);
  t.teardown(() => caller.close());
  const { response, dialog } = await caller.call(agent.number);
  t.match(audioIn(response), { formats: '0' });
  await caller.media.receiver.until(50);
  const again = await dialog?.reinvite({
    body: caller.sdp(['c=IN IP4 127.0.0.1', `m=audio ${caller.media.rtpPort} RTP/AVP 9`]),
  });
  again?.ack();
  if (again !== undefined) t.match(audioIn(again.response), { formats: '9' });
  const before = caller.media.receiver.count().received;
  await caller.media.receiver.until(before + 50);
  await dialog?.bye();
  const { row, left } = await recorded(({ dn }) => dn === agent.number);
  t.equal(row.state, 'complete', row.reason ?? '');
  const heard = millisecondsOf(AGENT_HZ, left);
  t.ok(heard > 1800, `${heard} ms of both codecs`);
});
