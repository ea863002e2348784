// kill -9 at any instant of archiving: the chain has no gap, every recording is whole, none is lost that was there.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { repairChain } from '../../src/archive/chain.ts';
import { DAY, emptyArchive } from '../../src/archive/chained-fixture.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import { removeLeftovers } from '../../src/archive/write.ts';

const ROUNDS = 8;
const LONGEST_LIFE_MS = 60;
const SEED = Date.now() % 1_000_000;

/** Counts what it says is archived. */
async function follow(child: ChildProcess, onCount: (count: number) => void): Promise<void> {
  child.stdout?.on('data', (bytes: Buffer) => {
    const last = bytes.toString().trim().split('\n').at(-1);
    onCount(Number(last));
  });
  await once(child.stdout ?? child, 'data');
}

t.test('kill -9 while recordings are archived and made again', async (t) => {
  const archive = emptyArchive(t);
  const program = join(import.meta.dirname, '..', '..', 'src', 'archive', 'archiving-fixture.ts');
  t.comment(`seed ${SEED}`);
  let random = SEED;
  let told = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const args = [program, archive.directory, archive.signingKey, String(told)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => child.kill('SIGKILL'));
    await follow(child, (count) => {
      told = count;
    });
    random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
    await delay(random % LONGEST_LIFE_MS);
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  await removeLeftovers(archive.directory, [DAY]);
  const head = await repairChain(archive.directory);
  const report = await verifyArchive({ archive: archive.directory });
  t.same(report.findings, []);
  // Every third one was an older one made again.
  const fewest = told - Math.floor(told / 3);
  t.ok(report.recordings >= fewest, `${report.recordings} recordings, ${fewest} at least`);
  t.equal(report.head?.sequence, head?.sequence);
  t.ok((head?.sequence ?? 0) >= told, 'what was archived is a link');
  const names = readdirSync(join(archive.directory, '2026/01/31'));
  t.same(
    names.filter((name) => name.startsWith('.')),
    [],
  );
});
