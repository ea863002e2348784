// RTP header fields by literal bytes, against rtp.js, and on any bytes at all.
import fc from 'fast-check';
import { packets } from 'rtp.js';
import t from 'tap';
import { classifyPacket, readRtp, rtpHeaderLength } from './header.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

t.test('a plain packet', async (t) => {
  t.strictSame(readRtp(hex('80 88 fffe 80000001 deadbeef d5d5')), {
    payloadType: 8,
    sequenceNumber: 65534,
    timestamp: 0x80000001,
    ssrc: 0xdeadbeef,
    marker: true,
    payload: hex('d5d5'),
  });
});

t.test('two CSRCs, an extension of one word, three bytes of padding', async (t) => {
  const bytes = hex('b2 00 0001 00000002 00000003 11111111 22222222 bede0001 10aa0000 7f7f 000003');
  t.equal(rtpHeaderLength(bytes), 28);
  t.strictSame(readRtp(bytes)?.payload, hex('7f7f'));
});

t.test('RTP is told from RTCP, other protocols and remains', async (t) => {
  const kinds: [string, string][] = [
    ['80 00 0001 00000001 00000001', 'rtp'],
    ['80 48 0001 00000001 00000001', 'rtp'],
    [`81 c9 0007 00000001${'00'.repeat(24)}`, 'rtcp'],
    [`80 c8 0006 00000001${'00'.repeat(20)}`, 'rtcp'],
    ['80 cb 0000', 'rtcp'],
    ['80 c8 0006 00000001', 'truncated'],
    ['', 'too-short'],
    ['80 00 00', 'too-short'],
    ['80 00 0001 00000001 000000', 'too-short'],
    ['00 01 0000 2112a442 000000000000000000000000', 'not-rtp'],
    ['16 fe ff 00 00 00 00 00 00 00 00 00 00', 'not-rtp'],
    ['8f 00 0001 00000001 00000001', 'truncated'],
    ['90 00 0001 00000001 00000001', 'truncated'],
    ['90 00 0001 00000001 00000001 bedeffff', 'truncated'],
    ['a0 00 0001 00000001 00000001 00', 'truncated'],
    ['a0 00 0001 00000001 00000001 02', 'truncated'],
  ];
  for (const [bytes, kind] of kinds) t.equal(classifyPacket(hex(bytes)), kind, `${bytes} is ${kind}`);
});

t.test('fields agree with rtp.js', async (t) => {
  const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
  fc.assert(
    fc.property(
      fc.constantFrom(0, 8, 13, 63, 96, 101, 127),
      uint(16),
      uint(32),
      uint(32),
      fc.boolean(),
      fc.uint8Array({ maxLength: 200 }),
      fc.array(uint(32), { maxLength: 3 }),
      (payloadType, sequenceNumber, timestamp, ssrc, marker, payload, csrcs) => {
        const packet = new packets.RtpPacket();
        packet.setPayloadType(payloadType);
        packet.setSequenceNumber(sequenceNumber);
        packet.setTimestamp(timestamp);
        packet.setSsrc(ssrc);
        packet.setMarker(marker);
        packet.setCsrcs(csrcs);
        packet.setPayload(new DataView(payload.buffer, payload.byteOffset, payload.byteLength));
        const bytes = new ArrayBuffer(packet.getByteLength());
        packet.serialize(bytes, 0);
        const found = readRtp(Buffer.from(bytes));
        return (
          found !== undefined &&
          found.payloadType === payloadType &&
          found.sequenceNumber === sequenceNumber &&
          found.timestamp === timestamp &&
          found.ssrc === ssrc &&
          found.marker === marker &&
          found.payload.equals(payload)
        );
      },
    ),
  );
  t.pass();
});

t.test('any bytes are classified, and what is RTP has its payload within them', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (noise, isVersion2) => {
      const bytes = Buffer.from(noise);
      if (isVersion2 && bytes.length > 0) bytes[0] = 0x80 | ((bytes[0] ?? 0) & 0x3f);
      const packet = readRtp(bytes);
      return (
        (packet !== undefined) === (classifyPacket(bytes) === 'rtp') && (packet?.payload.length ?? 0) <= 88
      );
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
