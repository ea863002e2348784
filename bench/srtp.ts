// Measures what SRTP costs for one packet of G.711 (172 bytes of RTP): each suite, with OpenSSL through koffi and with node:crypto,
// and, for comparison, what a cipher made anew for each packet would.
//
//   node bench/srtp.ts [PACKETS]        100,000 of each
import { createCipheriv, createHmac } from 'node:crypto';
import { SRTP_OVERHEAD_BYTES, SrtpReceiver, SrtpSender } from '../src/rtp/srtp.ts';
import type { SrtpLibrary } from '../src/rtp/srtp-cipher.ts';
import { masterKeyBytes } from '../src/rtp/srtp-keys.ts';
import { nodeLibrary } from '../src/rtp/srtp-node.ts';
import { openSslLibrary } from '../src/rtp/srtp-openssl.ts';
import { SRTP_SUITES, type SrtpSuite } from '../src/rtp/srtp-suite.ts';
import { buildRtpPacket } from '../src/testing/packets.ts';

const PACKETS = Number(process.argv[2] ?? 100_000);
const WARM_UP = 20_000;
const packet = buildRtpPacket({
  payloadType: 8,
  sequenceNumber: 0,
  timestamp: 0,
  ssrc: 1,
  payload: new Uint8Array(160),
});

/** Microseconds of CPU time for one run. */
function measure(work: (n: number) => void): number {
  for (let n = 0; n < WARM_UP; n += 1) work(n);
  const before = process.cpuUsage();
  for (let n = WARM_UP; n < WARM_UP + PACKETS; n += 1) work(n);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / PACKETS;
}

function show(name: string, ...figures: number[]): void {
  console.log(`${name.padEnd(56)}${figures.map((figure) => figure.toFixed(2).padStart(9)).join('')}`);
}

function measureSuite(library: SrtpLibrary, suite: SrtpSuite): void {
  const master = Buffer.alloc(masterKeyBytes(suite), 1);
  const sender = new SrtpSender(suite, master, library);
  const receiver = new SrtpReceiver(suite, [{ master }], library);
  const memory = Buffer.alloc(packet.length + SRTP_OVERHEAD_BYTES);
  let refused = 0;
  const protect = (n: number) => {
    packet.copy(memory);
    memory.writeUInt16BE(n & 0xffff, 2);
    return sender.protectRtp(memory, 0, packet.length);
  };
  const alone = measure((n) => void protect(n));
  const base = WARM_UP + PACKETS;
  const both = measure((n) => {
    if (receiver.unprotectRtp(memory, 0, protect(base + n)) < 0) refused += 1;
  });
  show(`${suite.name}, ${library.name}`, alone, both - alone);
  if (refused > 0) process.exitCode = 1;
}

console.log(`${'microseconds of CPU for a packet'.padEnd(56)}  protect   open`);
for (const library of [openSslLibrary(), nodeLibrary])
  if (library !== undefined) for (const suite of SRTP_SUITES) measureSuite(library, suite);

const key = Buffer.alloc(16, 1);
const iv = Buffer.alloc(16);
const anew = measure((n) => {
  iv.writeUInt32BE(n, 8);
  createCipheriv('aes-128-ctr', key, iv).update(packet);
  createHmac('sha1', key).update(packet).digest();
});
show('AES-CM and HMAC, objects of node:crypto made anew', anew);
