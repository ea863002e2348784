// The processor killed while it works: every recording is there afterwards, once and whole.
import t from 'tap';
import { killProcessor } from './kill-procd.ts';
import { anySeed } from './outages.ts';
import { noSipp } from './sipp.ts';

t.test('grec-procd killed three times during calls', { skip: noSipp, timeout: 90_000 }, async (t) => {
  const report = await killProcessor(3, anySeed(), 8);
  t.match(report, { recordings: 8, complete: 8, exactChannels: 16, archived: 8, alarms: 0 });
  t.same([...report.leftovers, ...report.unverified, ...report.differences], [], `seed ${report.seed}`);
});
