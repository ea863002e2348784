// Loaded into a daemon by NODE_OPTIONS=--import: writes how long its event loop stood still, and what kept it.
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';

/** One line of the file: the worst gap between two turns in half a second. Times in milliseconds. */
export interface Stall {
  /** Since 1970. */
  at: number;
  /** Beyond the tick's own. */
  gapMs: number;
  /**
   * Of it, when the machine had given the processor to others, which is no fault of the daemon: it waited in the run queue, or
   * in garbage collection for a helping thread that waited there.
   */
  othersMs: number;
  /** Of it, when the daemon's own thread computed; the rest it waited for the kernel: disk, name server, console. */
  cpuMs: number;
  /** Of it, garbage collection. */
  gcMs: number;
}

const TICK_MS = 2;
const REPORT_MS = 500;
/** Stalls of one report that are looked at: which is the worst is known when the collector has told its part. */
const CANDIDATES = 5;
/** The helping threads are looked at less often: each has a file of its own. */
const HELPERS_MS = 40;
/** Nanoseconds run, nanoseconds waited in the run queue; of the main thread (man proc_pid_schedstat, Linux). */
const SCHEDSTAT = `/proc/self/task/${process.pid}/schedstat`;

const directory = new URL(import.meta.url).searchParams.get('directory');
if (directory !== null) watch(`${directory}/${basename(process.argv[1] ?? 'none', '.ts')}.jsonl`);

function watch(file: string): void {
  /** They are told some turns later. */
  let collections: Span[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      collections.push({ from: startTime, to: startTime + duration });
  });
  observer.observe({ entryTypes: ['gc'] });
  let last = performance.now();
  let thread = threadTimes(SCHEDSTAT);
  let helpers = helpersWaited();
  let helpersAt = last;
  let reportAt = last + REPORT_MS;
  let candidates: (Stall & Span & { helpersMs: number })[] = [];
  const tick = setInterval(() => {
    const now = performance.now();
    const gapMs = now - last - TICK_MS;
    const used = threadTimes(SCHEDSTAT);
    const othersMs = Math.min(used.waitedMs - thread.waitedMs, Math.max(0, gapMs));
    const isLong = gapMs - othersMs > 1;
    if (isLong || now > helpersAt + HELPERS_MS) {
      const waited = helpersWaited();
      const cpuMs = used.ranMs - thread.ranMs;
      const stall = { at: Date.now(), gapMs, othersMs, cpuMs, gcMs: 0, from: last, to: now };
      if (isLong) candidates.push({ ...stall, helpersMs: longestWait(helpers, waited) });
      candidates = candidates.toSorted((one, other) => ownMs(other) - ownMs(one)).slice(0, CANDIDATES);
      helpers = waited;
      helpersAt = now;
    }
    if (now > reportAt) {
      const [worst] = candidates
        .map((stall) => withCollections(stall, collections))
        .toSorted((one, other) => ownMs(other) - ownMs(one));
      if (worst !== undefined) appendFileSync(file, `${JSON.stringify(worst)}\n`);
      candidates = [];
      collections = [];
      reportAt = now + REPORT_MS;
    }
    last = performance.now();
    thread = threadTimes(SCHEDSTAT);
  }, TICK_MS);
  tick.unref();
}

/** On the clock of performance.now(). */
interface Span {
  from: number;
  to: number;
}

/** In a collection the main thread waits for the helping ones; when these wait for a processor, so does it. */
function withCollections(
  { from, to, helpersMs, ...stall }: Stall & Span & { helpersMs: number },
  collections: readonly Span[],
): Stall {
  const within = collections.filter((one) => one.from >= from && one.from <= to);
  const gcMs = within.reduce((sum, one) => sum + Math.min(one.to, to) - one.from, 0);
  const idleMs = Math.max(0, stall.gapMs - stall.othersMs - stall.cpuMs);
  const heldUpMs = Math.min(helpersMs, gcMs, idleMs);
  return { ...stall, gcMs, othersMs: stall.othersMs + heldUpMs };
}

/** By thread, milliseconds that the helping threads have waited in the run queue. */
function helpersWaited(): Map<string, number> {
  try {
    const threads = readdirSync('/proc/self/task').filter((id) => id !== `${process.pid}`);
    return new Map(threads.map((id) => [id, threadTimes(`/proc/self/task/${id}/schedstat`).waitedMs]));
  } catch {
    return new Map();
  }
}

function longestWait(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  return Math.max(0, ...[...after].map(([id, waited]) => waited - (before.get(id) ?? waited)));
}

/**
 * What the daemon itself is to blame for.
 * @param idle stalls of a process that does nothing: when that stood still at the same moment, and waited for no processor, the whole
 * machine did, as a virtual one does whose host is busy
 */
export function ownMs(stall: Stall, idle: readonly Stall[] = []): number {
  const machineMs = Math.max(0, ...idle.map((other) => Math.min(overlapMs(stall, other), ownMs(other))));
  return stall.gapMs - Math.max(stall.othersMs, Math.min(machineMs, stall.gapMs));
}

function overlapMs(one: Stall, other: Stall): number {
  return Math.min(one.at, other.at) - Math.max(one.at - one.gapMs, other.at - other.gapMs);
}

function threadTimes(file: string): { ranMs: number; waitedMs: number } {
  try {
    const [ran = 0, waited = 0] = readFileSync(file, 'latin1').split(' ').map(Number);
    return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
  } catch {
    const { user, system } = process.threadCpuUsage();
    return { ranMs: (user + system) / 1000, waitedMs: 0 };
  }
}
