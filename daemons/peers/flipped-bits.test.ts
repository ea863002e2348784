// A bit that is flipped anywhere in an archive is found, and said where: hundreds of them, each in an archive that is whole otherwise.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  archiveOf,
  DAY,
  findingsOf,
  OLD_ID,
  record,
  recordUnsigned,
} from '../../src/archive/chained-fixture.ts';
import { Random } from '../../src/sip/fuzz.ts';

const DAY_MS = 86_400_000;
const SEED = 20_260_131;
const FLIPS = 300;

t.test('one bit flipped anywhere is found, in the file in which it is', async (t) => {
  const archive = await archiveOf(t, 3);
  await record(archive, 2, { audio: Buffer.from('made again') });
  recordUnsigned(archive, DAY - DAY_MS);
  t.same(await findingsOf(archive), []);
  const files = readdirSync(archive.directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'pending')
    .map((entry) => join(entry.parentPath, entry.name))
    // Nothing proves a manifest from before they were signed.
    .filter((file) => !file.endsWith(`${OLD_ID}/manifest.json`));
  t.equal(files.length, 18);
  const random = new Random(SEED);
  const missed: string[] = [];
  for (const file of files) {
    const bytes = readFileSync(file);
    const picked = Array.from({ length: Math.ceil(FLIPS / files.length) }, () => random.below(bytes.length));
    for (const at of new Set([0, bytes.length - 1, ...picked])) {
      const bit = random.below(8);
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << bit);
      writeFileSync(file, changed);
      const found = (await findingsOf(archive)).map((one) =>
        join(archive.directory, one.path ?? '', one.file ?? ''),
      );
      // A signature and its manifest are one: which of the two was changed cannot be told.
      const places = [file, file.replace(/\.sig$/, '.json')];
      if (!found.some((place) => places.includes(place)))
        missed.push(`${file} byte ${at} bit ${bit}: ${found}`);
    }
    writeFileSync(file, bytes);
  }
  t.same(missed, []);
  t.same(await findingsOf(archive), []);
});
