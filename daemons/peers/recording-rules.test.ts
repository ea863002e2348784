// What [recording] says of recordings, with real daemons and phones: keys and the consent tone are heard, and in no recording.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCapture } from '../../src/spool/capture-file.ts';
import type { CapturedPacket } from '../../src/spool/pcap-reader.ts';
import { CAPTURE_FILE, FACTS_FILE } from '../../src/spool/segment.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { buildRtpPacket, readRtpPacket } from '../../src/testing/packets.ts';
import type { PhoneCall } from '../../src/testing/phone.ts';
import { buildWav, chirp } from '../../src/testing/wav.ts';
import { install, readChannels } from './installation.ts';
import { noise } from './noise.ts';
import { openParty } from './party.ts';
import { connect, newPhone } from './phones.ts';

/** As the test phones bind it. */
const EVENT_TYPE = 101;
const KEYS = 12;

/** Of the tone: 600 ms. */
const { pcm, mulaw } = chirp(4800);
const SILENCE = 0xff;

const installation = await install({
  toml: '[recording]\ndtmf = "drop"\n[recording.consent-tone]\nfile = "tone.wav"\nparties = "customer"',
  prepare: (directory) => writeFileSync(join(directory, 'tone.wav'), buildWav({ data: pcm })),
});
t.teardown(() => installation.stop());
t.jobs = 3;

/** The key `7`, as packets of 20 ms (RFC 4733 section 2.5). */
function press({ media }: PhoneCall): void {
  for (let index = 0; index < KEYS; index += 1)
    media.sendPacket(
      buildRtpPacket({
        payloadType: EVENT_TYPE,
        sequenceNumber: index,
        timestamp: 8000,
        ssrc: 0x77,
        marker: index === 0,
        payload: Buffer.from([7, index < KEYS - 3 ? 10 : 0x8a, 0, index * 16]),
      }),
    );
}

const eventsIn = (packets: Iterable<{ payloadType: number } | undefined>) =>
  [...packets].filter((packet) => packet?.payloadType === EVENT_TYPE).length;

/** The capture of a call whose agent this is, once it holds so many packets. */
async function captured(agent: string, packets: number): Promise<CapturedPacket[]> {
  const { spool } = installation.config.paths;
  return installation.until(`${packets} packets of ${agent} are captured`, async () => {
    const id = readdirSync(spool).find((name) =>
      readFileSync(join(spool, name, FACTS_FILE), 'utf8').includes(`"number":"${agent}"`),
    );
    if (id === undefined) return undefined;
    const found = [...openCapture(join(spool, id, CAPTURE_FILE))];
    return found.length < packets ? undefined : found;
  });
}

/** All that a party heard but silence, as it came: on a busy machine a part of the tone comes before the voice does. */
const soundsFor = ({ media }: PhoneCall): Buffer =>
  Buffer.concat(
    media.receiver.streams
      .flatMap(({ packets }) => packets)
      .sort((one, other) => one.arrivedAt - other.arrivedAt)
      .map(({ payload }) => payload)
      .filter((payload) => payload.some((byte) => byte !== SILENCE)),
  );

async function recordedCall(t: Test) {
  const caller = await newPhone(t, installation);
  const agent = await newPhone(t, installation, { record: true });
  const [out, into] = await connect(caller, agent);
  const ended = async () => {
    await out.hangup();
    const row = await installation.until(`the call of ${agent.number} is listed`, async () =>
      (await installation.recordings(0)).find(({ dn }) => dn === agent.number),
    );
    const folder = join(installation.config.paths.archive, row.path ?? 'missing');
    const [left, right] = readChannels(join(folder, 'audio.wav'));
    return { row, left, right, metadata: readFileSync(join(folder, 'metadata.json'), 'utf8') };
  };
  return { out, into, agent, ended };
}

t.test(
  'report 12: a key is heard by the other party, and stands in no capture',
  { timeout: 60_000 },
  async (t) => {
    const { out, into, agent, ended } = await recordedCall(t);
    const [a, b] = [noise('caller of keys', 2), noise('agent of keys', 2)];
    const spoken = Promise.all([out.speak(a), into.speak(b)]);
    await into.media.receiver.until(20);
    press(out);
    await spoken;
    await Promise.all([into.media.receiver.until(100 + KEYS), out.media.receiver.until(100)]);
    t.equal(eventsIn(into.media.receiver.streams.flatMap(({ packets }) => packets)), KEYS);
    const packets = await captured(agent.number, 200);
    t.equal(eventsIn(packets.map(({ payload }) => readRtpPacket(payload))), 0);
    t.equal(packets.length, 200, 'the voice of both, and nothing else');
    const { left, right, metadata } = await ended();
    t.match(findAudio(left, toLinear(b)), { exact: true });
    t.match(findAudio(right, toLinear(a)), { exact: true });
    t.match(JSON.parse(metadata).quality, [{ lost: 0 }, { lost: 0 }]);
  },
);

t.test('a key that is sent as INFO is kept nowhere', { timeout: 60_000 }, async (t) => {
  const caller = await openParty(installation, '7390');
  t.teardown(() => caller.close());
  const agent = await newPhone(t, installation, { record: true });
  const { dialog } = await caller.call(agent.number);
  const body = { type: 'application/dtmf-relay', bytes: 'Signal=7\r\nDuration=167\r\n' };
  await dialog?.request('INFO', { body });
  await dialog?.bye();
  await installation.until('the call is listed', async () =>
    (await installation.recordings(0)).find(({ dn }) => dn === agent.number),
  );
  const { state } = installation.config.paths;
  const files = readdirSync(state, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  t.ok(files.length > 10);
  for (const { parentPath, name } of files)
    t.notOk(readFileSync(join(parentPath, name)).includes('Signal='), name);
  t.notOk(installation.log.some((line) => line.includes('Signal=')));
});

t.test('the customer hears the tone, the recording has what was said', { timeout: 60_000 }, async (t) => {
  const { out, into, ended } = await recordedCall(t);
  const said = noise('customer of the tone', 2);
  await Promise.all([out.speak(said), into.speak(Buffer.alloc(said.length, SILENCE))]);
  await Promise.all([into.media.receiver.until(100), out.media.receiver.until(100)]);
  await installation.until('the whole tone', async () => soundsFor(out).length >= mulaw.length || undefined);
  t.same(soundsFor(out), mulaw, 'once, and nothing else');
  t.match(findAudio(into.media.receiver.audio(), toLinear(said)), { exact: true }, 'not the agent');
  const { left, right } = await ended();
  t.ok(
    left.every((sample) => sample === 0),
    'the agent said nothing',
  );
  t.match(findAudio(right, toLinear(said)), { exact: true });
});

t.test(
  'a tone that cannot be read again leaves the one there is in force',
  { timeout: 60_000 },
  async (t) => {
    const { ask, configFile } = installation;
    const before = readFileSync(configFile, 'utf8');
    t.teardown(() => writeFileSync(configFile, before));
    writeFileSync(configFile, before.replace('tone.wav', 'none.wav'));
    const { pid } = await ask<{ pid: number }>('grec-mediad', 'GET', '/status');
    process.kill(pid, 'SIGHUP');
    await installation.logged(/reload failed: .*consent-tone\.file: cannot read the sound .*none\.wav/);
  },
);
