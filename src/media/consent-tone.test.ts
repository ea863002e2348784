// The consent tone in recorded calls: who hears it, when nobody does, and that it is in no recording unless it is to be.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Config } from '../config.ts';
import { encodeMulaw } from '../rtp/g711.ts';
import { findAudio } from '../testing/compare.ts';
import { toLinear } from '../testing/dialogue.ts';
import { buildRtpPacket, readRtpPacket } from '../testing/packets.ts';
import { createRtpReceiver } from '../testing/rtp-receiver.ts';
import type { UdpParty } from '../testing/udp-party.ts';
import { buildWav, chirp } from '../testing/wav.ts';
import { connect, endCall, metadata, openParty, payloads, startCall, startServer } from './fixtures/bench.ts';
import { testedEngines } from './fixtures/engines.ts';
import { startSecureCall } from './fixtures/secure-party.ts';
import { startWorkerEngine } from './io/worker-engine.ts';

const SAMPLES = 800;
const PACKETS = SAMPLES / 160;
const { pcm, mulaw } = chirp(SAMPLES);
const tone = toLinear(mulaw);
const call = { 'call-id': 'call-1' };
const DEFAULTS: Config['recording']['consent-tone'] = { parties: 'all', interval: 30_000, record: false };

function toneFile(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'grec-tone-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'tone.wav');
  writeFileSync(file, buildWav({ data: pcm }));
  return file;
}

async function recorded(
  t: Test,
  settings: Partial<typeof DEFAULTS> = {},
  more: Parameters<typeof startServer>[1] = {},
) {
  const recording = { 'consent-tone': { ...DEFAULTS, ...settings } };
  const { server, a, b, forA, forB } = await startCall(t, { ...more, recording, consentTone: toneFile(t) });
  const start = () => server.ng.request({ command: 'start recording', ...call, metadata });
  const end = async () => {
    return endCall(server);
  };
  return { server, a, b, forA, forB, start, end };
}

/** A packet of silence in PCMU, or of something else. */
const packet = (from: UdpParty, n: number, fill = 0xff, payloadType = 0) =>
  buildRtpPacket({
    payloadType,
    sequenceNumber: n,
    timestamp: n * 160,
    ssrc: from.rtpPort,
    payload: new Uint8Array(160).fill(fill),
  });

/** As soon as that party has heard this packet of the other one. */
async function heardFrom(party: UdpParty, other: UdpParty, n: number): Promise<Buffer> {
  for (;;) {
    const found = party.rtp.find((bytes) => {
      const read = readRtpPacket(bytes);
      return read?.ssrc === other.rtpPort && read.sequenceNumber === n;
    });
    if (found !== undefined) return found;
    await party.until({ rtp: party.rtp.length + 1 });
  }
}

/** Sends silence until the whole tone can have passed with it. @returns what was sent */
async function silence(from: UdpParty, to: UdpParty, port: number, first = 1): Promise<Buffer[]> {
  const sent = Array.from({ length: PACKETS + 1 }, (_, index) => packet(from, first + index));
  for (const bytes of sent) from.sendRaw(port, bytes);
  await heardFrom(to, from, first + PACKETS);
  return sent;
}

function audio(packets: readonly Buffer[]): Int16Array {
  const receiver = createRtpReceiver();
  for (const bytes of packets) receiver.receive(bytes);
  return receiver.audio();
}

const ssrcs = ({ rtp }: UdpParty) => new Set(rtp.map((bytes) => readRtpPacket(bytes)?.ssrc));

const engines = await testedEngines();
for (const { name, engine } of [...engines, { name: 'relay workers', engine: startWorkerEngine }])
  t.test(`${name}: both hear it within what the other says, and the capture has what was said`, async (t) => {
    const { server, a, b, forA, forB, start, end } = await recorded(t, {}, { engine, workers: 1 });
    await start();
    const [fromA, fromB] = await Promise.all([silence(a, b, forA), silence(b, a, forB)]);
    for (const [party, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const heard = party.rtp.filter((bytes) => readRtpPacket(bytes)?.ssrc === other.rtpPort);
      t.equal(heard.length, PACKETS + 1, 'each packet of the other party');
      t.match(findAudio(audio(party.rtp), tone), { exact: true });
    }
    const { packets, facts } = await end();
    const captured = (port: number) =>
      payloads(packets.filter(({ destination }) => destination.port === port));
    t.same(
      captured(forA),
      fromA.map((bytes) => bytes.toString('hex')),
    );
    t.same(
      captured(forB),
      fromB.map((bytes) => bytes.toString('hex')),
    );
    t.match(facts.closed, { lost: 0 });
    t.equal((await server.status()).calls, 0);
  });

t.test('who says nothing is no reason not to hear it', async (t) => {
  const { a, b, start, end } = await recorded(t);
  await start();
  await Promise.all([a, b].map((party) => party.until({ rtp: PACKETS })));
  for (const party of [a, b]) {
    t.match(findAudio(audio(party.rtp), tone), { exact: true });
    t.equal(ssrcs(party).size, 1);
  }
  t.equal((await end()).packets.length, 0);
});

t.test('only the agent, or only the customer', async (t) => {
  for (const parties of ['agent', 'customer'] as const)
    await t.test(parties, async (t) => {
      const { a, b, start, end } = await recorded(t, { parties });
      await start();
      const [told, other] = parties === 'agent' ? [b, a] : [a, b];
      await told.until({ rtp: PACKETS });
      t.equal(other.rtp.length, 0);
      await end();
    });
});

t.test('not before the recording, nor while it is paused, nor after it', async (t) => {
  const { server, a, b, forA, start, end } = await recorded(t, { parties: 'agent' });
  const isPlain = async (n: number) => {
    const bytes = packet(a, n);
    a.sendRaw(forA, bytes);
    return (await heardFrom(b, a, n)).equals(bytes);
  };
  t.ok(await isPlain(1));
  await start();
  t.notOk(await isPlain(2), 'at its beginning');
  await server.ng.request({ command: 'pause recording', ...call });
  t.ok(await isPlain(3), 'the pause cuts it off');
  await start();
  t.notOk(await isPlain(4), 'and it begins anew behind it');
  await server.ng.request({ command: 'stop recording', ...call });
  t.ok(await isPlain(5));
  t.equal((await end()).packets.length, 2);
});

t.test('another party that joins is told at once', async (t) => {
  const { server, a, b, start } = await recorded(t);
  await start();
  await Promise.all([a, b].map((party) => party.until({ rtp: PACKETS })));
  const c = await openParty(t);
  const ids = { ...call, 'from-tag': 'tag-c', 'to-tag': 'tag-b' };
  await server.ng.request({ command: 'offer', ...ids, sdp: c.sdp() });
  await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
  await Promise.all([c.until({ rtp: PACKETS }), b.until({ rtp: 2 * PACKETS })]);
  t.match(findAudio(audio(c.rtp), tone), { exact: true });
  t.equal(a.rtp.length, PACKETS, 'who has left hears nothing');
});

t.test('in the recording too, where that is wanted: as the other party was heard', async (t) => {
  const { a, b, forA, start, end } = await recorded(t, { record: true, parties: 'agent' });
  await start();
  await b.until({ rtp: 1 });
  a.sendRaw(forA, packet(a, 1, 0x90));
  await silence(a, b, forA, 2);
  const { packets } = await end();
  const captured = packets
    .filter(({ destination }) => destination.port === forA)
    .map(({ payload }) => payload);
  const isOf = (bytes: Buffer) => readRtpPacket(bytes)?.ssrc === a.rtpPort;
  t.same(
    captured.filter(isOf).map((bytes) => bytes.toString('hex')),
    b.rtp.filter(isOf).map((bytes) => bytes.toString('hex')),
  );
  t.notOk(captured.some((bytes) => bytes.equals(packet(a, 1, 0x90))));
});

t.test('a voice in another codec is left out for the time of the tone', async (t) => {
  const recording = { 'consent-tone': { ...DEFAULTS, parties: 'agent' as const } };
  const server = await startServer(t, { recording, consentTone: toneFile(t) });
  const [a, b] = [await openParty(t), await openParty(t)];
  const { forA } = await connect(server, a.sdp({ formats: '9 8' }), b.sdp({ formats: '9 8' }));
  await server.ng.request({ command: 'start recording', ...call, metadata });
  for (let n = 1; n <= 3; n += 1) a.sendRaw(forA, packet(a, n, 1, 9));
  await b.until({ rtp: PACKETS });
  t.ok(b.rtp.every((bytes) => readRtpPacket(bytes)?.payloadType === 8));
  t.equal((await server.status()).packets.dropped['replaced'], 3);
  // Over when its last packet has been heard.
  for (let n = 4; b.rtp.length === PACKETS; n += 1) {
    a.sendRaw(forA, packet(a, n, 1, 9));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  t.equal(readRtpPacket(b.rtp.at(-1) ?? Buffer.alloc(0))?.payloadType, 9);
});

t.test('a party that speaks SRTP hears it protected', async (t) => {
  const recording = { 'consent-tone': { ...DEFAULTS, parties: 'customer' as const } };
  const options = { recording, consentTone: toneFile(t) };
  const { server, a, b, forB } = await startSecureCall(t, 'AEAD_AES_128_GCM', options);
  await server.ng.request({ command: 'start recording', ...call, metadata });
  await a.until({ rtp: 1 });
  // Headers are in clear (RFC 3711 section 3.1).
  await silence(b, a, forB);
  t.notOk(a.rtp.some((bytes) => bytes.includes(mulaw.subarray(160, 176))));
  const opened = a.opened(a.rtp).map((hex) => Buffer.from(hex ?? '', 'hex'));
  t.match(findAudio(audio(opened), tone), { exact: true });
});

t.test('a sound that is played is mixed with it, not cut off', async (t) => {
  const { server, b, start } = await recorded(t, { parties: 'agent' });
  const even = buildWav({ format: 7, bits: 8, data: Buffer.alloc(1600, encodeMulaw(1000)) });
  await server.ng.request({ command: 'play media', ...call, 'from-tag': 'tag-b', blob: even });
  await start();
  await b.until({ rtp: 10 });
  t.ok(audio(b.rtp).some((sample) => sample > 5000));
  t.equal(ssrcs(b).size, 1);
});
