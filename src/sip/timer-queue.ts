// Many timers of few durations: SIP has half a dozen of them and a dozen timers in each call (RFC 3261 table 4).

/** What was set and has not run. */
export interface Timer {
  /** Ends it before its time; of no effect afterwards. */
  revoke(): void;
}

class Entry implements Timer {
  readonly due: number;
  readonly run: () => void;
  readonly #queue: TimerQueue;
  before: Entry | undefined;
  after: Entry | undefined;

  constructor(queue: TimerQueue, due: number, run: () => void, before: Entry | undefined) {
    this.#queue = queue;
    this.due = due;
    this.run = run;
    this.before = before;
  }

  revoke(): void {
    this.#queue.revoke(this);
  }
}

/** What the system's timer may be early, in milliseconds. */
const EARLY_MS = 1;
/** Timers that end within a hundredth of their duration, or this, end together: half a minute need not be exact. In milliseconds. */
const MOST_LATE_MS = 50;

/** Timers of one duration: they end in the order in which they began, hence one timer of the system does for all. */
class TimerQueue {
  readonly #milliseconds: number;
  readonly #onEmpty: () => void;
  /** How late one may be for the sake of those behind it. */
  readonly #late: number;
  #first: Entry | undefined;
  #last: Entry | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(milliseconds: number, onEmpty: () => void) {
    this.#milliseconds = milliseconds;
    this.#onEmpty = onEmpty;
    this.#late = Math.min(Math.max(1, Math.floor(milliseconds / 100)), MOST_LATE_MS);
  }

  add(run: () => void): Timer {
    const due = performance.now() + this.#milliseconds;
    const entry = new Entry(this, due, run, this.#last);
    if (this.#last === undefined) this.#first = entry;
    else this.#last.after = entry;
    this.#last = entry;
    if (this.#timer === undefined) this.#wait(this.#milliseconds);
    else if (this.#first === entry) this.#timer.ref();
    return entry;
  }

  #wait(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#end(), milliseconds);
  }

  revoke(entry: Entry): void {
    if (!this.#isIn(entry)) return;
    this.#remove(entry);
    // The system's timer runs on, for the next one will come soon, but it keeps no process alive.
    if (this.#first === undefined) this.#timer?.unref();
  }

  #isIn(entry: Entry): boolean {
    return entry.before !== undefined || this.#first === entry;
  }

  #remove(entry: Entry): void {
    const { before, after } = entry;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    entry.before = undefined;
    entry.after = undefined;
  }

  /** Runs what is due; waits for the rest, whatever that does. */
  #end(): void {
    const now = performance.now() + EARLY_MS;
    try {
      for (let entry = this.#first; entry !== undefined && entry.due <= now; entry = this.#first) {
        this.#remove(entry);
        entry.run();
      }
    } finally {
      this.#timer = undefined;
      if (this.#first === undefined) this.#onEmpty();
      else this.#wait(Math.max(this.#late, Math.ceil(this.#first.due - performance.now())));
    }
  }
}

const queues = new Map<number, TimerQueue>();

/** Calls `run` once, `milliseconds` from now, unless it is revoked. Like setTimeout, it keeps the process alive until then. */
export function runAfter(milliseconds: number, run: () => void): Timer {
  let queue = queues.get(milliseconds);
  if (queue === undefined) {
    queue = new TimerQueue(milliseconds, () => void queues.delete(milliseconds));
    queues.set(milliseconds, queue);
  }
  return queue.add(run);
}
