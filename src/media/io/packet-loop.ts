// The loop of an engine that calls the kernel itself: a look every millisecond while packets come, none while nothing does.
//
// A nap of a millisecond lets packets gather, so that one turn serves many of them: it halves the cost of a hundred calls, and
// adds 0.8 ms of latency. The nap is one of Node's own event loop, where commands and disks are served meanwhile.
import type { Kernel, Watch } from './kernel.ts';

const NAP_MS = 1;
/** Turns without a packet after which it waits until one comes. */
const IDLE_TURNS = 60;

export interface LoopWork {
  /** Readable when there is work, while the loop sleeps. */
  fd: number;
  /** Does all there is; it is never called from within itself. @returns whether there was any */
  work(): number;
  /** From now on the descriptor must tell. */
  arm?(): void;
  /** It need not tell any more, and must not be readable. */
  disarm?(): void;
}

export class PacketLoop {
  readonly #work: LoopWork;
  readonly #watch: Watch;
  readonly #wake = () => this.wake();
  #timer: NodeJS.Timeout | undefined;
  #idle = 0;
  #isWorking = false;
  #isClosed = false;

  constructor(kernel: Kernel, work: LoopWork) {
    this.#work = work;
    this.#watch = kernel.watch(work.fd);
    this.#sleep();
  }

  /** What is to be done is done at once, or, in the middle of work, at the end of it or in the next turn. */
  wake(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#watch.stop();
    this.#work.disarm?.();
    this.#idle = 0;
    this.#timer = setInterval(() => this.#turn(), NAP_MS);
    this.#run();
  }

  /** What is sent while it falls asleep wakes it: begun again then, the work would read again what it is reading. */
  #run(): number {
    if (this.#isWorking) return 0;
    this.#isWorking = true;
    try {
      return this.#work.work();
    } finally {
      this.#isWorking = false;
    }
  }

  #turn(): void {
    this.#idle = this.#run() > 0 ? 0 : this.#idle + 1;
    if (this.#idle < IDLE_TURNS) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#sleep();
  }

  #sleep(): void {
    this.#work.arm?.();
    this.#watch.start(this.#wake);
    // What came just before would not be told.
    if (this.#run() > 0) this.wake();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#watch.close();
  }
}
