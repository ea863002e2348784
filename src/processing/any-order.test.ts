// Whatever the order in which a conversation becomes known, with doubles, half-written files, restarts and a lost catalog: the
// same recording comes of it. bench/arrivals.ts does the same for longer.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { inOrder, play, seeded, shuffled } from './fixtures/arrivals.ts';
import { attendedTransfer, RECORDINGS } from './fixtures/stories.ts';

const RUNS = 12;

t.test('shuffled, doubled and truncated journals and spools make the same recording', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'grec-any-order-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const story = attendedTransfer();
  const expected = await play(join(directory, 'reference'), story, inOrder(story));
  t.same(Object.keys(expected), [RECORDINGS.customers]);
  const property = fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 32 - 1 }), async (seed) => {
    const outcome = await play(join(directory, 'run'), story, shuffled(story, seeded(seed)));
    t.same(outcome, expected, `seed ${seed}`);
    return t.passing();
  });
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
});
