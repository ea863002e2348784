// Requests of ours that change the session of a dialog: re-INVITE, UPDATE, PRACK (RFC 3261 section 14, RFC 3311, RFC 3262).
import type { Acknowledgements } from './acknowledgements.ts';
import type { Core } from './core.ts';
import type { Content, DialogSender } from './dialog-sender.ts';
import { contactOf, type DialogData } from './dialog-state.ts';
import type { DialogWay } from './dialog-way.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { isDescription, type Offers } from './offers.ts';
import { type PeerAbilities, requires, SUPPORTED } from './option-tags.ts';
import { cancelRequest, type Outgoing } from './outgoing.ts';
import { rseqOf } from './reliable.ts';
import type { SessionTimer } from './session-timer.ts';
import { giveUpAfter } from './timers.ts';
import type { Body, DialogState, ExtraHeaders, Patience } from './user-agent-types.ts';

export type Reinvited = { response: SipResponse; ack: (body?: Body) => void };

export type Reinvitation = Content & { patience?: Patience };

/** What the parts of a dialog share. */
export interface DialogParts {
  readonly core: Core;
  readonly data: DialogData;
  readonly way: DialogWay;
  readonly sender: DialogSender;
  /** ACKs that we send. */
  readonly acks: Acknowledgements;
  readonly offers: Offers;
  readonly peer: PeerAbilities;
  readonly timer: SessionTimer;
}

/** The dialog as its requests see it. */
export interface ClientHost {
  readonly state: DialogState;
  /** An INVITE of the peer has no final response yet. */
  readonly isAnswering: boolean;
  /** Settled when the peer knows of the dialog. */
  readonly established: Promise<void>;
  /** What a final response says of the dialog itself. */
  judge(response: SipResponse): void;
}

export class DialogClient {
  readonly #parts: DialogParts;
  readonly #host: ClientHost;
  /** An INVITE of ours has no final response yet. */
  #inviting = false;
  /** The RSeq of the last provisional response that was acknowledged, by the CSeq number of its INVITE. */
  #lastRseq: { seq: number; rseq: number } | undefined;

  constructor(parts: DialogParts, host: ClientHost) {
    this.#parts = parts;
    this.#host = host;
  }

  get isInviting(): boolean {
    return this.#inviting;
  }

  async reinvite(content: Reinvitation): Promise<Reinvited> {
    const { acks, offers } = this.#parts;
    const host = this.#host;
    if (host.state === 'terminated') return this.#notInvited(481);
    const isBusy = this.#inviting || host.isAnswering || acks.owed || offers.open !== 'none';
    if (isBusy || host.state === 'early') return this.#notInvited(491);
    this.#inviting = true;
    // A peer that has missed our 2xx would not know the dialog yet.
    await host.established;
    if ((host.state as DialogState) === 'terminated') return this.#notInvited(481);
    const result = await this.#inviteUntilAccepted(content);
    // A party that only does not answer this may go on as it is (section 14.1 leaves it to the dialog's user).
    if (content.patience === undefined || result.response.status !== 408) host.judge(result.response);
    return result;
  }

  #notInvited(status: number): Reinvited {
    return { response: this.#parts.sender.made('INVITE', status), ack: () => {} };
  }

  /** Once more with a longer session interval when the peer asks for one (RFC 4028 section 7.3). */
  async #inviteUntilAccepted(content: Reinvitation): Promise<Reinvited> {
    const first = await this.#invite(content);
    if (first.response.status !== 422 || !this.#parts.timer.refused(first.response)) return first;
    this.#inviting = true;
    return this.#invite(content);
  }

  #invite({ headers, body, patience }: Reinvitation): Promise<Reinvited> {
    const { core, sender, acks, offers, timer } = this.#parts;
    offers.sent(body);
    const own = { allow: core.allow, supported: SUPPORTED, ...timer.requestHeaders() };
    return new Promise((resolve) => {
      let answered = false;
      const outgoing = sender.prepare('INVITE', { headers: { ...own, ...headers }, body }, (response) => {
        const { request } = outgoing;
        const { seq } = request.headers.cseq;
        if (response.status < 200) return this.#progress(response, answered);
        if (answered) return acks.repeat(seq);
        answered = true;
        this.#inviting = false;
        stopWaiting();
        if (response.status < 300) this.#adopt(request, response);
        else offers.settle();
        resolve({ response, ack: (ackBody) => this.acknowledge(seq, ackBody) });
      });
      const stopWaiting = patience === undefined ? () => {} : this.#loseInterest(outgoing, patience);
      void outgoing.start();
    });
  }

  /** Cancels a re-INVITE that is worked on but not answered; without any response it ends by itself. */
  #loseInterest(outgoing: Outgoing, { giveUpAfterMs }: Patience): () => void {
    const { core } = this.#parts;
    const { clock, timers } = core;
    let waiting = clock.after(giveUpAfterMs, () => {
      if (!outgoing.progressing) return;
      cancelRequest(core, outgoing);
      waiting = clock.after(giveUpAfter(timers), () =>
        outgoing.transaction?.fail('timeout', 'no answer to CANCEL'),
      );
    });
    return () => waiting.revoke();
  }

  #progress(response: SipResponse, answered: boolean): void {
    if (answered || !this.isNextReliable(response)) return;
    this.#parts.offers.came(response);
    void this.prack(response, undefined);
  }

  /** A 2xx to our re-INVITE: the target may have moved, and an ACK is owed. */
  #adopt(invite: SipRequest, response: SipResponse): void {
    const { data, acks, offers, peer, timer } = this.#parts;
    data.remoteTarget = contactOf(response) ?? data.remoteTarget;
    offers.came(response);
    if (offers.open === 'ours') offers.settle();
    acks.owe(invite);
    peer.learn(response);
    if (this.#host.state === 'terminated') acks.send(invite.headers.cseq.seq);
    else timer.accepted(response);
  }

  /** Sends the ACK that is owed for the INVITE of that number; the answer goes with it when the 2xx carried the offer. */
  acknowledge(seq: number, body?: Body, headers?: ExtraHeaders): void {
    const { acks, offers } = this.#parts;
    offers.sent(offers.open === 'theirs' ? body : undefined);
    offers.settle();
    acks.send(seq, body, headers);
  }

  /** True for a reliable provisional response that is next in order; any other one must not be acknowledged (RFC 3262 section 4). */
  isNextReliable(response: SipResponse): boolean {
    const rseq = rseqOf(response);
    if (rseq === undefined || !requires(response, '100rel')) return false;
    const { seq } = response.headers.cseq;
    const last = this.#lastRseq;
    if (last !== undefined && last.seq === seq && rseq !== last.rseq + 1) return false;
    this.#lastRseq = { seq, rseq };
    return true;
  }

  /** Acknowledges a provisional response that was sent reliably. */
  async prack(response: SipResponse, body: Body | undefined): Promise<SipResponse> {
    const { sender, offers } = this.#parts;
    const { seq, method } = response.headers.cseq;
    offers.sent(body);
    const result = await sender.send('PRACK', {
      headers: { rack: `${rseqOf(response) ?? 0} ${seq} ${method}` },
      body,
    });
    if (result.status < 300) offers.came(result);
    return result;
  }

  async update(content: Content): Promise<SipResponse> {
    const { sender, offers, timer } = this.#parts;
    const host = this.#host;
    if (host.state === 'terminated') return sender.made('UPDATE', 481);
    const isOffer = isDescription(content.body);
    const isBusy = offers.open !== 'none' || this.#inviting || host.isAnswering;
    if (isOffer && isBusy) return sender.made('UPDATE', 491);
    const first = await this.#update(content);
    const again = first.status === 422 && timer.refused(first);
    const response = again ? await this.#update(content) : first;
    host.judge(response);
    return response;
  }

  /** Before the call is answered, no timer runs yet that an UPDATE could refresh. */
  async #update({ headers, body }: Content): Promise<SipResponse> {
    const { core, data, sender, offers, peer, timer } = this.#parts;
    const isConfirmed = this.#host.state === 'confirmed';
    const isOffer = isDescription(body);
    if (isOffer) offers.sent(body);
    const own = { allow: core.allow, supported: SUPPORTED, ...(isConfirmed ? timer.requestHeaders() : {}) };
    const response = await sender.send('UPDATE', { headers: { ...own, ...headers }, body });
    const isSuccess = response.status < 300;
    if (isOffer && isSuccess) offers.came(response);
    if (isOffer && offers.open === 'ours') offers.settle();
    if (!isSuccess || this.#host.state === 'terminated') return response;
    data.remoteTarget = contactOf(response) ?? data.remoteTarget;
    peer.learn(response);
    if (isConfirmed) timer.accepted(response);
    return response;
  }
}
