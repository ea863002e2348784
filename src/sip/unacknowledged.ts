// A 2xx of ours that waits for its ACK: sent again until then, given up after 64*T1 (RFC 3261 section 13.3.1.4).
import type { Core } from './core.ts';
import { giveUpAfter, TimerSet } from './timers.ts';
import type { ServerTransaction } from './transactions.ts';

export class Unacknowledged {
  readonly #timers: TimerSet;
  readonly #transaction: ServerTransaction;
  readonly #onDone: (acknowledged: boolean) => void;
  #done = false;

  /** @param onDone called once: with true when the ACK came, with false when it never did */
  constructor(core: Core, transaction: ServerTransaction, onDone: (acknowledged: boolean) => void) {
    const { t1, t2 } = core.timers;
    this.#transaction = transaction;
    this.#onDone = onDone;
    this.#timers = new TimerSet(core.clock);
    // Over TCP too: a hop behind the peer may be UDP.
    this.#timers.repeat('2xx', t1, t2, () => transaction.repeatSuccess());
    this.#timers.start('ack', giveUpAfter(core.timers), () => this.finish(false));
  }

  finish(acknowledged: boolean): void {
    if (this.#done) return;
    this.#done = true;
    this.#timers.clear();
    this.#transaction.settle();
    this.#onDone(acknowledged);
  }

  /** Ends it without a word. */
  close(): void {
    this.#done = true;
    this.#timers.clear();
  }
}
