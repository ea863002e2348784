// A Kamailio that takes grec-mediad for its rtpengine: calls pass, their media both ways, and they are recorded without a switch of ours.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { buildWav, chirp } from '../../src/testing/wav.ts';
import { freePort, install, readChannels } from './installation.ts';
import { noKamailio, startKamailio } from './kamailio.ts';
import { noise } from './noise.ts';
import { noSipp, runSipp } from './sipp.ts';

const [CALLER, CALLEE, PROXY] = ['127.0.0.31', '127.0.0.32', '127.0.0.33'] as const;
const FLAGS =
  'trust-address replace-origin replace-session-connection ICE=remove rtcp-mux-demux via-branch=auto';
/** Of audio, each way; and how long the call goes on after it, for a sipp that a busy machine keeps waiting. */
const SECONDS = 2;
const TAIL_MS = 2500;
const PACKETS_A_SECOND = 50;
const options = { skip: noKamailio || noSipp, timeout: 60_000 };

const installation = await install();
t.teardown(() => installation.stop());
const directory = mkdtempSync(join(tmpdir(), 'grec-kamailio-calls-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

const SOUND = join(directory, 'sound.wav');
const SOUND_MS = 120;
writeFileSync(SOUND, buildWav({ data: chirp(SOUND_MS * 8).pcm }));

async function newProxy(t: Test, callee: number, offer = '') {
  const { host, port } = installation.config.mediad.ng;
  const sound = { sound: SOUND, duration: `${SOUND_MS}` };
  const words = { callee: `${CALLEE}:${callee}`, ng: `${host}:${port}`, flags: FLAGS, offer, ...sound };
  const kamailio = await startKamailio({ configuration: 'rtpengine', host: PROXY, words });
  t.teardown(() => kamailio.stop());
  return kamailio;
}

function audioFile(name: string, seconds: number) {
  const bytes = noise(name, seconds);
  const file = join(directory, `${name}.ulaw`);
  writeFileSync(file, bytes);
  return { file, linear: toLinear(bytes) };
}

interface MediaStatus {
  calls: number;
  media: { portsUsed: number };
  packets: { relayed: number; recorded: number; played: number };
  ng: { invalid: number; errors: number };
}

const status = () => installation.ask<MediaStatus>('grec-mediad', 'GET', '/status');

t.test('calls through Kamailio are relayed, recorded and listed with their parties', options, async (t) => {
  const calls = 3;
  const local = { host: CALLEE, port: await freePort(CALLEE) };
  const proxy = await newProxy(
    t,
    local.port,
    'codec-strip-all codec-offer-PCMU direction=internal direction=external',
  );
  const [a, b] = [audioFile('caller', SECONDS), audioFile('callee', SECONDS)];
  const common = { remote: proxy, calls, rate: 10, timeoutS: 30 };
  const callee = runSipp({ ...common, scenario: 'uas', local, words: { audio: b.file } });
  const caller = runSipp({
    ...common,
    scenario: 'uac',
    local: { host: CALLER, port: await freePort(CALLER) },
    words: { audio: a.file, number: '7001', caller: '+4930123', ms: `${SECONDS * 1000 + TAIL_MS}` },
  });
  t.match(await Promise.all([caller.result, callee.result]), [{ code: 0 }, { code: 0 }]);
  const rows = await installation.recordings(calls);
  t.equal(rows.length, calls);
  for (const row of rows) {
    t.match(row, { state: 'complete', caller: '+4930123', callee: '7001' });
    const folder = join(installation.config.paths.archive, row.path ?? 'missing');
    const [left, right] = readChannels(join(folder, 'audio.wav'));
    t.match(findAudio(left, b.linear), { exact: true }, 'left is the agent, whom Kamailio named');
    t.match(findAudio(right, a.linear), { exact: true }, 'right is the other one');
    const { segments } = JSON.parse(readFileSync(join(folder, 'metadata.json'), 'utf8'));
    t.match(segments, [{ ngCallId: /@127\.0\.0\.31$/, reason: 'deleted' }]);
  }
  const { calls: left, media, packets } = await status();
  t.match({ left, media }, { left: 0, media: { portsUsed: 0 } });
  t.equal(packets.relayed, calls * 2 * SECONDS * PACKETS_A_SECOND, 'each packet went on to the other party');
});

for (const [what, from, to] of [
  ['held and retrieved', 'uac-hold', 'uas-held'],
  ['given up while it rings', 'uac-cancel', 'uas-cancelled'],
  ['asked about, blocked and unblocked, no longer recorded, and played to', 'uac-media', 'uas'],
] as const)
  t.test(`a call that is ${what} passes through Kamailio, and leaves no ports behind`, options, async (t) => {
    const local = { host: CALLEE, port: await freePort(CALLEE) };
    const proxy = await newProxy(t, local.port);
    const common = { remote: proxy, calls: 2, rate: 10, timeoutS: 30 };
    const words = { audio: audioFile('silence', 1).file, number: '7001', caller: '+4930123' };
    const { played: before } = (await status()).packets;
    const callee = runSipp({ ...common, scenario: to, local, words });
    const caller = runSipp({
      ...common,
      scenario: from,
      local: { host: CALLER, port: await freePort(CALLER) },
      words,
    });
    t.match(await Promise.all([caller.result, callee.result]), [{ code: 0 }, { code: 0 }]);
    const after = await status();
    t.match(after, { calls: 0, media: { portsUsed: 0 }, ng: { invalid: 0, errors: 0 } });
    t.equal(after.packets.played > before, from === 'uac-media', 'a sound is played where one was asked for');
  });
