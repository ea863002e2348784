// The client transaction of every request but INVITE and ACK (RFC 3261 section 17.1.2).
import type { Channel } from './channel.ts';
import type { ClientCore, ClientFailure, ClientTransaction } from './client-transaction.ts';
import type { SipResponse } from './message.ts';
import { giveUpAfter, TimerSet } from './timers.ts';
import type { Flow } from './user-agent-types.ts';

export type ClientNonInviteState = 'trying' | 'proceeding' | 'completed' | 'terminated';

export class ClientNonInvite implements ClientTransaction {
  #state: ClientNonInviteState = 'trying';
  readonly #channel: Channel;
  readonly #bytes: Buffer;
  readonly #core: ClientCore;
  readonly #timers: TimerSet;

  constructor(channel: Channel, bytes: Buffer, core: ClientCore) {
    this.#channel = channel;
    this.#bytes = bytes;
    this.#core = core;
    this.#timers = new TimerSet(core.clock);
  }

  get state(): ClientNonInviteState {
    return this.#state;
  }

  start(): void {
    const { t1, t2 } = this.#core.timers;
    this.#timers.start('F', giveUpAfter(this.#core.timers), () => this.fail('timeout', 'no answer'));
    if (!this.#channel.reliable) this.#timers.repeat('E', t1, t2, () => this.#send());
    this.#send();
  }

  receive(response: SipResponse, flow: Flow): void {
    if (this.#state === 'completed' || this.#state === 'terminated') return;
    if (response.status < 200) this.#proceed();
    else this.#complete();
    this.#core.onResponse(response, flow);
    if (response.status >= 200) this.#core.onSettled?.();
  }

  /** A provisional response slows the retransmission down to T2; timer F goes on. */
  #proceed(): void {
    if (this.#state === 'proceeding') return;
    this.#state = 'proceeding';
    const { t2 } = this.#core.timers;
    if (!this.#channel.reliable) this.#timers.repeat('E', t2, t2, () => this.#send());
  }

  #complete(): void {
    this.#state = 'completed';
    this.#timers.clear();
    if (this.#channel.reliable) this.terminate();
    else this.#timers.start('K', this.#core.timers.t4, () => this.terminate());
  }

  #send(): void {
    this.#channel.send(this.#bytes, (reason) => {
      if (this.#state === 'trying' || this.#state === 'proceeding') this.fail('transport', reason);
    });
  }

  fail(failure: ClientFailure, reason: string): void {
    const isOpen = this.#state === 'trying' || this.#state === 'proceeding';
    this.terminate();
    if (isOpen) this.#core.onFailure(failure, reason);
  }

  terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#timers.clear();
    this.#core.onTerminated();
  }
}
