// The switch's events as they happen, for whoever listens on the control socket (agents' desktops, `grec events`).
import type { JournalEvent } from '../spool/events.ts';

/** Events that wait for one listener that does not read: some 200 kB. */
const MOST_WAITING = 500;

export class LiveEvents {
  readonly #listeners = new Set<(event: JournalEvent) => void>();

  get listeners(): number {
    return this.#listeners.size;
  }

  tell(event: JournalEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /**
   * Events from now on, until `signal` is aborted or the reader falls too far behind; then the last one is `events.missed`.
   * @param isWanted what of them
   */
  async *listen(
    isWanted: (event: JournalEvent) => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<JournalEvent | { type: 'events.missed' }> {
    const waiting: JournalEvent[] = [];
    let wake = () => {};
    let hasMissed = false;
    const listener = (event: JournalEvent) => {
      if (!isWanted(event)) return;
      if (waiting.length < MOST_WAITING) waiting.push(event);
      else hasMissed = true;
      wake();
    };
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => wake());
    try {
      while (!signal.aborted) {
        yield* waiting.splice(0);
        // Either may have come while the last ones were handed over.
        if (waiting.length > 0 || signal.aborted) continue;
        if (hasMissed) return yield { type: 'events.missed' };
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }
}
