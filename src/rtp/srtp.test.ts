// SRTP as a stream: what is protected comes out as it went in, once; everything else is refused, and costs no memory.
import fc from 'fast-check';
import t from 'tap';
import { buildRtpPacket } from '../testing/packets.ts';
import { SRTP_OVERHEAD_BYTES, SrtpReceiver, SrtpSender, srtpRefusal } from './srtp.ts';
import type { SrtpLibrary } from './srtp-cipher.ts';
import { masterKeyBytes } from './srtp-keys.ts';
import { nodeLibrary } from './srtp-node.ts';
import { openSslLibrary } from './srtp-openssl.ts';
import { SRTP_SUITES, type SrtpSuite } from './srtp-suite.ts';

const native = openSslLibrary();
const libraries: SrtpLibrary[] = native === undefined ? [nodeLibrary] : [nodeLibrary, native];
const masterOf = (suite: SrtpSuite, fill = 1) => Buffer.alloc(masterKeyBytes(suite), fill);

interface Packet {
  sequenceNumber: number;
  ssrc?: number;
  payload?: Uint8Array;
}

function rtp({ sequenceNumber, ssrc = 1, payload = new Uint8Array(160).fill(0xd5) }: Packet): Buffer {
  return buildRtpPacket({ payloadType: 8, sequenceNumber, timestamp: sequenceNumber * 160, ssrc, payload });
}

/** @returns the protected packet, or the refusal */
function protect(sender: SrtpSender, packet: Buffer, kind: 'rtp' | 'rtcp' = 'rtp'): Buffer | string {
  const memory = Buffer.concat([packet, Buffer.alloc(SRTP_OVERHEAD_BYTES)]);
  const length =
    kind === 'rtp'
      ? sender.protectRtp(memory, 0, packet.length)
      : sender.protectRtcp(memory, 0, packet.length);
  return length < 0 ? srtpRefusal(length) : memory.subarray(0, length);
}

function open(
  receiver: SrtpReceiver,
  packet: Buffer | string,
  kind: 'rtp' | 'rtcp' = 'rtp',
): Buffer | string {
  if (typeof packet === 'string') return packet;
  const memory = Buffer.from(packet);
  const length =
    kind === 'rtp'
      ? receiver.unprotectRtp(memory, 0, packet.length)
      : receiver.unprotectRtcp(memory, 0, packet.length);
  return length < 0 ? srtpRefusal(length) : memory.subarray(0, length);
}

const REPORT = Buffer.from('81c8000c00000001'.padEnd(104, '5a'), 'hex');

for (const library of libraries)
  for (const suite of SRTP_SUITES) {
    const name = `${suite.name}, ${library.name}`;
    const pair = () => ({
      sender: new SrtpSender(suite, masterOf(suite), library),
      receiver: new SrtpReceiver(suite, [{ master: masterOf(suite) }], library),
    });

    t.test(`any packet comes out as it went in: ${name}`, async () => {
      const { sender, receiver } = pair();
      let sequenceNumber = 0;
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 1400 }), fc.integer({ min: 0, max: 15 }), (payload, csrcs) => {
          sequenceNumber += 1;
          const packet = rtp({ sequenceNumber, payload: Buffer.concat([Buffer.alloc(csrcs * 4), payload]) });
          packet[0] = 0x80 | csrcs;
          const secret = protect(sender, packet);
          if (typeof secret === 'string') return false;
          const opened = open(receiver, secret);
          return typeof opened !== 'string' && opened.equals(packet);
        }),
        { numRuns: 50 },
      );
    });

    t.test(`any change of any bit is refused: ${name}`, async (t) => {
      const { sender, receiver } = pair();
      open(receiver, protect(sender, rtp({ sequenceNumber: 100 })));
      const secret = protect(sender, rtp({ sequenceNumber: 101 }));
      const report = protect(sender, REPORT, 'rtcp');
      if (typeof secret === 'string' || typeof report === 'string') return t.fail('not protected');
      fc.assert(
        fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (place, bits, isReport) => {
          const changed = Buffer.from(isReport ? report : secret);
          const at = place % changed.length;
          changed[at] = (changed[at] ?? 0) ^ bits;
          return typeof open(receiver, changed, isReport ? 'rtcp' : 'rtp') === 'string';
        }),
        { numRuns: 200 },
      );
      t.type(open(receiver, secret), Buffer, 'unchanged it is taken');
      t.type(open(receiver, report, 'rtcp'), Buffer);
    });

    t.test(`nor any remains of a packet: ${name}`, async (t) => {
      const { sender, receiver } = pair();
      const secret = protect(sender, rtp({ sequenceNumber: 1, payload: new Uint8Array(8) }));
      const report = protect(sender, REPORT, 'rtcp');
      if (typeof secret === 'string' || typeof report === 'string') return t.fail('not protected');
      for (let length = 0; length < secret.length; length += 1)
        t.type(open(receiver, secret.subarray(0, length)), 'string');
      for (let length = 0; length < report.length; length += 1)
        t.type(open(receiver, report.subarray(0, length), 'rtcp'), 'string');
    });

    t.test(`reports: ${name}`, async (t) => {
      const { sender, receiver } = pair();
      const [first, second] = [protect(sender, REPORT, 'rtcp'), protect(sender, REPORT, 'rtcp')];
      t.notSame(first, second, 'each has an index of its own');
      t.strictSame(open(receiver, second, 'rtcp'), REPORT);
      t.strictSame(open(receiver, first, 'rtcp'), REPORT, 'a late one');
      t.equal(open(receiver, second, 'rtcp'), 'replayed');
      t.equal(protect(sender, Buffer.alloc(4), 'rtcp'), 'too-short');
    });
  }

const [, , suite] = SRTP_SUITES;
if (suite === undefined) throw new Error('no suite');
const master = masterOf(suite);
const newReceiver = () => new SrtpReceiver(suite, [{ master }]);

t.test('loss, reordering and repetition across wraps of the sequence number', async (t) => {
  const sender = new SrtpSender(suite, master);
  const receiver = newReceiver();
  const send = (index: number) => protect(sender, rtp({ sequenceNumber: index % 65_536 }));
  for (const wrap of [65_536, 131_072]) {
    const sent = Array.from({ length: 500 }, (_, n) => send(wrap - 250 + n));
    // In groups of five, each backwards, the third of each lost.
    for (let at = 0; at < sent.length; at += 5)
      for (const place of [4, 3, 1, 0]) {
        const packet = sent[at + place] ?? 'lost';
        t.type(open(receiver, packet), Buffer);
        t.equal(open(receiver, packet), 'replayed');
      }
    // A long silence, of which little is heard.
    for (const gap of [20_000, 40_000]) t.type(open(receiver, send(wrap + gap)), Buffer);
  }
});

t.test('a source that has turned over before it is heard is found', async (t) => {
  const sender = new SrtpSender(suite, master);
  for (let index = 0; index < 65_536 * 3; index += 30_000)
    protect(sender, rtp({ sequenceNumber: index % 65_536 }));
  t.type(open(newReceiver(), protect(sender, rtp({ sequenceNumber: 1000 }))), Buffer);
});

t.test('the same sequence number is never encrypted twice', async (t) => {
  const sender = new SrtpSender(suite, master);
  t.type(protect(sender, rtp({ sequenceNumber: 500 })), Buffer);
  t.equal(protect(sender, rtp({ sequenceNumber: 500, payload: new Uint8Array(160) })), 'replayed');
  t.type(protect(sender, rtp({ sequenceNumber: 499 })), Buffer, 'a late one is');
  t.equal(protect(sender, rtp({ sequenceNumber: 100 })), 'replayed', 'nor one that is too late to tell');
});

t.test('sources are kept apart, and there are only so many', async (t) => {
  const sender = new SrtpSender(suite, master);
  const receiver = newReceiver();
  const secrets = Array.from({ length: 300 }, (_, ssrc) => protect(sender, rtp({ sequenceNumber: 7, ssrc })));
  t.equal(secrets.filter((secret) => secret === 'too-many-sources').length, 300 - 256);
  for (const secret of secrets.slice(0, 256)) t.type(open(receiver, secret), Buffer);
  t.type(
    open(receiver, protect(sender, rtp({ sequenceNumber: 8, ssrc: 0 }))),
    Buffer,
    'the first one still speaks',
  );
});

t.test('forged sources leave nothing behind', async (t) => {
  const receiver = newReceiver();
  const other = new SrtpSender(suite, masterOf(suite, 2));
  const mine = new SrtpSender(suite, master);
  t.type(open(receiver, protect(mine, rtp({ sequenceNumber: 10, ssrc: 5 }))), Buffer);
  for (let ssrc = 0; ssrc < 200; ssrc += 1)
    t.equal(open(receiver, protect(other, rtp({ sequenceNumber: 65_000, ssrc }))), 'forged');
  t.type(open(receiver, protect(mine, rtp({ sequenceNumber: 11, ssrc: 5 }))), Buffer);
});

t.test('keys by their MKI', async (t) => {
  for (const one of SRTP_SUITES) {
    const keys = [1, 2].map((fill) => ({ master: masterOf(one, fill), mki: Buffer.of(0, fill) }));
    const receiver = new SrtpReceiver(one, keys);
    for (const { master: key, mki } of keys) {
      const sender = new SrtpSender(one, key);
      const insert = (secret: Buffer | string, tagBytes: number) => {
        if (typeof secret === 'string') return secret;
        const at = one.isAead ? secret.length : secret.length - tagBytes;
        return Buffer.concat([secret.subarray(0, at), mki, secret.subarray(at)]);
      };
      const packet = rtp({ sequenceNumber: 1 });
      t.strictSame(open(receiver, insert(protect(sender, packet), one.rtpTagBytes)), packet);
      t.strictSame(open(receiver, insert(protect(sender, REPORT, 'rtcp'), one.rtcpTagBytes), 'rtcp'), REPORT);
      t.equal(open(receiver, protect(sender, rtp({ sequenceNumber: 2 }))), 'no-key');
    }
  }
});

t.test('after its keys are forgotten nothing passes', async (t) => {
  const sender = new SrtpSender(suite, master);
  const receiver = newReceiver();
  const secret = protect(sender, rtp({ sequenceNumber: 1 }));
  sender.close();
  receiver.close();
  t.equal(protect(sender, rtp({ sequenceNumber: 2 })), 'no-key');
  t.equal(open(receiver, secret), 'no-key');
});
