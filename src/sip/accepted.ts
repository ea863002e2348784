// The 2xx of ours in a dialog that wait for their ACK, and whether the peer knows of the dialog (RFC 3261 section 13.3.1.4).
import type { Core } from './core.ts';
import type { ServerTransaction } from './transactions.ts';
import { Unacknowledged } from './unacknowledged.ts';

const SETTLED: Promise<void> = Promise.resolve();

export interface AcceptedHost {
  /** An ACK has not come in 64*T1. */
  giveUp(): void;
}

export class Accepted {
  readonly #core: Core;
  readonly #host: AcceptedHost;
  /** By CSeq number. */
  #waiting: Map<number, Unacknowledged> | undefined;
  #established = SETTLED;
  /** Settles `#established` for a 2xx that has yet to go out. */
  #whenAcknowledged: (() => void) | undefined;

  constructor(core: Core, host: AcceptedHost) {
    this.#core = core;
    this.#host = host;
  }

  /** Settled when the ACK of our last 2xx has come, or will not come: a peer that has missed it would not know the dialog. */
  get established(): Promise<void> {
    return this.#established;
  }

  /** A 2xx is decided but has yet to go out. */
  expect(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#established = promise;
    this.#whenAcknowledged = resolve;
  }

  /** The 2xx that was expected will never go out. */
  forget(): void {
    this.#whenAcknowledged?.();
  }

  /** Repeats the 2xx that was just sent until its ACK comes. */
  repeat(seq: number, transaction: ServerTransaction): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#whenAcknowledged;
    this.#whenAcknowledged = undefined;
    const waiting = new Unacknowledged(this.#core, transaction, (acknowledged) => {
      this.#waiting?.delete(seq);
      resolve();
      before?.();
      if (!acknowledged) this.#host.giveUp();
    });
    this.#waiting ??= new Map();
    this.#waiting.set(seq, waiting);
    this.#established = promise;
  }

  has(seq: number): boolean {
    return this.#waiting?.has(seq) === true;
  }

  acknowledge(seq: number): void {
    this.#waiting?.get(seq)?.finish(true);
  }

  /** Nothing is repeated any more. @param acknowledged false: as if it was lost */
  finish(acknowledged: boolean): void {
    if (this.#waiting === undefined) return;
    for (const waiting of [...this.#waiting.values()]) waiting.finish(acknowledged);
  }
}
