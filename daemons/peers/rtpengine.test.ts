// The switch with real rtpengines as its media servers: calls pass, recordings are taken from where rtpengine leaves them, and one
// of two that dies costs no call.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { silentLogger } from '../../src/log.ts';
import { createNgClient } from '../../src/ng/client.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { createPhone, type Phone, type PhoneCall } from '../../src/testing/phone.ts';
import { freePort, install, readChannels } from './installation.ts';
import { noise } from './noise.ts';
import { noRtpengine, type RunningRtpengine, startRtpengine } from './rtpengine.ts';

if (noRtpengine) {
  t.plan(0, noRtpengine);
  process.exit();
}
const recordings = mkdtempSync(join(tmpdir(), 'grec-recordings-'));
t.teardown(() => rmSync(recordings, { recursive: true, force: true }));
const ports = [await freePort(), await freePort()];
/** Media ports of their own for each, beyond those of the tests that run beside this one. */
const firstMedia = 33_000 + (process.pid % 600) * 40;
const engines: RunningRtpengine[] = [];
for (const [index, port] of ports.entries()) {
  const first = firstMedia + index * 20;
  const format = index === 0 ? 'raw' : 'eth';
  const engine = await startRtpengine({ port, ports: { first, last: first + 19 }, format, recordings });
  t.teardown(() => engine.stop());
  engines.push(engine);
}
const servers = engines.map(({ address }) => `"${address} weight=1"`).join(', ');
const installation = await install({
  media: `engine = "rtpengine"\nserver = [${servers}]\nrecordings = "${recordings}"`,
});
t.teardown(() => installation.stop());

let numbers = 7800;

async function newPhone(t: Test, record = false): Promise<Phone> {
  const number = `${numbers++}`;
  await installation.addDn(number, `secret-${number}`, { record });
  const phone = await createPhone({
    number,
    password: `secret-${number}`,
    registrar: { ...installation.sip, protocol: 'udp' },
    listenHost: '127.0.0.1',
    log: silentLogger(),
  });
  t.teardown(() => phone.close());
  await phone.register();
  return phone;
}

async function connected(
  t: Test,
  record: boolean,
): Promise<{ agent: Phone; out: PhoneCall; into: PhoneCall }> {
  const [caller, agent] = [await newPhone(t), await newPhone(t, record)];
  const out = await caller.call(agent.number);
  const into = await agent.nextCall();
  await Promise.all([out.outcome, into.outcome]);
  return { agent, out, into };
}

const recordingOf = (dn: string) =>
  installation.until(`${dn} is listed`, async () =>
    (await installation.recordings(0)).find((row) => row.dn === dn),
  );

const channelsOf = ({ path }: RecordingRow) =>
  readChannels(join(installation.config.paths.archive, path ?? 'missing', 'audio.wav'));

const hear = ({ media: { receiver } }: PhoneCall, packets: number) =>
  receiver.until(receiver.count().received + packets);

/** They take turns, so that one of these calls is captured raw, and one with Ethernet headers. */
const recorded = async (t: Test) => {
  const { agent, out, into } = await connected(t, true);
  const sent = { out: noise(`${agent.number} out`), into: noise(`${agent.number} into`) };
  await Promise.all([out.speak(sent.out), into.speak(sent.into)]);
  await Promise.all([out, into].map(({ media }) => media.receiver.until(50)));
  await out.hangup();
  const row = await recordingOf(agent.number);
  t.match(row, { state: 'complete', callee: agent.number });
  const [left, right] = channelsOf(row);
  t.match(findAudio(left, toLinear(sent.into)), { exact: true }, 'left is the agent');
  t.match(findAudio(right, toLinear(sent.out)), { exact: true }, 'right is the other one');
};

const onRequest = async (t: Test) => {
  const { agent, out, into } = await connected(t, false);
  const request = (operation: string) =>
    installation.ask('grec-sipd', 'POST', `/calls/${agent.number}/recording`, {
      operation,
      reason: 'test',
      by: 'test',
    });
  const sent = noise(`${agent.number} agent`, 7);
  const spoken = Promise.all([out.speak(noise(`${agent.number} caller`, 7)), into.speak(sent)]);
  await hear(out, 20);
  t.match(await request('start'), { recordingState: 'recording', anchored: true });
  await hear(into, 50);
  t.match(await request('pause'), { recordingState: 'paused' });
  await hear(into, 60);
  t.match(await request('resume'), { recordingState: 'recording' });
  await hear(into, 50);
  t.match(await request('stop'), { recordingState: 'stopped', anchored: false });
  const row = await recordingOf(agent.number);
  t.equal(row.state, 'complete');
  await spoken;
  await out.hangup();
  const found = packetsIn(channelsOf(row)[0], sent);
  const gap = Math.max(...found.slice(1).map((index, at) => index - (found[at] ?? index)));
  t.ok(found.length >= 90, `${found.length} packets of the agent are in it`);
  t.ok(gap >= 50, `a gap of ${gap} packets where it was paused`);
};

t.test('calls through rtpengine', { timeout: 60_000 }, async (t) => {
  t.jobs = 3;
  t.test('recorded from the answer on', recorded);
  t.test('recorded from the answer on, at the other one', recorded);
  t.test('started, paused, resumed and stopped in a call that goes on', onRequest);
  t.end();
});

t.test('what was taken is gone', async (t) => {
  t.same(readdirSync(join(recordings, 'metadata')), []);
  t.same(readdirSync(join(recordings, 'pcaps')), []);
});

t.test(
  'an rtpengine dies: the call and its recording go on at the other one',
  { timeout: 60_000 },
  async (t) => {
    const { agent, out, into } = await connected(t, true);
    const sent = noise(`${agent.number} agent`, 6);
    const spoken = Promise.all([out.speak(noise(`${agent.number} caller`, 6)), into.speak(sent)]);
    await hear(out, 30);
    await engines[await whereIsMedia()]?.kill();
    await installation.until('the recording goes on', async () => {
      const { recordingState, anchored } = await installation.ask<{
        recordingState: string;
        anchored: boolean;
      }>('grec-sipd', 'GET', `/calls/${agent.number}`);
      return recordingState === 'recording' && anchored && out.reinvites > 0 ? true : undefined;
    });
    await hear(out, 100);
    await out.hangup();
    await spoken.catch(() => undefined);
    const row = await recordingOf(agent.number);
    t.match(row, { state: 'partial', reason: /may be missing/ });
    t.ok(packetsIn(channelsOf(row)[0], sent).length >= 90);
  },
);

/** The index of the rtpengine that has a call. */
async function whereIsMedia(): Promise<number> {
  for (const [anchoredAt, port] of ports.entries()) {
    const ng = await createNgClient({ host: '127.0.0.1', port, timeoutMs: 2000, log: silentLogger() });
    const { calls = [] } = await ng.request({ command: 'list', limit: 100 });
    await ng.close();
    if (calls.length > 0) return anchoredAt;
  }
  throw new Error('no rtpengine has the call');
}

/** Which packets of `sent` stand in the channel, by their index. */
function packetsIn(channel: Int16Array, sent: Uint8Array): number[] {
  const linear = toLinear(sent);
  const places = new Map<string, number>();
  for (let at = 0; at + 160 <= linear.length; at += 160)
    places.set(String(linear.subarray(at, at + 8)), at / 160);
  const found: number[] = [];
  for (let at = 0; at + 160 <= channel.length; at += 1) {
    const index = places.get(String(channel.subarray(at, at + 8)));
    if (index !== undefined) found.push(index);
  }
  return found;
}
