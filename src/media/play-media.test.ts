// ng `play media`: who hears a sound, who does not, in which law, and what is said when it cannot be.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ALAW_TO_LINEAR } from '../rtp/g711.ts';
import { findAudio } from '../testing/compare.ts';
import { toLinear } from '../testing/dialogue.ts';
import { readRtpPacket } from '../testing/packets.ts';
import { createRtpReceiver } from '../testing/rtp-receiver.ts';
import { numberedPacket, type UdpParty } from '../testing/udp-party.ts';
import { buildWav, chirp } from '../testing/wav.ts';
import {
  connect,
  metadata,
  onlySegment,
  openParty,
  payloads,
  sentBy,
  settled,
  startCall,
  startServer,
} from './fixtures/bench.ts';
import { testedEngines } from './fixtures/engines.ts';
import { startSecureCall } from './fixtures/secure-party.ts';
import { startWorkerEngine } from './io/worker-engine.ts';

const SAMPLES = 960;
const PACKETS = SAMPLES / 160;
const { pcm, mulaw } = chirp(SAMPLES);
const wav = buildWav({ data: pcm });
const call = { 'call-id': 'call-1' };

function heardBy({ rtp }: Pick<UdpParty, 'rtp'>): Int16Array {
  const receiver = createRtpReceiver();
  for (const bytes of rtp) receiver.receive(bytes);
  return receiver.audio();
}

const engines = await testedEngines();
const all = [...engines, { name: 'relay workers', engine: startWorkerEngine }];
for (const { name, engine } of all)
  t.test(`${name}: one party hears the sound, the other one nothing, the recording neither`, async (t) => {
    const { server, a, b, forA, forB } = await startCall(t, { engine, workers: 1 });
    await server.ng.request({ command: 'start recording', ...call, metadata });
    b.sendRtp(forB, 1);
    await a.until({ rtp: 1 });
    const answer = await server.ng.request({
      command: 'play media',
      ...call,
      'from-tag': 'tag-a',
      blob: wav,
    });
    t.match(answer, { result: 'ok', duration: SAMPLES / 8 });
    b.sendRtp(forB, 2);
    a.sendRtp(forA, 1);
    await b.until({ rtp: 1 });
    await a.until({ rtp: 1 + PACKETS });
    t.same(
      b.rtp.map((bytes) => bytes.toString('hex')),
      sentBy(a, 1),
      'who is not meant hears what is said',
    );
    const sound = a.rtp.slice(1, 1 + PACKETS);
    t.match(findAudio(heardBy({ rtp: sound }), toLinear(mulaw)), { exact: true });
    t.notOk(
      a.rtp.some((bytes) => bytes.equals(numberedPacket(b.rtpPort, 2))),
      'in place of what is said',
    );
    // Over when its last packet has been heard.
    for (let n = 3; a.rtp.length === 1 + PACKETS; n += 1) {
      b.sendRtp(forB, n);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    t.equal(readRtpPacket(a.rtp.at(-1) ?? Buffer.alloc(0))?.ssrc, 0x10000 + b.rtpPort, 'and then it goes on');
    await server.ng.request({ command: 'delete', ...call });
    const { packets } = (await server.status()) as unknown as { packets: { played: number } };
    t.equal(packets.played, PACKETS);
    await settled(server);
    const captured = onlySegment(server.spool).packets;
    t.ok(
      payloads(captured).includes(numberedPacket(b.rtpPort, 2).toString('hex')),
      'what was said is recorded',
    );
    const recorded = heardBy({ rtp: captured.map(({ payload }) => payload) });
    t.equal(Buffer.from(recorded.buffer).includes(pcm.subarray(0, 200)), false, 'the sound is not');
  });

t.test('all hear it, from a file, as often as is wanted, until it is stopped', async (t) => {
  const { server, a, b } = await startCall(t);
  const file = join(t.testdir(), 'sound.wav');
  writeFileSync(file, wav);
  const more = { file, 'repeat-times': 1000, 'start-pos': 20, flags: ['all'] };
  await server.ng.request({ command: 'play media', ...call, 'from-tag': 'tag-a', ...more });
  await Promise.all([a, b].map((party) => party.until({ rtp: PACKETS + 2 })));
  for (const party of [a, b]) {
    const expected = Buffer.concat([mulaw.subarray(160), mulaw, mulaw]).subarray(0, (PACKETS + 2) * 160);
    const heard = heardBy({ rtp: party.rtp.slice(0, PACKETS + 2) });
    t.match(findAudio(heard, toLinear(expected)), { exact: true });
  }
  await server.ng.request({ command: 'stop media', ...call, 'from-tag': 'tag-a', all: 'all' });
  const { packets } = (await server.status()) as unknown as { packets: { played: number } };
  await Promise.all([a, b].map((party) => party.until({ rtp: Math.floor(packets.played / 2) })));
  t.equal(a.rtp.length + b.rtp.length, packets.played, 'nothing comes after it');
});

t.test('a new sound ends the one before, and a party that is blocked hears it too', async (t) => {
  const { server, a } = await startCall(t);
  await server.ng.request({ command: 'block media', ...call });
  const play = { command: 'play media' as const, ...call, 'from-tag': 'tag-a' };
  await server.ng.request({ ...play, blob: wav, 'repeat-times': 1000 });
  await a.until({ rtp: 1 });
  const quiet = buildWav({ format: 7, bits: 8, data: Buffer.alloc(320, 0x55) });
  await server.ng.request({ ...play, blob: quiet });
  const isQuiet = (bytes: Buffer | undefined) => bytes?.subarray(12).equals(Buffer.alloc(160, 0x55)) === true;
  for (let count = 1; !isQuiet(a.rtp.at(-1)); count += 1) await a.until({ rtp: count });
  const from = a.rtp.findIndex(isQuiet);
  t.ok(a.rtp.slice(from).every(isQuiet));
  t.equal(new Set(a.rtp.map((bytes) => readRtpPacket(bytes)?.ssrc)).size, 1);
});

t.test('in A-law for whoever agreed on that, under its own payload type', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await openParty(t), await openParty(t)];
  const mapped = `${a.sdp({ formats: '0 118' })}a=rtpmap:118 PCMA/8000\r\n`;
  await connect(server, mapped, b.sdp({ formats: '8' }));
  await server.ng.request({ command: 'play media', ...call, 'from-tag': 'tag-a', blob: wav });
  await a.until({ rtp: PACKETS });
  const packets = a.rtp.flatMap((bytes) => readRtpPacket(bytes) ?? []);
  t.ok(packets.every(({ payloadType }) => payloadType === 118));
  const linear = packets.flatMap(({ payload }) => [...payload].map((byte) => ALAW_TO_LINEAR[byte] ?? 0));
  const worst = Math.max(...linear.map((sample, at) => Math.abs(sample - pcm.readInt16LE(at * 2))));
  t.ok(worst < 512, `within the steps of both laws: ${worst}`);
});

t.test('a party that speaks SRTP hears it protected', async (t) => {
  const { server, a } = await startSecureCall(t, 'AES_CM_128_HMAC_SHA1_80');
  await server.ng.request({ command: 'play media', ...call, 'from-tag': 'tag-a', blob: wav });
  await a.until({ rtp: PACKETS });
  t.notOk(a.rtp.some((bytes) => bytes.includes(mulaw.subarray(0, 16))));
  const opened = a.opened(a.rtp).map((hex) => Buffer.from(hex ?? '', 'hex'));
  t.match(findAudio(heardBy({ rtp: opened }), toLinear(mulaw)), { exact: true });
});

t.test('what cannot be played is refused, and nobody hears anything', async (t: Test) => {
  const server = await startServer(t);
  const [a, b] = [await openParty(t), await openParty(t)];
  const opus = (sdp: string) => `${sdp}a=rtpmap:96 opus/48000/2\r\n`;
  const first = { ...call, 'from-tag': 'tag-a', 'to-tag': 'tag-b' };
  await server.ng.request({ command: 'offer', ...first, sdp: a.sdp() });
  const refused = (more: object, message: RegExp) =>
    t.rejects(server.ng.request({ command: 'play media', ...call, ...more }), { message }, `${message}`);
  await refused({ 'from-tag': 'tag-b', blob: wav }, /tag "tag-b" has described no audio yet/);
  await server.ng.request({ command: 'answer', ...first, sdp: opus(b.sdp({ formats: '96' })) });
  await refused({ flags: ['all'], blob: wav }, /tag "tag-b" takes OPUS: only PCMU and PCMA can be played/);
  await refused({ 'from-tag': 'tag-a' }, /no sound is named/);
  await refused({ 'from-tag': 'tag-a', 'db-id': '1' }, /no data base of sounds/);
  await refused({ 'from-tag': 'tag-a', file: 'sound.wav' }, /absolute path/);
  await refused({ 'from-tag': 'tag-a', file: '/nowhere/sound.wav' }, /cannot read the sound .*ENOENT/);
  await refused({ 'from-tag': 'tag-a', blob: Buffer.from('noise') }, /no WAV file/);
  await refused(
    { 'from-tag': 'tag-a', blob: wav, 'start-pos': 120 },
    /start-pos is 120 ms, and the sound lasts 120 ms/,
  );
  await refused({ 'from-tag': 'tag-x', blob: wav }, /no party with tag tag-x/);
  await refused({ 'call-id': 'call-2', blob: wav }, /Unknown call-id/);
  t.equal(a.rtp.length + b.rtp.length, 0);
});
