// SRTP with real telephones: baresip and linphone, to each other and to telephones that speak plain RTP, recorded in clear.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import type { SrtpWord } from '../../src/dn-settings.ts';
import { type Baresip, type BaresipOptions, noBaresip, startBaresip } from './baresip.ts';
import { install, readChannels } from './installation.ts';
import { noLinphone, startLinphone } from './linphone.ts';
import { audioIn, openParty } from './party.ts';
import { relayed } from './relayed.ts';
import { millisecondsOf, newTones } from './tones.ts';

const AGENT_HZ = 440;
const CUSTOMER_HZ = 1000;

const installation = await install({ tls: true });
t.teardown(() => installation.stop());
const tones = newTones();
t.teardown(() => tones.remove());
const agentFile = tones.write('agent', AGENT_HZ);
const customerFile = tones.write('customer', CUSTOMER_HZ);
t.jobs = 3;
const options = { skip: noBaresip, timeout: 60_000 };

interface Shown {
  anchored: boolean;
  recording: string;
  recordingState: string;
}

let numbers = 7900;

/** On TLS, as whoever gives keys away should be. */
async function newBaresip(
  t: Test,
  source: string,
  srtp: BaresipOptions['srtp'],
  settings: { record?: boolean; srtp?: SrtpWord } = {},
): Promise<Baresip & { number: string }> {
  const number = `${numbers++}`;
  await installation.addDn(number, `secret-${number}`, settings);
  const { tls, sip, configFile } = installation;
  const baresip = await startBaresip({
    number,
    password: `secret-${number}`,
    registrar: { ...sip, port: tls.port },
    transport: 'tls',
    authority: join(configFile, '..', 'ca.pem'),
    source,
    ...(srtp === undefined ? {} : { srtp }),
  });
  t.teardown(() => baresip.quit());
  await installation.registered(number);
  return { ...baresip, number };
}

const request = (dn: string, operation: string) =>
  installation.ask<Shown>('grec-sipd', 'POST', `/calls/${dn}/recording`, { operation });

async function recorded(which: (row: RecordingRow) => boolean) {
  const row = await installation.until('the call is listed', async () =>
    (await installation.recordings(0)).find(which),
  );
  if (row.path === null) throw new Error(`not archived: ${row.reason}`);
  const [left, right] = readChannels(join(installation.config.paths.archive, row.path, 'audio.wav'));
  return { row, left, right };
}

/** Each party on its own channel, for a second at least, and no noise that was not deciphered. */
function heard(t: Test, { left, right }: { left: Int16Array; right: Int16Array }): void {
  const [agent, customer] = [millisecondsOf(AGENT_HZ, left), millisecondsOf(CUSTOMER_HZ, right)];
  t.ok(agent > 800, `${agent} ms of the agent`);
  t.ok(customer > 800, `${customer} ms of the customer`);
  t.equal(millisecondsOf(CUSTOMER_HZ, left) + millisecondsOf(AGENT_HZ, right), 0, 'on its own side');
}

async function talk(from: Baresip, to: Baresip & { number: string }): Promise<void> {
  from.dial(to.number);
  await Promise.all([from.event('CALL_ESTABLISHED'), to.event('CALL_ESTABLISHED')]);
  await relayed(installation, to.number, 100);
}

t.test('SRTP to SRTP, full-time recorded', options, async (t) => {
  const agent = await newBaresip(t, agentFile, 'srtp-mand', { record: true });
  const customer = await newBaresip(t, customerFile, 'srtp-mand');
  await talk(customer, agent);
  agent.hangUp();
  await customer.event('CALL_CLOSED');
  heard(t, await recorded(({ dn }) => dn === agent.number));
  t.notMatch(installation.log.join('\n'), /inline:/, 'no key is in a log');
});

t.test('SRTP to the agent, plain RTP to the customer, either calling', options, async (t) => {
  const agent = await newBaresip(t, agentFile, 'srtp-mand', { record: true, srtp: 'require' });
  const customer = await newBaresip(t, customerFile, undefined, { srtp: 'off' });
  await talk(customer, agent);
  customer.hangUp();
  await agent.event('CALL_CLOSED');
  const first = await recorded(({ dn }) => dn === agent.number);
  heard(t, first);
  await talk(agent, customer);
  agent.hangUp();
  await customer.event('CALL_CLOSED');
  heard(t, await recorded(({ dn, id }) => dn === agent.number && id !== first.row.id));
});

t.test('plain RTP with keys, which leaves the choice', options, async (t) => {
  const agent = await newBaresip(t, agentFile, 'srtp', { record: true, srtp: 'offer' });
  const customer = await newBaresip(t, customerFile, undefined);
  await talk(customer, agent);
  t.match(agent.output(), /SRTP is Enabled \(cryptosuite=AEAD_AES_256_GCM\)/, 'it has taken them');
  t.notMatch(customer.output(), /SRTP is Enabled/);
  agent.hangUp();
  await customer.event('CALL_CLOSED');
  heard(t, await recorded(({ dn }) => dn === agent.number));
});

t.test('SRTP between the two, then recorded on request and held', options, async (t) => {
  const agent = await newBaresip(t, agentFile, 'srtp-mand');
  const customer = await newBaresip(t, customerFile, 'srtp-mand');
  customer.dial(agent.number);
  await Promise.all([agent.event('CALL_ESTABLISHED'), customer.event('CALL_ESTABLISHED')]);
  const { recording, ...started } = await request(agent.number, 'start');
  t.match(started, { anchored: true, recordingState: 'recording' });
  await relayed(installation, agent.number, 60);
  customer.hold();
  await installation.until('the call is held', async () => {
    const { calls } = await installation.ask<{ calls: { held: string[] }[] }>(
      'grec-sipd',
      'GET',
      `/calls?dn=${agent.number}`,
    );
    return calls[0]?.held.length === 1 ? true : undefined;
  });
  customer.retrieve();
  await relayed(installation, agent.number, 60);
  t.match(
    await request(agent.number, 'stop'),
    { anchored: true, recordingState: 'stopped' },
    'who has keys with the media server keeps them',
  );
  await relayed(installation, agent.number, 20);
  agent.hangUp();
  await customer.event('CALL_CLOSED');
  heard(t, await recorded(({ id }) => id === recording));
});

t.test(
  'linphone with SRTP calls a telephone with plain RTP',
  { ...options, skip: noLinphone || noBaresip },
  async (t) => {
    const agent = await newBaresip(t, agentFile, undefined, { record: true, srtp: 'off' });
    const number = `${numbers++}`;
    await installation.addDn(number, `secret-${number}`, { srtp: 'require' });
    const account = { number, password: `secret-${number}`, registrar: installation.sip };
    const linphone = await startLinphone({ ...account, transport: 'tcp', source: customerFile, srtp: true });
    t.teardown(() => linphone.quit());
    await installation.registered(number);
    linphone.say(`call ${agent.number}`);
    await Promise.all([agent.event('CALL_ESTABLISHED'), linphone.speaks()]);
    await relayed(installation, agent.number, 100);
    agent.hangUp();
    heard(t, await recorded(({ dn }) => dn === agent.number));
    const line = await installation.logged(new RegExp(`(?=.*srtp-keys-in-clear).*${number}`));
    t.match(line, /"protocol":"tcp"/, 'its keys went by TCP, and that is told');
  },
);

t.test('where SRTP is required, plain RTP is refused', options, async (t) => {
  const agent = await newBaresip(t, agentFile, 'srtp-mand');
  const number = `${numbers++}`;
  const party = await openParty(installation, number);
  t.teardown(() => party.close());
  await installation.ask('grec-sipd', 'PUT', `/dns/${number}`, { settings: { srtp: 'require' } });
  t.match(await party.call(agent.number), { response: { status: 488 } });
  await installation.ask('grec-sipd', 'PUT', `/dns/${number}`, { settings: { srtp: 'off' } });
  const { response, dialog } = await party.call(agent.number);
  t.equal(
    response.status,
    488,
    'a telephone that takes SRTP alone refuses, as long as nothing is said of it',
  );
  await installation.ask('grec-sipd', 'PUT', `/dns/${agent.number}`, { settings: { srtp: 'require' } });
  const secured = await party.call(agent.number);
  t.equal(secured.response.status, 200, 'the media server stands between');
  t.ok(audioIn(secured.response).port > 0);
  await party.media.receiver.until(20);
  await secured.dialog?.bye();
  await dialog?.bye();
});
