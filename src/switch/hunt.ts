// Offering one call to several places, in rounds: those of one round ring together (RFC 3261 section 16.7 in spirit).
import type { SipResponse } from '../sip/message.ts';
import type { Dialog, OutgoingInvite, OutgoingInviteOptions, Progress } from '../sip/user-agent.ts';

/** Tells the others' phones not to show a missed call (RFC 3326). */
const ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"';

type Handlers = Required<Pick<OutgoingInviteOptions, 'onProvisional' | 'onAccepted' | 'onRejected'>>;
type Ack = Parameters<OutgoingInviteOptions['onAccepted']>[2];

/** What one place's refusal means: the others of its round ring on; its round is over; nobody else is asked. */
export type Verdict = 'ring-on' | 'next-round' | 'end';

export interface HuntOptions<Target> {
  /** One at least, of one target at least. */
  rounds: readonly (readonly Target[])[];
  /** How long a round rings before the next one's turn, in milliseconds; undefined: until all of it have refused. */
  ringTimeMs: number | undefined;
  /** Early media is passed on: whom the caller has heard is the last one to be asked. */
  passesEarlyMedia: boolean;
  weigh(target: Target, response: SipResponse): Verdict;
  /** Places the call at one target; the handlers are called later, not within. */
  place(target: Target, handlers: Handlers): OutgoingInvite;
  onProvisional(target: Target, response: SipResponse, progress: Progress | undefined): void;
  /** Rounds to try in the stead of a place that has refused. */
  redirect?(target: Target, response: SipResponse): readonly (readonly Target[])[];
  /** Once, or else onRejected once; neither after {@link Hunt.cancel}. */
  onAccepted(target: Target, response: SipResponse, dialog: Dialog, ack: Ack): void;
  /** The refusal that ended it, or the best of all: the lowest status. */
  onRejected(response: SipResponse): void;
}

export class Hunt<Target> {
  readonly #options: HuntOptions<Target>;
  /** Where it rings. */
  readonly #ringing = new Map<Target, OutgoingInvite>();
  readonly #waiting: (readonly Target[])[];
  #timer: NodeJS.Timeout | undefined;
  #refusal: SipResponse | undefined;

  constructor(options: HuntOptions<Target>) {
    this.#options = options;
    this.#waiting = [...options.rounds];
    this.#nextRound();
  }

  /** Ends it wherever it rings. */
  cancel(reason?: string): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    this.#endRound(reason);
  }

  /** What these still answer is hung up by the user agent. */
  #endRound(reason?: string): void {
    const ringing = [...this.#ringing.values()];
    this.#ringing.clear();
    for (const invite of ringing) invite.cancel(reason);
  }

  #nextRound(): void {
    clearTimeout(this.#timer);
    for (const target of this.#waiting.shift() ?? []) this.#try(target);
    const { ringTimeMs } = this.#options;
    if (this.#waiting.length > 0 && ringTimeMs !== undefined)
      this.#timer = setTimeout(() => this.#passOn(), ringTimeMs);
  }

  #passOn(): void {
    this.#endRound();
    this.#nextRound();
  }

  #try(target: Target): void {
    const invite = this.#options.place(target, {
      onProvisional: (response, progress) => this.#progress(target, response, progress),
      onAccepted: (response, dialog, ack) => this.#accepted(target, response, dialog, ack),
      onRejected: (response) => this.#rejected(target, response),
    });
    this.#ringing.set(target, invite);
  }

  #progress(target: Target, response: SipResponse, progress: Progress | undefined): void {
    if (!this.#ringing.has(target)) return;
    const { passesEarlyMedia, onProvisional } = this.#options;
    // The caller has this one's answer to its offer, and can be given no other (RFC 3261 section 13.2.1).
    if (passesEarlyMedia && response.body.length > 0) this.#waiting.length = 0;
    onProvisional(target, response, progress);
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
    if (elsewhere.length > 0) return this.#nextRound();
    const verdict = this.#options.weigh(target, response);
    if (verdict === 'end') this.#waiting.length = 0;
    const isBest = this.#refusal === undefined || response.status < this.#refusal.status;
    const refusal = verdict === 'end' || isBest ? response : (this.#refusal ?? response);
    this.#refusal = refusal;
    if (verdict !== 'ring-on') this.#endRound();
    if (this.#ringing.size > 0) return;
    this.#nextRound();
    if (this.#ringing.size === 0) this.#options.onRejected(refusal);
  }
}
