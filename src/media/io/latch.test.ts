// Whose packets are heard: the rule of latch.ts, case by case.
import fc from 'fast-check';
import t from 'tap';
import { buildRtpPacket, buildSenderReport } from '../../testing/packets.ts';
import { isHiddenAddress, Latch } from './latch.ts';

const packet = (n: number, ssrc = 1) =>
  buildRtpPacket({
    payloadType: 0,
    sequenceNumber: n & 0xffff,
    timestamp: n,
    ssrc,
    payload: new Uint8Array(1),
  });

function judge(latch: Latch, address: string, port: number, count: number, ssrc = 1) {
  return Array.from({ length: count }, (_, index) => latch.judge(address, port, packet(65533 + index, ssrc)));
}

function expecting(address: string, port: number): Latch {
  const latch = new Latch('rtp');
  latch.expect({ address, port });
  return latch;
}

t.test('the very address of SDP is heard at once, and nobody else after it', async (t) => {
  const latch = expecting('203.0.113.1', 4000);
  t.strictSame(latch.destination, { address: '203.0.113.1', port: 4000 });
  t.strictSame(judge(latch, '203.0.113.1', 4000, 2), ['latched', 'heard']);
  t.strictSame(judge(latch, '203.0.113.1', 4001, 6), Array(6).fill('stranger'));
  t.strictSame(judge(latch, '203.0.113.9', 4000, 6), Array(6).fill('stranger'));
  t.ok(latch.isFinal);
});

t.test(
  'another port of the same host proves itself by five packets in sequence, and gives way',
  async (t) => {
    const latch = expecting('203.0.113.1', 4000);
    t.strictSame(judge(latch, '203.0.113.1', 9999, 6), ['held', 'held', 'held', 'held', 'latched', 'heard']);
    t.strictSame(latch.destination, { address: '203.0.113.1', port: 9999 });
    t.notOk(latch.isFinal);
    t.strictSame(judge(latch, '203.0.113.1', 7777, 6), Array(6).fill('stranger'), 'no better, so a stranger');
    t.strictSame(judge(latch, '203.0.113.1', 4000, 1), ['latched']);
    t.strictSame(judge(latch, '203.0.113.1', 9999, 6), Array(6).fill('stranger'));
  },
);

t.test('noise from everywhere does not pass the probation', async (t) => {
  const latch = expecting('192.168.1.5', 4000);
  for (let n = 0; n < 100; n += 1) {
    const verdict = latch.judge('198.51.100.7', 5000, packet(n * 977, n));
    if (verdict !== 'held') t.fail(`packet ${n}: ${verdict}`);
  }
  t.equal(latch.source, undefined);
});

t.test('any host may stand in for an address behind a NAT, none for a public one', async (t) => {
  const hidden = expecting('192.168.1.5', 4000);
  t.equal(judge(hidden, '198.51.100.7', 5000, 5).at(-1), 'latched');
  t.strictSame(hidden.destination, { address: '198.51.100.7', port: 5000 });
  const open = expecting('203.0.113.1', 4000);
  t.strictSame(judge(open, '198.51.100.7', 5000, 6), Array(6).fill('stranger'));
  t.strictSame(
    ['10.0.0.1', '172.31.0.1', '192.168.0.1', '100.64.0.1', '169.254.1.1', 'fd00::1', 'fe80::1'].map(
      isHiddenAddress,
    ),
    Array(7).fill(true),
  );
  t.strictSame(
    ['8.8.8.8', '172.32.0.1', '127.0.0.1', '2001:db8::1'].map(isHiddenAddress),
    Array(4).fill(false),
  );
});

t.test('the source of the signalling counts as the host', async (t) => {
  const latch = new Latch('rtp');
  latch.expect({ address: '203.0.113.1', port: 4000, alsoFrom: '198.51.100.7' });
  t.equal(judge(latch, '198.51.100.7', 5000, 5).at(-1), 'latched');
});

t.test('when it is known, no other host stands in for an address behind a NAT', async (t) => {
  const latch = new Latch('rtp');
  latch.expect({ address: '192.168.1.5', port: 4000, alsoFrom: '198.51.100.7' });
  t.strictSame(judge(latch, '203.0.113.66', 5000, 20), Array(20).fill('stranger'));
  t.strictSame(latch.destination, { address: '192.168.1.5', port: 4000 });
  t.equal(judge(latch, '198.51.100.7', 5000, 5).at(-1), 'latched');
});

t.test('before SDP comes packets are held', async (t) => {
  const latch = new Latch('rtp');
  t.strictSame(judge(latch, '203.0.113.1', 4000, 3), ['held', 'held', 'held']);
  t.equal(latch.destination, undefined);
});

t.test('new SDP on the same host: the old source is heard until the new one speaks', async (t) => {
  const latch = expecting('203.0.113.1', 4000);
  judge(latch, '203.0.113.1', 4000, 1);
  latch.expect({ address: '203.0.113.1', port: 6000 });
  t.strictSame(latch.destination, { address: '203.0.113.1', port: 6000 });
  t.strictSame(judge(latch, '203.0.113.1', 4000, 1), ['heard']);
  t.strictSame(judge(latch, '203.0.113.1', 6000, 1), ['latched']);
  t.strictSame(judge(latch, '203.0.113.1', 4000, 9), Array(9).fill('stranger'));
});

t.test('new SDP on another host: the old source is a stranger at once', async (t) => {
  const latch = expecting('203.0.113.1', 4000);
  judge(latch, '203.0.113.1', 4000, 1);
  latch.expect({ address: '203.0.113.2', port: 4000 });
  t.strictSame(judge(latch, '203.0.113.1', 4000, 6), Array(6).fill('stranger'));
  t.strictSame(judge(latch, '203.0.113.2', 4000, 1), ['latched']);
});

t.test('the same SDP again changes nothing, a hold ends only the sending', async (t) => {
  const latch = expecting('203.0.113.1', 4000);
  judge(latch, '203.0.113.1', 4000, 1);
  latch.expect({ address: '203.0.113.1', port: 4000 });
  t.ok(latch.isFinal);
  latch.expect({ address: '0.0.0.0', port: 4000 });
  t.equal(latch.destination, undefined);
  t.strictSame(judge(latch, '203.0.113.1', 4000, 1), ['heard']);
  latch.expect({ address: '203.0.113.1', port: 4000 });
  t.strictSame(judge(latch, '203.0.113.1', 4000, 1), ['latched']);
});

t.test('RTCP is heard from hosts that are known, and from no other', async (t) => {
  const latch = new Latch('rtcp');
  t.strictSame(judge(latch, '203.0.113.1', 4001, 1), ['stranger'], 'before SDP');
  latch.expect({ address: '192.168.1.5', port: 4001 });
  t.strictSame(judge(latch, '198.51.100.7', 5001, 9), Array(9).fill('stranger'));
  const report = (ssrc: number) =>
    buildSenderReport({ ssrc, at: 0, rtpTimestamp: 0, packetCount: 0, octetCount: 0 });
  latch.trust('198.51.100.7', 77);
  t.equal(latch.judge('198.51.100.7', 5001, report(78)), 'stranger', 'somebody else behind the same NAT');
  t.equal(latch.judge('198.51.100.8', 5001, report(77)), 'stranger');
  const bye = Buffer.from('80cb00000000004d', 'hex');
  t.equal(
    latch.judge('198.51.100.7', 5001, bye),
    'stranger',
    'without an SSRC: what follows is not of the packet',
  );
  t.equal(latch.judge('198.51.100.7', 5001, report(77)), 'latched');
  t.equal(latch.judge('198.51.100.7', 5001, report(78)), 'heard', 'a source that is heard may change it');
  t.strictSame(judge(latch, '192.168.1.5', 4001, 1), ['latched']);
});

t.test('whatever comes, once the exact source was heard it stays heard and alone', async (t) => {
  const source = fc.tuple(
    fc.constantFrom('192.168.1.5', '198.51.100.7', '203.0.113.1'),
    fc.constantFrom(4000, 4001, 5000),
  );
  fc.assert(
    fc.property(fc.array(source, { maxLength: 60 }), (sources) => {
      const latch = expecting('192.168.1.5', 4000);
      let isLatched = false;
      return sources.every(([address, port], n) => {
        const isExact = address === '192.168.1.5' && port === 4000;
        const verdict = latch.judge(address, port, packet(n));
        isLatched ||= isExact;
        if (isExact) return verdict === 'heard' || verdict === 'latched';
        return !isLatched || verdict === 'stranger';
      });
    }),
  );
  t.pass();
});
