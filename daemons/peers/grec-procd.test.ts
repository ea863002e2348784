// grec-procd as a process: it does its work, and being killed at any instant changes nothing of the outcome.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { verifyFiles } from '../../src/archive/read.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import { openCatalogReader } from '../../src/catalog/catalog.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { askDaemon } from '../../src/control.ts';
import {
  callBegins,
  callEnds,
  captureOf,
  FakeState,
  metadataOf,
  T0,
  talk,
} from '../../src/processing/fixtures/segments.ts';
import { Random } from '../../src/sip/fuzz.ts';

const PROGRAM = fileURLToPath(new URL('../grec-procd.ts', import.meta.url));

/** A state directory short enough for its sockets. */
function prepare(t: Test): { file: string; config: Config; state: FakeState } {
  const directory = mkdtempSync(join(tmpdir(), 'grec-procd-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'grec.toml');
  writeFileSync(file, 'state.directory = "state"\n');
  const config = loadConfig({ file });
  return { file, config, state: new FakeState(config.paths.state) };
}

function launch(t: Test, file: string): ChildProcess {
  const child = spawn(process.execPath, [PROGRAM, '--config', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

async function untilReady(child: ChildProcess): Promise<void> {
  if (child.stderr === null) throw new Error('no standard error');
  for await (const line of createInterface({ input: child.stderr })) {
    if (JSON.parse(line).msg === 'ready') break;
  }
  child.stderr.resume();
}

const sync = ({ paths }: Config) =>
  askDaemon<Record<string, unknown>>('grec-procd', join(paths.run, 'procd.sock'), 'POST', '/sync');

const idOf = (kind: string, index: number) =>
  `019aa000-0000-7000-8000-${kind}${String(index).padStart(8, '0')}`;

/** One finished call of half a second. */
function tellCall(state: FakeState, index: number): void {
  const [call, recording] = [idOf('ca11', index), idOf('0e0e', index)];
  const at = T0 + index * 100_000;
  state.append('grec-sipd', at, ...callBegins(call, recording));
  const talks = [...talk({ label: 'a', at, packets: 25 }), ...talk({ label: 'b', at, packets: 25 })];
  const metadata = metadataOf(recording, call);
  state.writeSegment(
    `seg-${index}`,
    { metadata, openedAt: at, closed: { at: at + 500_000 } },
    captureOf(talks),
  );
  state.append('grec-sipd', at + 500_000, ...callEnds(call, recording));
}

t.test('it starts, works, tells of itself and stops', async (t) => {
  const { file, config, state } = prepare(t);
  tellCall(state, 1);
  const child = launch(t, file);
  await untilReady(child);
  t.match(await sync(config), { recordings: 1, failed: 0, backlog: 0, alarms: 0 });
  tellCall(state, 2);
  t.match(await sync(config), { recordings: 2 });
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  t.equal(code, 0);
});

t.test('a catalog that is damaged is a clear refusal to start', async (t) => {
  const { file, config, state } = prepare(t);
  tellCall(state, 1);
  writeFileSync(config.paths.catalog, 'no database '.repeat(1000));
  const child = launch(t, file);
  let said = '';
  child.stderr?.on('data', (bytes) => {
    said += bytes;
  });
  const [code] = await once(child, 'close');
  t.equal(code, 1);
  t.match(said, /damaged.*cannot use the catalog/s);
  t.notMatch(said, /\n\s+at /);
});

t.test('rule 7: kill -9 at random instants loses nothing and makes nothing twice', async (t) => {
  const calls = 40;
  const seed = Number(Date.now() % 1_000_000);
  t.comment(`seed ${seed}`);
  const random = new Random(seed);
  const { file, config, state } = prepare(t);
  let told = 0;
  for (let round = 0; round < 3; round += 1) {
    const child = launch(t, file);
    await untilReady(child);
    for (const until = Math.min(calls, told + 12); told < until; told += 1) tellCall(state, told);
    await new Promise((done) => setTimeout(done, random.below(150)));
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  for (; told < calls; told += 1) tellCall(state, told);
  const child = launch(t, file);
  await untilReady(child);
  t.match(await sync(config), { recordings: calls, failed: 0, backlog: 0, alarms: 0 });
  child.kill('SIGTERM');
  await once(child, 'exit');

  const catalog = openCatalogReader(config.paths.catalog);
  const rows = catalog.list({ limit: calls + 1 });
  catalog.close();
  t.same(
    rows.map(({ id }) => id).sort(),
    Array.from({ length: calls }, (_, index) => idOf('0e0e', index)),
  );
  t.ok(rows.every(({ state: found, duration }) => found === 'complete' && duration === 500));
  t.ok(rows.every(({ path }) => verifyFiles(join(config.paths.archive, path ?? '')).ok));
  const { findings, head } = await verifyArchive({ archive: config.paths.archive });
  t.same(findings, []);
  t.equal(head?.sequence, calls, 'each recording is one link of the chain');
  t.same(readdirSync(config.paths.spool), []);
  const day = rows[0]?.path?.split('/').slice(0, 3).join('/') ?? '';
  t.equal(readdirSync(join(config.paths.archive, day)).length, calls, 'no leftovers');
});

t.test(
  'an alarm reaches the program that is to be told, also after a restart',
  { timeout: 60_000 },
  async (t) => {
    const { file, config, state } = prepare(t);
    const hook = join(config.paths.state, 'hook');
    const told = join(config.paths.state, 'told');
    const alarms = `[alarms]\ncommand = ["${hook}"]\n`;
    writeFileSync(file, `state.directory = "state"\n${alarms}`);
    state.append(
      'grec-sipd',
      T0,
      ...callBegins(idOf('ca11', 1), idOf('0e0e', 1)),
      ...callEnds(idOf('ca11', 1), idOf('0e0e', 1)),
    );
    // Answered, to be recorded, and nothing came: a failed recording. There is no program yet.
    const first = launch(t, file);
    await untilReady(first);
    await sync(config);
    const ended = once(first, 'exit');
    first.kill('SIGTERM');
    await ended;
    writeFileSync(hook, `#!/bin/sh\ncat >> "${told}"\n`, { mode: 0o755 });
    const second = launch(t, file);
    await untilReady(second);
    for (;;) {
      const line = existsSync(told) ? readFileSync(told, 'utf8') : '';
      if (line.endsWith('\n')) {
        t.match(JSON.parse(line), {
          daemon: 'grec-procd',
          alarm: 'recording-failed',
          facts: { recording: idOf('0e0e', 1) },
        });
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
);
