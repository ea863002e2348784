// What a process costs, as Linux counts it: processor time and memory, with those of its children where it has some.
import { readdirSync, readFileSync } from 'node:fs';

/** Kernel ticks a second, as Linux reports processor time to every process. */
const TICKS = 100;

/** Processor time that these processes have used, user and system together, in milliseconds. */
export function cpuMs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
    const [user, system] = fields.split(' ').slice(11, 13);
    ticks += Number(user) + Number(system);
  }
  return (ticks * 1000) / TICKS;
}

/** Time for which the threads of these processes were ready and another had their core, in milliseconds (schedstat). */
export function waitedMs(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids)
    for (const thread of readdirSync(`/proc/${pid}/task`))
      nanoseconds += runDelay(`/proc/${pid}/task/${thread}`);
  return nanoseconds / 1e6;
}

/** 0 for a thread that has ended meanwhile. */
function runDelay(thread: string): number {
  try {
    return Number(readFileSync(`${thread}/schedstat`, 'utf8').split(' ')[1]);
  } catch {
    return 0;
  }
}

/** Resident megabytes of one process. */
export function residentMb(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(match?.[1]) / 102.4) / 10;
}

/** The same, with what several processes share (the program itself, most of all) divided among them. */
export function proportionalMb(pid: number): number {
  const match = /Pss:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  return Math.round(Number(match?.[1]) / 102.4) / 10;
}

/** A process and those that it has started, and those that they have, and so on. */
export function family(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), parentOf(name)] as const);
  const all = [pid];
  for (const member of all)
    all.push(...parents.filter(([, parent]) => parent === member).map(([child]) => child));
  return all;
}

/** -1 for a process that has ended meanwhile. */
function parentOf(pid: string): number {
  try {
    const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
    return Number(fields.split(' ')[1]);
  } catch {
    return -1;
  }
}
