// Writes that need not be done at once, and those that a disk refuses for now: kept, the newest of each thing, and done together.
import { messageOf } from '../errors.ts';

const RETRY_MS = 1000;
const BATCH_MS = 100;
/** Of one attempt: a full disk refuses all, and one that is refused for its own sake must not hold up the others. */
const MOST_REFUSALS = 10;

export interface LateWritesOptions {
  /** Told once when a write is refused, with the reason, and once (undefined) when none waits any more. */
  onTrouble(reason: string | undefined): void;
  /** Does many writes as one, or none of them. One by one when left out. */
  together?(writes: () => void): void;
  retryMs?: number;
  /** How long a write that can wait does, in milliseconds; 100 when left out. */
  batchMs?: number;
}

export class LateWrites {
  readonly #options: LateWritesOptions;
  readonly #waiting = new Map<string, () => void>();
  #batch: NodeJS.Timeout | undefined;
  #retries: NodeJS.Timeout | undefined;

  constructor(options: LateWritesOptions) {
    this.#options = options;
  }

  /** Writes now, or later; a later write of the same thing takes its place. Never throws. */
  write(thing: string, write: () => void): void {
    this.#waiting.delete(thing);
    const problem = attempt(write);
    if (problem === undefined) return;
    this.#waiting.set(thing, write);
    this.#begin(problem);
  }

  /** Writes within a tenth of a second, with what else waits. Never throws. */
  writeSoon(thing: string, write: () => void): void {
    this.#waiting.delete(thing);
    this.#waiting.set(thing, write);
    this.#batch ??= setTimeout(() => this.#writeBatch(), this.#options.batchMs ?? BATCH_MS).unref();
  }

  /** @returns true when a write of this thing waited, and will not be done */
  drop(thing: string): boolean {
    return this.#waiting.delete(thing);
  }

  #writeBatch(): void {
    this.#batch = undefined;
    // Those that the disk refused try again by their own timer, one by one.
    if (this.#waiting.size === 0 || this.#retries !== undefined) return;
    const { together = (writes) => writes() } = this.#options;
    const problem = attempt(() =>
      together(() => {
        for (const write of this.#waiting.values()) write();
      }),
    );
    if (problem === undefined) this.#waiting.clear();
    else this.#begin(problem);
  }

  #begin(problem: string): void {
    if (this.#retries !== undefined) return;
    this.#options.onTrouble(problem);
    this.#retries = setInterval(() => this.#retry(), this.#options.retryMs ?? RETRY_MS).unref();
  }

  #retry(): void {
    let refusals = 0;
    for (const [thing, write] of [...this.#waiting]) {
      this.#waiting.delete(thing);
      if (attempt(write) === undefined) continue;
      this.#waiting.set(thing, write);
      refusals += 1;
      if (refusals >= MOST_REFUSALS) return;
    }
    if (refusals > 0) return;
    this.#stop();
    this.#options.onTrouble(undefined);
  }

  #stop(): void {
    clearTimeout(this.#batch);
    clearInterval(this.#retries);
    this.#batch = undefined;
    this.#retries = undefined;
  }

  /** A last attempt; what is refused then is lost. */
  end(): void {
    for (const write of this.#waiting.values()) attempt(write);
    this.#waiting.clear();
    this.#stop();
  }
}

function attempt(write: () => void): string | undefined {
  try {
    write();
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}
