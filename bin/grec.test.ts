// `grec` as a process: streams, statuses, closed pipes, and the launcher on a Node that is too old.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { runProgram } from '../src/cli/fixtures/daemons.ts';
import { stateWithRecordings } from '../src/cli/fixtures/state.ts';
import { findNode, isModern } from '../src/node-version.ts';

const GREC = join(import.meta.dirname, 'grec.ts');

t.test('data on standard output, errors on standard error, the status of the table', async (t) => {
  const { configFile } = stateWithRecordings(t);
  const list = spawnSync(process.execPath, [GREC, '--config', configFile, 'ls'], { encoding: 'utf8' });
  t.strictSame([list.status, list.stderr], [0, '']);
  t.match(list.stdout, /^ID .*STATE\n/);
  const unknown = spawnSync(process.execPath, [GREC, '--config', configFile, 'show', 'ffff'], {
    encoding: 'utf8',
  });
  t.strictSame([unknown.status, unknown.stdout], [3, '']);
  t.match(unknown.stderr, /^grec: there is no recording "ffff"\n {2}/);
});

t.test('a reader that goes away is no error', async (t) => {
  const { configFile } = stateWithRecordings(t);
  // Its reader has gone before the first byte comes.
  for (const words of [['play', '1a2b', '--stdout'], ['export', '1a2b', '-o', '-'], ['ls']]) {
    const shell = `"$@" | true; echo "\${PIPESTATUS[0]}"`;
    const argv = ['-c', shell, 'bash', process.execPath, GREC, '--config', configFile, ...words];
    const { stdout, stderr } = spawnSync('bash', argv, { encoding: 'utf8' });
    t.strictSame([stdout, stderr], ['0\n', ''], words.join(' '));
  }
});

t.test('which Node will do', async (t) => {
  for (const version of ['22.12.0', '22.13.1', '23.0.0', '24.21.0', '100.0.0'])
    t.ok(isModern(version), version);
  for (const version of ['22.11.9', '20.20.2', '18.0.0', '4.9.1']) t.notOk(isModern(version), version);
});

/** A checkout with the launcher, compiled, and a program that a Node of its own would run. */
function checkout(t: { teardown(work: () => void): void }, hasNode: boolean) {
  const directory = mkdtempSync(join(tmpdir(), 'grec-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'dist', 'bin'), { recursive: true });
  const program = join(directory, 'dist', 'bin', 'program.ts');
  const launcher = join(import.meta.dirname, '..', 'src', 'node-version.ts');
  // The version is what the launcher is asked to believe; all else is real.
  writeFileSync(
    program,
    `if (!process.env.NEW_NODE) Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.1.0' } });
     const { runsOnModernNode } = await import('${launcher}');
     if (await runsOnModernNode(import.meta.filename)) {
       const work = { exit: () => process.exit(7), signal: () => process.kill(process.pid, 'SIGKILL'),
         wait: () => { process.on('SIGTERM', () => process.exit(8)); setInterval(() => {}, 1000); console.log('waiting'); } };
       console.log(process.argv.slice(2).join());
       work[process.argv[2]]();
     }`,
  );
  if (hasNode) {
    const bin = join(directory, 'node_modules', 'node', 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'node'), `#!/bin/sh\nNEW_NODE=1 exec ${process.execPath} "$@"\n`);
    chmodSync(join(bin, 'node'), 0o755);
  }
  return { directory, program };
}

t.test('an old Node hands over to the nearest one: arguments, streams, status, signals', async (t) => {
  const { directory, program } = checkout(t, true);
  t.equal(findNode(join(directory, 'dist', 'bin')), join(directory, 'node_modules', 'node', 'bin', 'node'));
  const exits = spawnSync(process.execPath, [program, 'exit', 'a b'], { encoding: 'utf8' });
  t.strictSame([exits.status, exits.stdout, exits.stderr], [7, 'exit,a b\n', '']);
  const killed = spawnSync(process.execPath, [program, 'signal']);
  t.equal(killed.signal, 'SIGKILL');
  const waits = runProgram(t, [program, 'wait']);
  await waits.line(/waiting/);
  waits.child.kill('SIGTERM');
  t.strictSame(await waits.ended, { code: 8, signal: null });
});

t.test('an old Node alone says in one line what to install', async (t) => {
  const { program } = checkout(t, false);
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'exit'], { encoding: 'utf8' });
  t.strictSame([status, stdout], [1, '']);
  t.match(stderr, /^grec needs Node 22\.12 or newer and this is 20\.1\.0: install Node 24 .*\n$/);
});

t.test('the launcher stands alone: it imports nothing but Node itself', async (t) => {
  const imports = (file: string) =>
    [...readFileSync(file, 'utf8').matchAll(/^import .* from '([^']+)';$/gm)].map(([, name]) => name);
  t.strictSame(
    imports(join(import.meta.dirname, '..', 'src', 'node-version.ts')).filter(
      (name) => !name?.startsWith('node:'),
    ),
    [],
  );
  t.strictSame(
    imports(GREC).filter((name) => !name?.startsWith('node:')),
    ['../src/node-version.ts'],
  );
});
