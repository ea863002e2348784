// The media server and its workers killed under load: every packet is relayed, recorded, or within the stated loss.
import t from 'tap';
import { killMediaServer } from './kill-mediad.ts';

t.test('rule 7: a few kills, and no packet that nothing accounts for', { timeout: 120_000 }, async (t) => {
  // This seed kills the daemon and a worker, each when all has recovered from the kill before; bench/kill-mediad.ts is less patient.
  // What may be late on a machine that runs other tests beside this one is no matter here.
  const report = await killMediaServer({ kills: 3, seed: 1, calls: 2, graceMs: 800 });
  t.strictSame(report.problems, [], `seed ${report.seed}`);
  t.strictSame(report.dropped, []);
  t.strictSame(report.leftovers, []);
  t.strictSame(report.recordings, { partial: 2 });
  t.ok(report.packets.recorded > 0 && (report.segments['recovered'] ?? 0) > 0);
  t.ok(report.worstDurationMs < 250, `${report.worstDurationMs} ms of a length that is not true`);
});
