// Threads that write captures give way to the one that relays: on a busy processor it would wait for milliseconds until they are done with what a
// flush has given them. They are the kernel's own (io_uring hands writes through the page cache to them) and those of Node's pool.
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { join } from 'node:path';

const TASKS = '/proc/self/task';
const WRITERS = ['iou-wrk', 'libuv-worker'];
/** As nice(1) counts: on a processor that relaying fills, a tenth of it is still theirs. */
const BEHIND = 10;
const LOWEST = 19;
/** Threads of the kernel come and go. */
const LOOK_MS = 1000;

let seen: ReadonlySet<string> = new Set();

/** From now on; only Linux tells one thread from another. */
export function writersGiveWay(): void {
  look();
  setInterval(look, LOOK_MS).unref();
}

function look(): void {
  try {
    const tasks = new Set(readdirSync(TASKS));
    for (const task of tasks) if (!seen.has(task)) putBehind(task);
    seen = tasks;
  } catch {
    // Another system, or a thread that has just ended: they are as they are.
  }
}

function putBehind(task: string): void {
  const name = readFileSync(join(TASKS, task, 'comm'), 'utf8');
  if (WRITERS.some((writer) => name.startsWith(writer)))
    setPriority(Number(task), Math.min(LOWEST, getPriority() + BEHIND));
}
