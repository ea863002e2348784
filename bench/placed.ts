// Where and how a process of a benchmark runs: bound to a core, and ahead of whatever else the machine does.
import { spawnSync } from 'node:child_process';

export interface Placement {
  /** For taskset; undefined leaves it where the kernel puts it. */
  cores?: string | undefined;
  /** Before every process that is not: nobody else's work is measured. Takes the right to it, which root has. */
  isRealtime?: boolean | undefined;
}

/** For sched_rr(7); the lowest is above all that is not real-time. */
const PRIORITY = '1';

const hasTaskset = spawnSync('taskset', ['--version']).error === undefined;

/** The command that starts `argv` so; without taskset it is bound to no core. */
export function placed(argv: readonly string[], { cores, isRealtime }: Placement): string[] {
  const bound = cores === undefined || !hasTaskset ? [] : ['taskset', '-c', cores];
  return [...bound, ...(isRealtime === true ? ['chrt', '--rr', PRIORITY] : []), ...argv];
}

/** Binds this process, too. */
export function bindSelf(cores: string): void {
  if (hasTaskset) spawnSync('taskset', ['-cp', cores, `${process.pid}`]);
}
