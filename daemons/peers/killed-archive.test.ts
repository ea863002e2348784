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
import { verifyAudit } from '../../src/audit/read.ts';

const ROUNDS = 8;
const PURGE_ROUNDS = 5;
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

t.test('kill -9 while recordings are held and deleted', async (t) => {
  const archive = emptyArchive(t);
  const program = join(import.meta.dirname, '..', '..', 'src', 'processing', 'purging-fixture.ts');
  t.comment(`seed ${SEED}`);
  let random = SEED;
  let told = 0;
  for (let round = 0; round < PURGE_ROUNDS; round += 1) {
    const args = [program, archive.directory, archive.signingKey, String(told + 1)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => child.kill('SIGKILL'));
    await follow(child, (number) => {
      told = number;
    });
    random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
    await delay(random % LONGEST_LIFE_MS);
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  const args = [program, archive.directory, archive.signingKey, '0', 'finish'];
  const [code] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'close');
  t.equal(code, 0);
  const report = await verifyArchive({ archive: archive.directory, now: Date.now() + 86_400_000 });
  t.same(report.findings, []);
  const held = Math.floor(told / 3);
  t.ok(report.recordings >= held, `${report.recordings} recordings, ${held} under hold`);
  t.ok(report.deleted >= told - held, `${report.deleted} deleted`);
  const names = readdirSync(join(archive.directory, '2026/01/31')).map((id) => Number(id.slice(-12)));
  t.same(
    names.filter((number) => number % 3 !== 0 && number <= told),
    [],
    'those under hold are left, and no others',
  );
  t.same((await verifyAudit(join(archive.directory, '..', 'audit'))).findings, []);
});
