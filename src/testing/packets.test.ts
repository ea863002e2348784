// Packets byte for byte, as RFC 3550 draws them.
import fc from 'fast-check';
import t from 'tap';
import { buildRtpPacket, buildSenderReport, readRtpPacket } from './packets.ts';

t.test('an RTP packet (section 5.1)', async (t) => {
  const fields = {
    payloadType: 8,
    sequenceNumber: 0x1234,
    timestamp: 0xfffffffe,
    ssrc: 0x89abcdef,
    marker: true,
    payload: Uint8Array.of(0xd5, 0x2a),
  };
  const bytes = buildRtpPacket(fields);
  t.equal(bytes.toString('hex'), '80881234fffffffe89abcdefd52a');
  t.same(readRtpPacket(bytes), fields);
});

t.test('a payload in the midst of a larger buffer is read from its own place', async (t) => {
  const large = Buffer.concat([Buffer.alloc(5), Buffer.from('8000000100000002000000037f', 'hex')]);
  t.same(readRtpPacket(large.subarray(5))?.payload, Uint8Array.of(0x7f));
});

t.test('a sender report without reception reports (section 6.4.1)', async (t) => {
  const bytes = buildSenderReport({
    ssrc: 0x01020304,
    at: 1500,
    rtpTimestamp: 0x0a0b0c0d,
    packetCount: 50,
    octetCount: 8000,
  });
  // 1.5 s after 1970 is 0x83aa7e81 s after 1900, and half a second.
  t.equal(bytes.toString('hex'), '80c800060102030483aa7e81800000000a0b0c0d0000003200001f40');
});

t.test('whatever bytes come, reading them gives fields or undefined', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const packet = readRtpPacket(bytes);
      return packet === undefined || packet.payload.length <= bytes.length - 12;
    }),
  );
  t.pass('no exception');
});
