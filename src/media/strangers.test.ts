// A stranger at every port of a call, before, during and after latching: nothing of it goes in, and nothing comes back to it.
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { buildRtpPacket, buildSenderReport } from '../testing/packets.ts';
import { numberedPacket, type UdpParty } from '../testing/udp-party.ts';
import {
  audioPort,
  metadata,
  onlySegment,
  openParty,
  payloads,
  type Server,
  sentBy,
  settled,
  startServer,
} from './fixtures/bench.ts';
import { testedEngines } from './fixtures/engines.ts';

const report = (ssrc: number) =>
  buildSenderReport({ ssrc, at: 0, rtpTimestamp: 0, packetCount: 0, octetCount: 0 });
/** A packet of party `a` as somebody sends it who has guessed all of it but its source. */
const forged = (a: UdpParty, n: number) => numberedPacket(a.rtpPort, n);
const wrongType = (n: number) =>
  buildRtpPacket({
    payloadType: 96 + (n % 30),
    sequenceNumber: n,
    timestamp: n,
    ssrc: 9,
    payload: Buffer.alloc(160),
  });

/** What a stranger throws at a port: valid, truncated, and none at all. */
function hostile(a: UdpParty): Buffer[] {
  const packets: Buffer[] = [];
  for (let n = 1; n <= 12; n += 1) packets.push(forged(a, n), wrongType(n));
  for (const whole of [forged(a, 1), report(1)])
    for (let length = 0; length < 14; length += 1) packets.push(whole.subarray(0, length));
  packets.push(report(1), Buffer.alloc(1500, 0x80), Buffer.alloc(1500, 0xff));
  // CSRCs, a header extension and padding that reach beyond the end; version 1; a BYE; STUN; DTLS.
  for (const bytes of [
    '8f00000100000001',
    '90000001000000010000000100000000be de ffff',
    'a000000100000001000000010000000000ff',
  ])
    packets.push(Buffer.from(bytes.replaceAll(' ', ''), 'hex'));
  for (const bytes of [
    '4000000100000001000000010000',
    '81cb000100000009',
    '000100002112a442000102030405060708090a0b',
    '16fefd00',
  ])
    packets.push(Buffer.from(bytes, 'hex'));
  return packets;
}

/** Sends it all to each port of the call, and resolves when the media server has come to an end with it. */
async function attack(
  server: Server,
  ports: number[],
  strangers: UdpParty[],
  packets: Buffer[],
): Promise<void> {
  for (const packet of packets) {
    for (const port of ports) {
      for (const stranger of strangers) {
        stranger.sendRaw(port, packet);
        stranger.sendRtcp(port, packet);
      }
    }
    await delay(0);
  }
  await server.status();
}

async function holdsFor(
  t: Test,
  { engine }: Pick<Awaited<ReturnType<typeof testedEngines>>[number], 'engine'>,
) {
  const server = await startServer(t, { engine });
  const [a, b] = [await openParty(t), await openParty(t)];
  const strangers = [await openParty(t), await openParty(t, '127.0.0.2')];
  const packets = hostile(a);
  const ids = { 'call-id': 'call-1', 'from-tag': 'tag-a', 'to-tag': 'tag-b' };
  const offer = await server.ng.request({ command: 'offer', ...ids, sdp: a.sdp() });
  const forB = audioPort(offer.sdp);
  // Before the answer, and before anything is latched.
  await attack(server, [forB, forB + 1], strangers, packets);
  const answer = await server.ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
  const forA = audioPort(answer.sdp);
  const ports = [forA, forA + 1, forB, forB + 1];
  await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
  for (let n = 1; n <= 5; n += 1) {
    a.sendRtp(forA, n);
    b.sendRtp(forB, n);
    await Promise.all([a.until({ rtp: n }), b.until({ rtp: n })]);
  }
  // While they speak: each round of the attack between two packets of theirs.
  for (let n = 6; n <= 25; n += 1) {
    await attack(server, ports, strangers, packets.slice((n - 6) * 3, (n - 5) * 3));
    a.sendRtp(forA, n);
    b.sendRtp(forB, n);
    await Promise.all([a.until({ rtp: n }), b.until({ rtp: n })]);
  }
  a.sendRtcp(forA + 1, report(1));
  b.sendRtcp(forB + 1, report(2));
  await Promise.all([a.until({ rtcp: 1 }), b.until({ rtcp: 1 })]);
  await attack(server, ports, strangers, packets);
  a.sendRtp(forA, 26);
  b.sendRtp(forB, 26);
  await Promise.all([a.until({ rtp: 26 }), b.until({ rtp: 26 })]);
  await server.ng.request({ command: 'delete', 'call-id': 'call-1' });
  // After the call its ports are nobody's.
  await attack(server, ports, strangers, packets);
  await settled(server);

  for (const stranger of strangers)
    t.equal(stranger.rtp.length + stranger.rtcp.length, 0, 'nothing comes back');
  t.strictSame(payloads(b.rtp.map((payload) => ({ payload }))), sentBy(a, 26), 'b hears a alone');
  t.strictSame(payloads(a.rtp.map((payload) => ({ payload }))), sentBy(b, 26), 'a hears b alone');
  t.strictSame([a.rtcp, b.rtcp], [[report(2)], [report(1)]]);
  const captured = onlySegment(server.spool).packets;
  const at = (port: number) => payloads(captured.filter(({ destination }) => destination.port === port));
  t.strictSame(at(forA), sentBy(a, 26), 'nothing of it is recorded');
  t.strictSame(at(forB), sentBy(b, 26));
  t.equal(captured.length, 54);
  const { dropped } = (await server.status()).packets;
  t.ok(
    (dropped['stranger'] ?? 0) > 0 && (dropped['too-short'] ?? 0) > 0 && (dropped['not-rtp'] ?? 0) > 0,
    'and it is counted',
  );
}

for (const tested of await testedEngines()) t.test(tested.name, (t) => holdsFor(t, tested));
