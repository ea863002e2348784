// Writes that a disk refuses for now: kept, the newest of each thing, and done as soon as it takes them.
import { messageOf } from '../errors.ts';

const RETRY_MS = 1000;

export class LateWrites {
  readonly #onTrouble: (reason: string | undefined) => void;
  readonly #retryMs: number;
  readonly #waiting = new Map<string, () => void>();
  #timer: NodeJS.Timeout | undefined;

  /** @param onTrouble told once when a write is refused, with the reason, and once (undefined) when none waits any more */
  constructor(onTrouble: (reason: string | undefined) => void, retryMs = RETRY_MS) {
    this.#onTrouble = onTrouble;
    this.#retryMs = retryMs;
  }

  /** Writes now, or later; a later write of the same thing takes its place. Never throws. */
  write(thing: string, write: () => void): void {
    this.#waiting.delete(thing);
    const problem = attempt(write);
    if (problem === undefined) return;
    this.#waiting.set(thing, write);
    if (this.#timer !== undefined) return;
    this.#onTrouble(problem);
    this.#timer = setInterval(() => this.#retry(), this.#retryMs).unref();
  }

  /** @returns true when a write of this thing waited, and will not be done */
  drop(thing: string): boolean {
    return this.#waiting.delete(thing);
  }

  #retry(): void {
    for (const [thing, write] of this.#waiting) {
      if (attempt(write) !== undefined) return;
      this.#waiting.delete(thing);
    }
    this.#stop();
    this.#onTrouble(undefined);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
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
