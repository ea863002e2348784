// rules 2 to 8: what is said in conversations that hold, pause and transfer over bad networks is in one recording each, in its place, though
// grec-procd is killed and the disk of the archive is full. bench/conversations.ts has hundreds of them.
import t from 'tap';
import { noDisk } from '../../src/testing/small-disk.ts';
import { playMany } from './many-conversations.ts';
import { anySeed } from './outages.ts';

t.test(
  'fourteen conversations, three kills, one full disk',
  { skip: noDisk(), timeout: 120_000 },
  async (t) => {
    const seed = anySeed();
    const report = await playMany({ seed, calls: 14, kills: 3, full: 1, desks: 8, disk: '32m' });
    t.match(report, { recordings: 14, complete: 14, archived: 14, kills: 3, timesFull: 1 });
    const { wrong, strangers, leftovers, unverified, unexpectedAlarms, problems } = report;
    t.same(
      [wrong, strangers, leftovers, unverified, unexpectedAlarms, problems].flat(),
      [],
      `seed ${seed}: node bench/conversations.ts --seed ${seed} --calls 14 --kills 3 --full 1 --desks 8`,
    );
    t.match(report.verify, { status: 0, said: /14 recordings: all intact/ });
    t.match(report.reconcile, { status: 0, said: /no difference/ });
    t.ok(report.packets.found > 1000, `${report.packets.found} packets were compared`);
  },
);
