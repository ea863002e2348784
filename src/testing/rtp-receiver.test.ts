// What was heard, and what is missing, from packets as the network delivers them.
import t from 'tap';
import { decodeAlaw, decodeMulaw } from '../rtp/g711.ts';
import { buildRtpPacket } from './packets.ts';
import { createRtpReceiver, PCMA, PCMU } from './rtp-receiver.ts';

function packet(index: number, fields: { ssrc?: number; payloadType?: number; byte?: number } = {}): Buffer {
  return buildRtpPacket({
    payloadType: fields.payloadType ?? PCMU,
    sequenceNumber: (0xffff + index) & 0xffff,
    timestamp: (2 ** 32 - 160 + index * 160) % 2 ** 32,
    ssrc: fields.ssrc ?? 7,
    payload: new Uint8Array(160).fill(fields.byte ?? index),
  });
}

t.test('packets in any order become audio in the order of their timestamps', async (t) => {
  const receiver = createRtpReceiver();
  for (const index of [1, 0, 3, 2]) receiver.receive(packet(index));
  const audio = receiver.audio();
  t.equal(audio.length, 640);
  t.same(
    [0, 160, 320, 480].map((at) => audio[at]),
    [0, 1, 2, 3].map(decodeMulaw),
  );
  t.same(receiver.count(), { received: 4, lost: 0, duplicates: 0, malformed: 0 });
});

t.test('a lost packet is silence of its length, and is counted', async (t) => {
  const receiver = createRtpReceiver();
  for (const index of [0, 1, 3]) receiver.receive(packet(index));
  const audio = receiver.audio();
  t.same(new Set(audio.subarray(320, 480)), new Set([0]));
  t.equal(audio[480], decodeMulaw(3));
  t.same(receiver.count(), { received: 3, lost: 1, duplicates: 0, malformed: 0 });
});

t.test('a duplicate counts once as received audio', async (t) => {
  const receiver = createRtpReceiver();
  for (const index of [0, 1, 1]) receiver.receive(packet(index));
  t.equal(receiver.audio().length, 320);
  t.same(receiver.count(), { received: 3, lost: 0, duplicates: 1, malformed: 0 });
});

t.test('A-law is expanded by its payload type; comfort noise is not audio', async (t) => {
  const receiver = createRtpReceiver();
  receiver.receive(packet(0, { payloadType: PCMA, byte: 0x2a }));
  receiver.receive(packet(1, { payloadType: 13 }));
  t.same([...new Set(receiver.audio())], [decodeAlaw(0x2a)]);
});

t.test('sources are kept apart by SSRC', async (t) => {
  const receiver = createRtpReceiver();
  receiver.receive(packet(0, { ssrc: 1, byte: 0x10 }));
  receiver.receive(packet(90, { ssrc: 2, byte: 0x20 }));
  t.same(
    receiver.streams.map(({ ssrc }) => ssrc),
    [1, 2],
  );
  t.equal(receiver.count().lost, 0);
  t.same([...new Set(receiver.audio())], [decodeMulaw(0x10), decodeMulaw(0x20)]);
});

t.test('bytes that are not RTP are counted and change nothing', async (t) => {
  const receiver = createRtpReceiver();
  for (const bytes of [[], [0x80], [0x00, 0x01, 0x02], Array(172).fill(0xff)]) {
    receiver.receive(Uint8Array.from(bytes));
  }
  t.same(receiver.count(), { received: 0, lost: 0, duplicates: 0, malformed: 4 });
  t.equal(receiver.audio().length, 0);
});

t.test('waiting for packets ends with the packet that makes the number full', async (t) => {
  const receiver = createRtpReceiver();
  let isFull = false;
  const full = receiver.until(2).then(() => {
    isFull = true;
  });
  receiver.receive(packet(0));
  receiver.receive(Uint8Array.of(1));
  await new Promise(setImmediate);
  t.notOk(isFull);
  receiver.receive(packet(1));
  await full;
  await receiver.until(1);
  t.ok(isFull);
});
