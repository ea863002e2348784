// sipp as trunk and as desk phone: calls at once, each recorded exactly.
import t from 'tap';
import { runRecordedCalls } from './recorded-calls.ts';
import { noSipp } from './sipp.ts';
import { noWitness } from './witness.ts';

t.test(
  'ten calls at once from a trunk to a recorded DN',
  { skip: noSipp || noWitness, timeout: 90_000 },
  async (t) => {
    const report = await runRecordedCalls({ calls: 10, rate: 10, seconds: 4 });
    t.same(report.status, [0, 0], report.errors);
    t.equal(report.recordings, 10);
    t.equal(report.complete, 10);
    t.same(report.differences, []);
    t.equal(report.exactChannels, 20);
    t.ok(report.worstDurationMs <= 20, `${report.worstDurationMs} ms off`);
    t.same(report.problems, []);
  },
);
