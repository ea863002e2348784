// Loaded into a daemon by NODE_OPTIONS=--import: writes how long its event loop stood still, and how much of that it computed.
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';

/** One line of the file: the worst gap between two turns in half a second. */
export interface Stall {
  /** Milliseconds since 1970. */
  at: number;
  /** Milliseconds beyond the tick's own. */
  gapMs: number;
  /** Processor time of the process within that gap, milliseconds: what a busy machine took away is not in it. */
  cpuMs: number;
}

const TICK_MS = 2;
const REPORT_MS = 500;

const directory = new URL(import.meta.url).searchParams.get('directory');
if (directory !== null) watch(`${directory}/${basename(process.argv[1] ?? 'none', '.ts')}.jsonl`);

function watch(file: string): void {
  let last = performance.now();
  let cpu = process.cpuUsage();
  let reportAt = last + REPORT_MS;
  let worst: Stall = { at: 0, gapMs: 0, cpuMs: 0 };
  const tick = setInterval(() => {
    const now = performance.now();
    const used = process.cpuUsage(cpu);
    const cpuMs = (used.user + used.system) / 1000;
    const gapMs = now - last - TICK_MS;
    if (Math.min(gapMs, cpuMs) > Math.min(worst.gapMs, worst.cpuMs)) worst = { at: Date.now(), gapMs, cpuMs };
    if (now > reportAt) {
      if (worst.at > 0) appendFileSync(file, `${JSON.stringify(worst)}\n`);
      worst = { at: 0, gapMs: 0, cpuMs: 0 };
      reportAt = now + REPORT_MS;
    }
    last = performance.now();
    cpu = process.cpuUsage();
  }, TICK_MS);
  tick.unref();
}
