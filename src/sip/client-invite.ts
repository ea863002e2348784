// The INVITE client transaction (RFC 3261 section 17.1.1, with the Accepted state of RFC 6026 section 7.2).
import type { Channel } from './channel.ts';
import type { ClientUser } from './client-entry.ts';
import type { ClientCore, ClientTransaction } from './client-transaction.ts';
import type { SipResponse } from './message.ts';
import { giveUpAfter, TimerSet } from './timers.ts';
import type { Flow } from './user-agent-types.ts';

export type ClientInviteState = 'calling' | 'proceeding' | 'completed' | 'accepted' | 'terminated';

export interface ClientInviteCore extends ClientCore {
  /** The bytes of the ACK to a final response that is not 2xx. */
  encodeAck(response: SipResponse): Buffer;
  passOn?(user: ClientUser): void;
}

export class ClientInvite implements ClientTransaction {
  #state: ClientInviteState = 'calling';
  readonly #channel: Channel;
  /** As long as it may have to be sent again. */
  #bytes: Buffer | undefined;
  readonly #core: ClientInviteCore;
  readonly #timers: TimerSet;
  #ack: Buffer | undefined;

  constructor(channel: Channel, bytes: Buffer, core: ClientInviteCore) {
    this.#channel = channel;
    this.#bytes = bytes;
    this.#core = core;
    this.#timers = new TimerSet(core.clock);
  }

  get state(): ClientInviteState {
    return this.#state;
  }

  start(): void {
    const { t1 } = this.#core.timers;
    this.#timers.start('B', giveUpAfter(this.#core.timers), () =>
      this.fail('timeout', 'no answer to INVITE'),
    );
    // Timer A has no cap: timer B ends the series.
    if (!this.#channel.reliable) this.#timers.repeat('A', t1, Number.POSITIVE_INFINITY, () => this.#send());
    this.#send();
  }

  receive(response: SipResponse, flow: Flow): void {
    if (this.#state === 'calling' || this.#state === 'proceeding') this.#progress(response, flow);
    else if (this.#state === 'completed' && response.status >= 300) this.#sendAck();
    else if (this.#state === 'accepted' && isSuccess(response)) this.#core.onResponse(response, flow);
  }

  #progress(response: SipResponse, flow: Flow): void {
    this.#timers.clear();
    this.#bytes = undefined;
    if (response.status < 200) this.#state = 'proceeding';
    else if (isSuccess(response)) this.#accept();
    else this.#complete(response);
    this.#core.onResponse(response, flow);
    if (response.status >= 300) this.#core.onSettled?.();
  }

  /** Further 2xx, sent again or of other branches of a fork, go to the core until timer M fires. */
  #accept(): void {
    this.#state = 'accepted';
    this.#timers.start('M', giveUpAfter(this.#core.timers), () => this.terminate());
  }

  #complete(response: SipResponse): void {
    this.#state = 'completed';
    this.#ack = this.#core.encodeAck(response);
    this.#sendAck();
    if (this.#channel.reliable) this.terminate();
    else this.#timers.start('D', giveUpAfter(this.#core.timers), () => this.terminate());
  }

  #sendAck(): void {
    if (this.#ack !== undefined) this.#channel.send(this.#ack, () => {});
  }

  #send(): void {
    if (this.#bytes === undefined) return;
    this.#channel.send(this.#bytes, (reason) => {
      if (this.#state === 'calling') this.fail('transport', reason);
    });
  }

  fail(failure: 'timeout' | 'transport', reason: string): void {
    const isOpen = this.#state === 'calling' || this.#state === 'proceeding';
    this.terminate();
    if (isOpen) this.#core.onFailure(failure, reason);
  }

  passOn(user: ClientUser): void {
    this.#core.passOn?.(user);
  }

  terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#timers.clear();
    this.#core.onTerminated();
  }
}

function isSuccess(response: SipResponse): boolean {
  return response.status >= 200 && response.status < 300;
}
