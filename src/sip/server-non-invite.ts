// The server transaction of every request but INVITE and ACK (RFC 3261 section 17.2.2).
import type { Channel } from './channel.ts';
import type { ServerCore, ServerTransactionMachine } from './server-transaction.ts';
import { giveUpAfter, TimerSet } from './timers.ts';

export type ServerNonInviteState = 'trying' | 'proceeding' | 'completed' | 'terminated';

export class ServerNonInvite implements ServerTransactionMachine {
  #state: ServerNonInviteState = 'trying';
  readonly #channel: Channel;
  readonly #core: ServerCore;
  readonly #timers: TimerSet;
  #last: Buffer | undefined;
  /** The final response, a byte a character: as bytes, each would keep the whole of the buffer that it was written into. */
  #final: string | undefined;

  constructor(channel: Channel, core: ServerCore) {
    this.#channel = channel;
    this.#core = core;
    this.#timers = new TimerSet(core.clock);
    // Not in the RFC: by then the client has given up (timer F), and a request that nobody answers must not stay for ever.
    this.#timers.start('abandoned', giveUpAfter(core.timers), () => this.terminate());
  }

  get state(): ServerNonInviteState {
    return this.#state;
  }

  receiveAgain(): void {
    this.#sendLast();
  }

  respond(status: number, bytes: Buffer): boolean {
    if (this.#state === 'completed' || this.#state === 'terminated') return false;
    this.#last = bytes;
    this.#state = status < 200 ? 'proceeding' : 'completed';
    this.#sendLast();
    if (status >= 200) this.#linger();
    return true;
  }

  /** Timer J: the final response is repeated for as long as the request may come again. */
  #linger(): void {
    this.#timers.clear();
    this.#final = this.#last?.toString('latin1');
    this.#last = undefined;
    if (this.#channel.reliable) this.terminate();
    else this.#timers.start('J', giveUpAfter(this.#core.timers), () => this.terminate());
    this.#core.onSettled?.();
  }

  /** A failure is not told: the request will come again, or its client has gone. */
  #sendLast(): void {
    const last = this.#final === undefined ? this.#last : Buffer.from(this.#final, 'latin1');
    if (last !== undefined) this.#channel.send(last, () => {});
  }

  terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#timers.clear();
    this.#last = undefined;
    this.#final = undefined;
    this.#core.onTerminated();
  }
}
