// A short run of the fuzzer; bench/fuzz-sip.ts is the long one.
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { Fuzzer } from './fuzz.ts';
import { fuzz } from './fuzz-run.ts';

const FOLDER = new URL('./fixtures/torture/', import.meta.url);

t.test(
  'hostile datagrams and streams: no exception, no stall, and what is accepted survives being printed',
  async (t) => {
    const corpus = readdirSync(FOLDER).map((file) => readFileSync(new URL(file, FOLDER)));
    const report = fuzz({
      seed: 4475,
      datagrams: 20_000,
      streams: 2000,
      corpus,
      now: () => performance.now(),
      heapUsed: () => process.memoryUsage().heapUsed,
    });
    const failures = report.failures
      .slice(0, 5)
      .map(({ what, bytes }) => ({ what, bytes: bytes.toString('latin1').slice(0, 2000) }));
    t.same(failures, []);
    t.ok(report.slowest.milliseconds < 5, `the slowest took ${report.slowest.milliseconds.toFixed(2)} ms`);
    t.ok(report.accepted > 2000, `${report.accepted} accepted`);
    t.ok(report.refused > 5000, `${report.refused} refused`);
    t.ok(report.answerable > 1000, `${report.answerable} answerable`);
  },
);

t.test('a seed gives the same messages again', async (t) => {
  const sample = (seed: number) => {
    const fuzzer = new Fuzzer(seed);
    return Buffer.concat(Array.from({ length: 100 }, () => fuzzer.datagram()));
  };
  t.ok(sample(1).equals(sample(1)));
  t.notOk(sample(1).equals(sample(2)));
});
