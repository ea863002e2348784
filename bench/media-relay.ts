// Measures grec-mediad under recorded calls, both ways, 50 packets a second each: CPU, loss, and what is in the spool.
//
//   node bench/media-relay.ts [CALLS] [SECONDS]        100 calls, 20 s
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openCapture } from '../src/spool/capture-file.ts';
import { buildRtpPacket } from '../src/testing/packets.ts';
import { startMediaDaemon } from './media-daemon.ts';

const calls = Number(process.argv[2] ?? 100);
const seconds = Number(process.argv[3] ?? 20);
const PACKET_MS = 20;

interface Phone {
  socket: Socket;
  received: number;
  sent: number;
  packet: Buffer;
  to: number;
}

async function openPhone(ssrc: number): Promise<Phone> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 512 << 10 });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const payload = new Uint8Array(160).fill(0xd5);
  const packet = buildRtpPacket({ payloadType: 8, sequenceNumber: 0, timestamp: 0, ssrc, payload });
  const phone: Phone = { socket, received: 0, sent: 0, packet, to: 0 };
  socket.on('message', () => {
    phone.received += 1;
  });
  return phone;
}

function describe({ socket }: Phone): string {
  const { port } = socket.address();
  return `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 8\r\n`;
}

function send(phone: Phone): void {
  phone.packet.writeUInt16BE(phone.sent & 0xffff, 2);
  phone.packet.writeUInt32BE((phone.sent * 160) >>> 0, 4);
  phone.sent += 1;
  phone.socket.send(phone.packet);
}

const daemon = await startMediaDaemon('50000-59999');
const phones: Phone[] = [];
for (let n = 0; n < calls; n += 1) {
  const [a, b] = [await openPhone(2 * n + 1), await openPhone(2 * n + 2)];
  const ids = { 'call-id': `call-${n}`, 'from-tag': 'a', 'to-tag': 'b' };
  const toB = await daemon.ng.request({ command: 'offer', ...ids, sdp: describe(a) });
  const toA = await daemon.ng.request({ command: 'answer', ...ids, sdp: describe(b) });
  a.to = Number(/m=audio (\d+)/.exec(toA.sdp ?? '')?.[1]);
  b.to = Number(/m=audio (\d+)/.exec(toB.sdp ?? '')?.[1]);
  await daemon.ng.request({ command: 'start recording', 'call-id': `call-${n}` });
  for (const phone of [a, b]) phone.socket.connect(phone.to, '127.0.0.1');
  phones.push(a, b);
}

/** Each phone once every 20 ms, spread over them, against an absolute schedule. */
async function load(rounds: number): Promise<void> {
  const start = performance.now();
  const total = rounds * phones.length;
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, ((performance.now() - start) / PACKET_MS) * phones.length);
    for (; sent < due; sent += 1) {
      const phone = phones[sent % phones.length];
      if (phone !== undefined) send(phone);
    }
    await delay(1);
  }
}

await load(50);
const before = daemon.cpu();
const started = performance.now();
await load((seconds * 1000) / PACKET_MS);
const wall = (performance.now() - started) / 1000;
const after = daemon.cpu();
await delay(500);
const sum = (of: (phone: Phone) => number) => phones.reduce((total, phone) => total + of(phone), 0);
const sent = sum((phone) => phone.sent);
const received = sum((phone) => phone.received);
const { packets } = await daemon.status();
const memory = daemon.memory();
let captured = 0;
await daemon.stop(() => {
  for (const segment of readdirSync(daemon.spool)) {
    for (const _ of openCapture(join(daemon.spool, segment, 'capture.pcap'))) captured += 1;
  }
});
for (const { socket } of phones) socket.close();

const user = after.user - before.user;
const system = after.system - before.system;
const measured = (seconds * 1000 * phones.length) / PACKET_MS;
console.log(`calls                ${calls}, both ways, recorded, ${wall.toFixed(1)} s`);
console.log(
  `packets              ${sent} sent, ${received} received, ${sent - received} lost; ${captured} in the spool`,
);
console.log(`dropped              ${JSON.stringify(packets.dropped)}`);
console.log(
  `CPU of grec-mediad   ${(((user + system) / wall) * 100).toFixed(1)} % of a core (user ${user.toFixed(2)} s, system ${system.toFixed(2)} s)`,
);
console.log(`CPU per packet       ${(((user + system) / measured) * 1e6).toFixed(1)} us`);
console.log(`memory               ${(memory / 1024).toFixed(0)} MiB resident`);
process.exitCode = sent === received && captured === sent ? 0 : 1;
