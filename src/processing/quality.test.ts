// What is told of a channel's quality: loss, order, jitter, round trip, MOS; and that pauses are no loss.
import t from 'tap';
import { MULAW_TO_LINEAR } from '../rtp/g711.ts';
import { readReports } from '../rtp/rtcp.ts';
import { estimateMos } from './e-model.ts';
import { LossRuns } from './loss-runs.ts';
import { QualityMeter } from './quality.ts';
import type { PayloadKind } from './stream-map.ts';

const PCMU: PayloadKind = { kind: 'audio', encoding: 'PCMU', clockRate: 8000, table: MULAW_TO_LINEAR };
const SECOND_US = 1_000_000;

interface Sent {
  channel?: 0 | 1;
  from?: number;
  count?: number;
  lose?: number[];
  /** Lateness of each packet, microseconds. */
  delay?: (index: number) => number;
}

/** Packets of 20 ms, sequence numbers that go round. */
function send(
  meter: QualityMeter,
  { channel = 0, from = 0, count = 100, lose = [], delay = () => 0 }: Sent = {},
): void {
  for (let index = from; index < from + count; index += 1) {
    if (lose.includes(index)) continue;
    meter.add({
      channel,
      at: index * 20_000 + delay(index),
      ssrc: 10 + channel,
      sequenceNumber: (65_500 + index) & 0xffff,
      timestamp: (4_294_960_000 + index * 160) % 2 ** 32,
      kind: PCMU,
    });
  }
}

t.test('a stream without fault', async (t) => {
  const meter = new QualityMeter();
  send(meter);
  t.same(meter.result(0), {
    lost: 0,
    duplicates: 0,
    reordered: 0,
    lostInRow: 0,
    longestGapMs: 20,
    jitterMs: 0,
    maxJitterMs: 0,
    roundTripMs: undefined,
    maxRoundTripMs: undefined,
    mos: 4.41,
    rtcp: undefined,
  });
  t.match(meter.result(1), { lost: 0, mos: undefined, jitterMs: undefined });
});

t.test('loss, in a row and alone, costs; the longest gap is that of the longest row', async (t) => {
  const meter = new QualityMeter();
  send(meter, { lose: [20, 50, 51, 52] });
  const { mos = 0, ...rest } = meter.result(0);
  t.match(rest, { lost: 4, lostInRow: 3, longestGapMs: 80 });
  t.ok(mos > 1 && mos < 3.5, `${mos}`);
});

t.test('what was kept out of the capture is not lost', async (t) => {
  const meter = new QualityMeter();
  send(meter, { lose: [50, 51, 52] });
  t.match(meter.result(0, 3), { lost: 0, lostInRow: 0, mos: 4.41 });
});

t.test('between two segments nothing is lost', async (t) => {
  const meter = new QualityMeter();
  send(meter, { count: 50 });
  meter.beginSegment();
  send(meter, { from: 550, count: 50 });
  t.match(meter.result(0), { lost: 0, longestGapMs: 20, mos: 4.41 });
});

t.test('jitter is that of RFC 3550 section 6.4.1', async (t) => {
  const meter = new QualityMeter();
  send(meter, { count: 400, delay: (index) => (index % 2) * 8000 });
  // |D| is 8 ms each time, so that J goes to 8 ms: 8 (1 - (15/16)^n).
  const { jitterMs = 0, maxJitterMs = 0 } = meter.result(0);
  t.equal(maxJitterMs, 8);
  t.ok(jitterMs > 7.5 && jitterMs < 8, `${jitterMs}`);
});

t.test('reordering and duplicates are no loss', async (t) => {
  const runs = new LossRuns();
  for (const number of [65_534, 65_535, 1, 0, 2, 2, 3, 7, 6, 5, 4]) runs.add(number);
  runs.end();
  t.match(runs.counts, { received: 10, lost: 0, duplicates: 1, reordered: 4, longestRun: 0 });
  const long = new LossRuns();
  for (let number = 0; number < 5000; number += 1) if (number % 1000 !== 999) long.add(number & 0xffff);
  long.add(40_000);
  long.end();
  t.match(
    long.counts,
    { lost: 4, runs: 4, longestRun: 1 },
    'the last one was not missed yet, and a restart is no loss',
  );
});

/** A sender report of `ssrc`, and a receiver report on `source` that answers one. */
function report(ssrc: number, ntpMiddle: number): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.set([0x80, 200, 0, 6]);
  bytes.writeUInt32BE(ssrc, 4);
  bytes.writeUInt32BE(ntpMiddle, 10);
  return bytes;
}

function answer(source: number, lastReport: number, delayS: number): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.set([0x81, 201, 0, 7]);
  bytes.writeUInt32BE(source, 8);
  bytes[12] = 64;
  bytes.writeIntBE(9, 13, 3);
  bytes.writeUInt32BE(40, 20);
  bytes.writeUInt32BE(lastReport, 24);
  bytes.writeUInt32BE(delayS * 65_536, 28);
  return bytes;
}

t.test(
  'the round trip: from the other party’s report to the answer, without the time that it was kept',
  async (t) => {
    const meter = new QualityMeter();
    send(meter, { channel: 1 });
    meter.addReports(1, SECOND_US, readReports(report(11, 0xabcd)));
    meter.addReports(0, SECOND_US + 540_000, readReports(answer(11, 0xabcd, 0.5)));
    // Of a source that nobody sends, as when it is encrypted, nothing is believed.
    meter.addReports(0, SECOND_US + 540_000, readReports(answer(999, 0xabcd, 0.5)));
    meter.addReports(0, SECOND_US + 640_000, readReports(answer(11, 0x1111, 0.5)));
    t.match(meter.result(0), {
      roundTripMs: 40,
      maxRoundTripMs: 40,
      rtcp: { reports: 2, lost: 9, maxFractionLost: 0.25, jitterMs: 5 },
    });
    t.match(meter.result(1), { rtcp: undefined, roundTripMs: undefined });
  },
);

t.test('any number of sources takes no memory to speak of, and is counted', async (t) => {
  const meter = new QualityMeter();
  for (let ssrc = 0; ssrc < 5000; ssrc += 1)
    for (const sequenceNumber of [1, 3])
      meter.add({ channel: 0, at: ssrc, ssrc, sequenceNumber, timestamp: 0, kind: PCMU });
  t.match(meter.result(0), { lost: 5000, lostInRow: 1 });
});

t.test('the E-model: values that follow from its formulas', async (t) => {
  const of = (encoding: string, lossRate = 0, meanLossRun = 1, delayMs = 0) =>
    estimateMos({ encoding, lossRate, meanLossRun, delayMs });
  t.equal(of('PCMA'), 4.41);
  t.equal(of('G729'), 4.1);
  // Ie,eff = 95 / (1 + 4.3) = 17.92; R = 75.28.
  t.equal(of('PCMU', 0.01), 3.83);
  t.ok((of('PCMU', 0.02, 4) ?? 5) < (of('PCMU', 0.02) ?? 0), 'bursts are worse');
  // Id = 0.024 x 400 + 0.11 x 222.7 = 34.1; R = 59.1.
  t.equal(of('PCMU', 0, 1, 400), 3.05);
  t.equal(of('PCMU', 1), 1);
  t.equal(of('OPUS'), undefined);
});
