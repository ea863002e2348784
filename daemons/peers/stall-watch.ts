// Loaded into a daemon by NODE_OPTIONS=--import: writes how long its event loop stood still, and what kept it.
import { appendFileSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';

/** One line of the file: the worst gap between two turns in half a second. Times in milliseconds. */
export interface Stall {
  /** Since 1970. */
  at: number;
  /** Beyond the tick's own. */
  gapMs: number;
  /** Of it, when the machine had given the processor to others (run queue), which is no fault of the daemon. */
  othersMs: number;
  /** Of it, when the daemon's own thread computed; the rest it waited for the kernel: disk, name server, console. */
  cpuMs: number;
  /** Of it, garbage collection. */
  gcMs: number;
}

const TICK_MS = 2;
const REPORT_MS = 500;
/** Nanoseconds run, nanoseconds waited in the run queue; of the main thread (man proc_pid_schedstat, Linux). */
const SCHEDSTAT = `/proc/self/task/${process.pid}/schedstat`;

const directory = new URL(import.meta.url).searchParams.get('directory');
if (directory !== null) watch(`${directory}/${basename(process.argv[1] ?? 'none', '.ts')}.jsonl`);

function watch(file: string): void {
  /** They are told some turns later. */
  let collections: { startTime: number; duration: number }[] = [];
  const observer = new PerformanceObserver((list) => void collections.push(...list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  let last = performance.now();
  let thread = threadTimes();
  let reportAt = last + REPORT_MS;
  let worst: (Stall & Span) | undefined;
  const tick = setInterval(() => {
    const now = performance.now();
    const gapMs = now - last - TICK_MS;
    const used = threadTimes();
    const othersMs = Math.min(used.waitedMs - thread.waitedMs, Math.max(0, gapMs));
    const stall = {
      at: Date.now(),
      gapMs,
      othersMs,
      cpuMs: used.ranMs - thread.ranMs,
      gcMs: 0,
      from: last,
      to: now,
    };
    if (ownMs(stall) > (worst === undefined ? 1 : ownMs(worst))) worst = stall;
    if (now > reportAt) {
      if (worst !== undefined) write(file, worst, collections);
      worst = undefined;
      collections = [];
      reportAt = now + REPORT_MS;
    }
    last = performance.now();
    thread = threadTimes();
  }, TICK_MS);
  tick.unref();
}

/** On the clock of performance.now(). */
interface Span {
  from: number;
  to: number;
}

function write(
  file: string,
  { from, to, ...stall }: Stall & Span,
  collections: { startTime: number; duration: number }[],
): void {
  const within = collections.filter(({ startTime }) => startTime >= from && startTime <= to);
  const gcMs = within.reduce((sum, { duration }) => sum + duration, 0);
  appendFileSync(file, `${JSON.stringify({ ...stall, gcMs })}\n`);
}

/** What the daemon itself is to blame for. */
export function ownMs({ gapMs, othersMs }: Stall): number {
  return gapMs - othersMs;
}

function threadTimes(): { ranMs: number; waitedMs: number } {
  try {
    const [ran = 0, waited = 0] = readFileSync(SCHEDSTAT, 'latin1').split(' ').map(Number);
    return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
  } catch {
    const { user, system } = process.threadCpuUsage();
    return { ranMs: (user + system) / 1000, waitedMs: 0 };
  }
}
