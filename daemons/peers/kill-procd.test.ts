// The processor killed while it works: every recording is there afterwards, once and whole.
import t from 'tap';
import { killProcessor } from './kill-procd.ts';
import { anySeed } from './outages.ts';
import { noSipp } from './sipp.ts';

t.test('grec-procd killed twice during calls', { skip: noSipp, timeout: 90_000 }, async (t) => {
  const report = await killProcessor(2, anySeed(), 5);
  t.match(report, { recordings: 5, complete: 5, exactChannels: 10, archived: 5, alarms: 0 });
  t.same([...report.leftovers, ...report.unverified, ...report.differences], [], `seed ${report.seed}`);
});
