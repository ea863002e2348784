// The INVITE server transaction (RFC 3261 section 17.2.1, with the Accepted state of RFC 6026 section 7.1).
import type { Channel } from './channel.ts';
import type { SipRequest } from './message.ts';
import type { ServerCore, ServerInviteListener, ServerTransactionMachine } from './server-transaction.ts';
import { giveUpAfter, TimerSet } from './timers.ts';

export type ServerInviteState = 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated';

export class ServerInvite implements ServerTransactionMachine {
  #state: ServerInviteState = 'proceeding';
  readonly #channel: Channel;
  readonly #core: ServerCore;
  readonly #timers: TimerSet;
  #last: Buffer | undefined;
  /** Set by the user as soon as it takes the transaction over. */
  listener: ServerInviteListener | undefined;

  constructor(channel: Channel, core: ServerCore) {
    this.#channel = channel;
    this.#core = core;
    this.#timers = new TimerSet(core.clock);
  }

  get state(): ServerInviteState {
    return this.#state;
  }

  /** In Accepted the 2xx is repeated by the user alone, in Confirmed nothing is. */
  receiveAgain(): void {
    if (this.#state === 'proceeding' || this.#state === 'completed') this.#sendLast();
  }

  receiveAck(ack: SipRequest): void {
    if (this.#state === 'completed') this.#confirm();
    else if (this.#state === 'accepted') this.listener?.onAck(ack);
  }

  respond(status: number, bytes: Buffer): boolean {
    if (this.#state !== 'proceeding') return false;
    this.#last = bytes;
    if (status >= 300) this.#complete();
    else if (status >= 200) this.#accept();
    this.#sendLast();
    return true;
  }

  /** The 2xx once more, for the user that waits for its ACK. */
  repeatSuccess(): void {
    if (this.#state === 'accepted') this.#sendLast();
  }

  /** The ACK of the 2xx has come: copies of the INVITE are still to be known as such, until timer L fires. */
  settle(): void {
    if (this.#state === 'accepted') this.#letGo();
  }

  #letGo(): void {
    this.#last = undefined;
    this.listener = undefined;
    this.#core.onSettled?.();
  }

  #accept(): void {
    this.#state = 'accepted';
    this.#timers.start('L', giveUpAfter(this.#core.timers), () => this.terminate());
  }

  #complete(): void {
    const { t1, t2 } = this.#core.timers;
    this.#state = 'completed';
    if (!this.#channel.reliable) this.#timers.repeat('G', t1, t2, () => this.#sendLast());
    this.#timers.start('H', giveUpAfter(this.#core.timers), () => this.terminate());
  }

  #confirm(): void {
    this.#state = 'confirmed';
    this.#timers.clear();
    this.#letGo();
    if (this.#channel.reliable) this.terminate();
    else this.#timers.start('I', this.#core.timers.t4, () => this.terminate());
  }

  /** A failure does not end the transaction: the request may come again, over a way that works. */
  #sendLast(): void {
    if (this.#last === undefined) return;
    this.#channel.send(this.#last, (reason) => {
      if (this.#state !== 'terminated') this.listener?.onTransportError(reason);
    });
  }

  terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#timers.clear();
    this.#last = undefined;
    this.#core.onTerminated();
  }
}
