// The demonstration as its user sees it: a process, its output, its status, the commands it prints, nothing left behind.
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';

const GREC = fileURLToPath(new URL('../../bin/grec.ts', import.meta.url));
const run = promisify(execFile);

interface Output {
  stdout: string;
  stderr: string;
}

/** `grec demo` with its output as it grows. */
function startDemo(...words: string[]): {
  child: ChildProcessWithoutNullStreams;
  output: Output;
  closed: Promise<unknown[]>;
} {
  const child = spawn(process.execPath, [GREC, 'demo', ...words]);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk;
  });
  return { child, output, closed: once(child, 'close') };
}

/** The path of a Unix socket is short: the state cannot lie in `t.testdir`. */
function shortFolder(t: { teardown(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'grec-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Process ids that daemons left in their state directory: none when they ended in order. */
function pidFiles(state: string): string[] {
  return readdirSync(join(state, 'run')).filter((name) => name.endsWith('.pid'));
}

t.test('a call is recorded, shown and proved; the commands that it prints work as printed', async (t) => {
  const folder = shortFolder(t);
  const state = join(folder, 'state');
  const { output, closed } = startDemo('--keep', state);
  const [status] = await closed;
  t.equal(status, 0, output.stderr);
  t.equal(output.stderr, '');
  const names = [...output.stdout.matchAll(/^ {2}([1-7]) +(\d+\.\d\d) s {2}(\w+)/gm)];
  t.same(
    names.map(([, step, , name]) => `${step} ${name}`),
    ['1 started', '2 bridged', '3 recorded', '4 ended', '5 consolidated', '6 indexed', '7 heard'],
  );
  t.match(output.stdout, /\nL [▁-█ ]+\n/);
  t.match(output.stdout, /\nR [▁-█ ]+\n/);
  t.notMatch(output.stdout, 'FAILED');
  t.notMatch(output.stdout, '\u001b', 'plain where it is no terminal');
  t.same(pidFiles(state), [], 'no daemon is left');

  const commands = [...output.stdout.matchAll(/^ {2}npx grec (.*)$/gm)].map(([, words = '']) =>
    words.split(' '),
  );
  t.same(
    commands.map((words) => words[2]),
    ['ls', 'show', 'play', 'export'],
  );
  for (const words of commands) {
    // Without a loudspeaker, what would be played goes to standard output.
    const more = words[2] === 'play' ? ['--stdout'] : [];
    const result = await run(process.execPath, [GREC, ...words, ...more], {
      cwd: folder,
      encoding: 'latin1',
    });
    t.not(result.stdout, '', words.join(' '));
  }
  const recorded = /^ {2}(\/.*audio\.wav)$/m.exec(output.stdout)?.[1] ?? '';
  t.same(readFileSync(join(folder, 'call.wav')), readFileSync(recorded), 'the export is the recording');
});

t.test('Ctrl-C in the middle of the call stops everything', async (t) => {
  const state = join(shortFolder(t), 'state');
  const { child, output, closed } = startDemo('--keep', state);
  while (!/^ {2}3 .*recorded/m.test(output.stdout) && child.exitCode === null) {
    await Promise.race([once(child.stdout, 'data'), closed]);
  }
  child.kill('SIGINT');
  const [status] = await closed;
  t.equal(status, 130, output.stderr);
  t.match(output.stderr, /interrupted by SIGINT; the daemons are stopped/);
  t.same(pidFiles(state), []);
});

t.test('a directory that is not empty is refused before anything starts', async (t) => {
  const keep = t.testdir({ file: '' });
  const { output, closed } = startDemo('--keep', keep, '--json');
  const [status] = await closed;
  t.equal(status, 5);
  t.match(JSON.parse(output.stderr), { error: { code: 'FILE_EXISTS' } });
  t.equal(existsSync(join(keep, 'run')), false);
});
