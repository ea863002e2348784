// A spool and journals that are hostile cost no good call its recording, and change nothing outside of the state directory.
import t from 'tap';
import { besiegeSpool } from './spool-siege.ts';

t.test(
  'good calls beside mutated facts, captures, events and files that are none',
  { timeout: 120_000 },
  async (t) => {
    const { faults, recordings, good } = await besiegeSpool({ seed: 7, rounds: 20, each: 4 });
    t.same(faults, []);
    t.ok((recordings['complete'] ?? 0) >= good);
    t.ok((recordings['failed'] ?? 0) > 0, 'what cannot be made into audio is told');
  },
);
