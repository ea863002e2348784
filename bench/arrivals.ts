// One conversation, made known in any order, again and again: node bench/arrivals.ts [--runs N] [--seed S]
//
// Two switches have recorded it. Their journals and spools appear piece by piece, shuffled, doubled and half written, while
// the processor is restarted and its catalog lost; the recording must be the same each time.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { inOrder, play, seeded, shuffled } from '../src/processing/fixtures/arrivals.ts';
import { attendedTransfer } from '../src/processing/fixtures/stories.ts';

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '1000' }, seed: { type: 'string', default: '1' } },
});
const [runs, first] = [Number(values.runs), Number(values.seed)];
const directory = mkdtempSync(join(tmpdir(), 'grec-arrivals-'));
const story = attendedTransfer();
const different: number[] = [];
try {
  const expected = await play(join(directory, 'reference'), story, inOrder(story));
  for (let seed = first; seed < first + runs; seed += 1) {
    const outcome = await play(join(directory, 'run'), story, shuffled(story, seeded(seed)));
    if (isDeepStrictEqual(outcome, expected)) continue;
    different.push(seed);
    process.stdout.write(`seed ${seed}: ${JSON.stringify(outcome).slice(0, 2000)}\n`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.stdout.write(`${runs} orders from seed ${first} on: ${different.length} made something else\n`);
process.exitCode = different.length === 0 ? 0 : 1;
