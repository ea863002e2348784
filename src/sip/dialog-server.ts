// Requests of the peer that change the session of a dialog: re-INVITE and UPDATE (RFC 3261 section 14.2, RFC 3311 section 5.2).
import type { DialogParts } from './dialog-client.ts';
import { contactOf } from './dialog-state.ts';
import { aliasOfSender } from './dialog-way.ts';
import { compose, Incoming, type IncomingHooks } from './incoming.ts';
import { hasSdp } from './offers.ts';
import { requires } from './option-tags.ts';
import type { IntervalAnswer } from './session-interval.ts';
import type { ServerTransaction } from './transactions.ts';
import type { DialogState, ExtraHeaders, IncomingRequest, ResponseOptions } from './user-agent-types.ts';

/** The longest wait, in seconds, that a peer is asked for when its request came too early (section 14.2). */
const LONGEST_RETRY_AFTER = 10;

/** The dialog as its peer's requests see it. */
export interface ServerHost {
  readonly state: DialogState;
  readonly localTag: string;
  /** An INVITE of ours has no final response yet. */
  readonly isInviting: boolean;
  readonly onReinvite: Handler | undefined;
  readonly onUpdate: Handler | undefined;
  /** Runs the user's handler; what it throws is answered 500. */
  hand(what: string, incoming: Incoming, handler: Handler): void;
  /** A 2xx to a re-INVITE has been sent. */
  awaitAck(seq: number, transaction: ServerTransaction): void;
  receiveAck(ack: ServerTransaction['request']): void;
}

export type Handler = (request: IncomingRequest) => void;

export class DialogServer {
  readonly #parts: DialogParts;
  readonly #host: ServerHost;
  /** The INVITE of the peer that has no final response yet. */
  #invite: ServerTransaction | undefined;
  /** The UPDATE of the peer that has no final response yet. */
  #update: ServerTransaction | undefined;

  constructor(parts: DialogParts, host: ServerHost) {
    this.#parts = parts;
    this.#host = host;
  }

  get isAnswering(): boolean {
    return this.#invite !== undefined;
  }

  answer(transaction: ServerTransaction, status: number, headers: ExtraHeaders = {}): void {
    transaction.respond(compose(this.#parts.core, transaction, status, this.#host.localTag, { headers }));
  }

  receiveReinvite(transaction: ServerTransaction): void {
    const { core } = this.#parts;
    const { onReinvite } = this.#host;
    const terms = this.#admit(transaction, this.#invite !== undefined);
    if (terms === undefined) return;
    if (onReinvite === undefined) return this.answer(transaction, 488);
    this.#invite = transaction;
    this.#parts.offers.came(transaction.request);
    core.cancellable.set(transaction, { tag: this.#host.localTag, cancel: () => this.#cancelInvite() });
    transaction.listen({ onAck: (ack) => this.#host.receiveAck(ack), onTransportError: () => {} });
    const hooks: IncomingHooks = {
      ...this.#headersOf(terms),
      // Who insists on 100rel would wait for a number in it (RFC 3262 section 3).
      permits: (status) => status >= 200 || status === 100 || !requires(transaction.request, '100rel'),
      onResponded: (status, options) => this.#reinviteAnswered(transaction, terms, status, options),
    };
    this.#host.hand('onReinvite', new Incoming(core, transaction, hooks), onReinvite);
  }

  #headersOf(terms: IntervalAnswer): IncomingHooks {
    return { headers: (status) => (isSuccess(status) && terms.kind === 'agreed' ? terms.headers : {}) };
  }

  /** The terms of the session timer for a request that may be served; undefined when it has been refused. */
  #admit(transaction: ServerTransaction, isEarly: boolean): IntervalAnswer | undefined {
    const { offers } = this.#parts;
    const { request } = transaction;
    const isOffer = hasSdp(request);
    // A re-INVITE without offer asks us for one, which may not cross one of ours either.
    const counts = isOffer || request.method === 'INVITE';
    if (counts && (this.#host.isInviting || offers.open === 'ours')) this.answer(transaction, 491);
    else if (isEarly || (counts && offers.open === 'theirs')) this.#answerLater(transaction);
    else return this.#terms(transaction);
    return undefined;
  }

  #terms(transaction: ServerTransaction): IntervalAnswer | undefined {
    if (this.#host.state === 'early') return { kind: 'none' };
    const terms = this.#parts.timer.answer(transaction.request);
    if (terms.kind !== 'too-small') return terms;
    this.answer(transaction, 422, terms.headers);
    return undefined;
  }

  #answerLater(transaction: ServerTransaction): void {
    const retryAfter = String(Math.floor(Math.random() * (LONGEST_RETRY_AFTER + 1)));
    this.answer(transaction, 500, { 'retry-after': retryAfter });
  }

  #reinviteAnswered(
    transaction: ServerTransaction,
    terms: IntervalAnswer,
    status: number,
    { body }: ResponseOptions,
  ): void {
    if (status < 200) return;
    const { offers, timer } = this.#parts;
    if (this.#invite === transaction) this.#invite = undefined;
    if (!isSuccess(status)) return offers.settle();
    offers.sent(body);
    this.#moveTo(transaction);
    if (this.#host.state !== 'terminated') timer.agreed(terms);
    this.#host.awaitAck(transaction.request.headers.cseq.seq, transaction);
  }

  /** The peer may have moved (section 12.2.2). */
  #moveTo({ request, flow }: ServerTransaction): void {
    const { data, peer, way } = this.#parts;
    data.remoteTarget = contactOf(request) ?? data.remoteTarget;
    peer.learn(request);
    way.moveTo(flow, aliasOfSender(request, flow));
  }

  receiveUpdate(transaction: ServerTransaction): void {
    const { core, offers } = this.#parts;
    const { onUpdate } = this.#host;
    const terms = this.#admit(transaction, this.#update !== undefined);
    if (terms === undefined) return;
    const isOffer = hasSdp(transaction.request);
    if (isOffer && onUpdate === undefined) return this.answer(transaction, 488);
    this.#update = transaction;
    if (isOffer) offers.came(transaction.request);
    const hooks: IncomingHooks = {
      ...this.#headersOf(terms),
      onResponded: (status, options) => this.#updateAnswered(transaction, terms, status, options),
    };
    const incoming = new Incoming(core, transaction, hooks);
    if (isOffer && onUpdate !== undefined) this.#host.hand('onUpdate', incoming, onUpdate);
    else incoming.respond(200);
  }

  #updateAnswered(
    transaction: ServerTransaction,
    terms: IntervalAnswer,
    status: number,
    { body }: ResponseOptions,
  ): void {
    if (status < 200) return;
    const { offers, timer } = this.#parts;
    if (this.#update === transaction) this.#update = undefined;
    if (isSuccess(status)) offers.sent(body);
    if (hasSdp(transaction.request) && offers.open === 'theirs') offers.settle();
    if (!isSuccess(status) || this.#host.state === 'terminated') return;
    this.#moveTo(transaction);
    if (this.#host.state === 'confirmed') timer.agreed(terms);
  }

  #cancelInvite(): void {
    const invite = this.#invite;
    this.#invite = undefined;
    if (invite === undefined) return;
    this.answer(invite, 487);
    this.#parts.offers.settle();
  }

  /** The dialog ends: so does what is under way. */
  answerPending(status: number): void {
    const pending = [this.#invite, this.#update];
    this.#invite = undefined;
    this.#update = undefined;
    for (const transaction of pending) if (transaction !== undefined) this.answer(transaction, status);
    this.#parts.offers.settle();
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
