// Whether there is more to do than time to do it: how much of its time the event loop has been busy.
import { performance } from 'node:perf_hooks';
import { restedMs } from '../sip/turns.ts';

/** Milliseconds. */
export interface Spent {
  busy: number;
  /** What the machine gave: not the time in which the daemon had something to do and others had the processor. */
  given: number;
}

export interface OverloadOptions {
  /** The share, in percent, from which on it is too much; 100: never. */
  percent: number;
  /** What was spent since the last look. The event loop's own unless a test gives one. */
  spent?: () => Spent;
}

const LOOK_MS = 250;
/** So much is looked at together: a look that was busy by itself is nothing. */
const JUDGED_MS = 1000;
/** What has been too much ends when the share has sunk by so many points of a hundred. */
const RELIEF = 8;
/**
 * Of UDP a late event loop says little: it takes a few datagrams, looks at its timers, and is never late, while thousands
 * wait in the kernel. But a loop that never waits itself has more to do than it can.
 *
 * A loop that waits for a processor looks busy too. For the few calls of a machine that does other things for a second that is no
 * reason to refuse one; when much is to do it is busy in what it gets as well.
 */
export class Overload {
  readonly #spent: () => Spent;
  readonly #timer: NodeJS.Timeout;
  #looks: Spent[] = [];
  #percent: number;
  #isOver = false;

  constructor({ percent, spent = sinceLastLook() }: OverloadOptions) {
    this.#percent = percent;
    this.#spent = spent;
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  reload(percent: number): void {
    this.#percent = percent;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Adds what was spent since the last one. */
  look(): void {
    this.#looks.push(this.#spent());
    while (given(this.#looks.slice(1)) >= JUDGED_MS) this.#looks.shift();
    const limit = this.#isOver ? this.#percent - RELIEF : this.#percent;
    this.#isOver = this.#percent < 100 && given(this.#looks) >= JUDGED_MS && this.percent >= limit;
  }

  /** Over the last second that was given. */
  get percent(): number {
    const busy = this.#looks.reduce((sum, look) => sum + look.busy, 0);
    return busy === 0 ? 0 : (busy / given(this.#looks)) * 100;
  }

  get isOver(): boolean {
    return this.#isOver;
  }
}

function given(looks: readonly Spent[]): number {
  return looks.reduce((sum, look) => sum + look.given, 0);
}

/**
 * Busy is what the thread has computed. Given is that, and what it has waited for something to do: for the processor too, once
 * there was something; a wait in the midst of work is neither.
 */
function sinceLastLook(): () => Spent {
  let last = performance.eventLoopUtilization();
  let rested = restedMs();
  let computed = computedMs();
  return () => {
    const now = performance.eventLoopUtilization();
    const { idle } = performance.eventLoopUtilization(now, last);
    const slept = restedMs() - rested;
    const busy = computedMs() - computed;
    last = now;
    rested += slept;
    computed += busy;
    return { busy, given: busy + idle + slept };
  };
}

/** Of this thread; before Node 23.9 of the whole process, whose other threads do little. */
function computedMs(): number {
  const isKnown = typeof process.threadCpuUsage === 'function';
  const { user, system } = isKnown ? process.threadCpuUsage() : process.cpuUsage();
  return (user + system) / 1000;
}
