// Offering one call to several places: one after the other, or all at once (RFC 3261 section 16.7 in spirit).
import type { SipResponse } from '../sip/message.ts';
import type { Dialog, OutgoingInvite, OutgoingInviteOptions, Progress } from '../sip/user-agent.ts';
import type { Ring } from './strategy/strategy.ts';

/** Tells the others' phones not to show a missed call (RFC 3326). */
const ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"';

type Handlers = Required<Pick<OutgoingInviteOptions, 'onProvisional' | 'onAccepted' | 'onRejected'>>;
type Ack = Parameters<OutgoingInviteOptions['onAccepted']>[2];

export interface HuntOptions<Target> {
  /** One at least. */
  targets: readonly Target[];
  ring: Ring;
  /** How long one rings before the next one's turn, in milliseconds. The last one rings on. */
  ringTimeMs: number;
  /** Places the call at one target; the handlers are called later, not within. */
  place(target: Target, handlers: Handlers): OutgoingInvite;
  onProvisional(response: SipResponse, progress: Progress | undefined): void;
  /** Places to try in the stead of one that has refused. */
  redirect?(target: Target, response: SipResponse): readonly Target[];
  /** Once, or else onRejected once; neither after {@link Hunt.cancel}. */
  onAccepted(target: Target, response: SipResponse, dialog: Dialog, ack: Ack): void;
  /** The best of all refusals: the lowest status. */
  onRejected(response: SipResponse): void;
}

export class Hunt<Target> {
  readonly #options: HuntOptions<Target>;
  /** Where it rings. */
  readonly #ringing = new Map<Target, OutgoingInvite>();
  readonly #waiting: Target[];
  #timer: NodeJS.Timeout | undefined;
  #refusal: SipResponse | undefined;

  constructor(options: HuntOptions<Target>) {
    this.#options = options;
    this.#waiting = [...options.targets];
    if (options.ring === 'together') for (const target of this.#waiting.splice(0)) this.#try(target);
    else this.#tryNext();
  }

  /** Ends it wherever it rings. */
  cancel(reason?: string): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    const ringing = [...this.#ringing.values()];
    this.#ringing.clear();
    for (const invite of ringing) invite.cancel(reason);
  }

  #tryNext(): void {
    clearTimeout(this.#timer);
    const target = this.#waiting.shift();
    if (target === undefined) return;
    this.#try(target);
    if (this.#waiting.length > 0)
      this.#timer = setTimeout(() => this.#passOn(target), this.#options.ringTimeMs);
  }

  /** The next one's turn. What this one still answers is hung up by the user agent. */
  #passOn(target: Target): void {
    const invite = this.#ringing.get(target);
    this.#ringing.delete(target);
    invite?.cancel();
    this.#tryNext();
  }

  #try(target: Target): void {
    const { place, onProvisional } = this.#options;
    const invite = place(target, {
      onProvisional: (response, progress) => {
        if (this.#ringing.has(target)) onProvisional(response, progress);
      },
      onAccepted: (response, dialog, ack) => this.#accepted(target, response, dialog, ack),
      onRejected: (response) => this.#rejected(target, response),
    });
    this.#ringing.set(target, invite);
  }

  #accepted(target: Target, response: SipResponse, dialog: Dialog, ack: Ack): void {
    if (!this.#ringing.delete(target)) {
      ack();
      return void dialog.bye();
    }
    this.cancel(ELSEWHERE);
    this.#options.onAccepted(target, response, dialog, ack);
  }

  #rejected(target: Target, response: SipResponse): void {
    if (!this.#ringing.delete(target)) return;
    const elsewhere = this.#options.redirect?.(target, response) ?? [];
    this.#waiting.unshift(...elsewhere);
    // What was redirected has not refused.
    if (elsewhere.length > 0) return this.#tryNext();
    if (this.#refusal === undefined || response.status < this.#refusal.status) this.#refusal = response;
    this.#tryNext();
    if (this.#ringing.size === 0) this.#options.onRejected(this.#refusal);
  }
}
