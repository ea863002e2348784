// A short siege: the daemons stand, the live calls are heard and recorded to the sample, no stranger gets in.
import t from 'tap';
import { besiege } from './siege.ts';

t.test('rule 9: hostile SIP, ng and RTP against two recorded calls', { timeout: 90_000 }, async (t) => {
  const report = await besiege({
    seed: 7,
    sip: { udp: 4000, tcp: 1500, tls: 1500, calls: 40 },
    ng: { datagrams: 3000 },
    rtp: { packetsPerSecond: 5000, seconds: 1 },
    settles: false,
  });
  t.same(report.differences, []);
  t.equal(report.exactChannels, 4);
  t.equal(report.strangersHeard, 0);
  t.equal(report.lostPings, 0);
  t.same(report.problems, []);
  t.ok(report.logLines < 2000, `${report.logLines} lines of log`);
  t.ok(Object.keys(report.counters).length < 200, 'strangers do not name counters');
  // The machine may be busy with other tests; the bench is the place for the true figure.
  t.ok(report.ping.median < 250, `${report.ping.median} ms for fifty datagrams and a ping`);
});
