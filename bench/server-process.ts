// A server that a benchmark starts: bound to cores, waited for, and ended however the benchmark ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';

const READY_MS = 20_000;
const POLL_MS = 50;

/**
 * @param cores for taskset; undefined leaves it where the kernel puts it
 * @param log file descriptor that takes all it says
 */
export function startProcess(
  cores: string | undefined,
  program: string,
  argv: readonly string[],
  log: number,
): ChildProcess {
  const [command, ...rest] =
    cores === undefined ? [program, ...argv] : ['taskset', '-c', cores, program, ...argv];
  const child = spawn(command ?? program, rest, { stdio: ['ignore', log, log] });
  process.once('exit', () => child.kill());
  return child;
}

/** Resolves when the probe does. @throws Error with what it said, when it has ended or takes too long */
export async function untilReady(
  child: ChildProcess,
  probe: () => Promise<unknown>,
  log: () => string,
): Promise<void> {
  const limit = performance.now() + READY_MS;
  for (;;) {
    try {
      await probe();
      return;
    } catch {
      const isOver = child.exitCode !== null || performance.now() > limit;
      if (isOver) throw new Error(`the server does not start:\n${log()}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** Ends it, and removes what it left in its directory. */
export async function endProcess(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null) {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
}
