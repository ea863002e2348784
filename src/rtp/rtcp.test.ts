// RTCP reports out of literal bytes (RFC 3550 section 6.4), and out of bytes that are none.
import fc from 'fast-check';
import t from 'tap';
import { readReports } from './rtcp.ts';

const bytes = (hex: string) => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
const BLOCK = '0000000b 40 ffffff 0001fff0 00000050 2222aaaa 00018000';

t.test('a compound packet: sender report with a block, source description, receiver report', async (t) => {
  const sender = `81 c8 000c 0000000a 11112222 aaaabbbb 00000001 00000002 00000003 ${BLOCK}`;
  const receiver = `81 c9 0007 0000000c ${BLOCK}`;
  const block = {
    ssrc: 11,
    fractionLost: 0.25,
    cumulativeLost: -1,
    jitter: 80,
    lastReport: 0x2222aaaa,
    delay: 1.5,
  };
  t.same(readReports(bytes(`${sender} 81 ca 0002 0000000a 01000000 ${receiver}`)), [
    {
      ssrc: 10,
      ntpMiddle: 0x2222aaaa,

      sent: { clock: (0x11112222 + 0xaaaabbbb / 2 ** 32) * 1e6, timestamp: 1 },
      blocks: [block],
    },
    { ssrc: 12, ntpMiddle: undefined, sent: undefined, blocks: [block] },
  ]);
});

t.test('what is cut, too short for its blocks or another version is left out', async (t) => {
  t.same(readReports(bytes('81 c9 0007 0000000c 0000')), []);
  t.same(readReports(bytes(`82 c9 0007 0000000c ${BLOCK}`)), []);
  t.same(readReports(bytes(`41 c9 0007 0000000c ${BLOCK}`)), []);
  t.same(readReports(bytes('')), []);
});

t.test('any bytes are read without harm', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (any) => Array.isArray(readReports(Buffer.from(any)))),
  );
  t.pass('they were');
});
