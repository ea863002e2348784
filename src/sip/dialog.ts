// An established dialog: requests both ways, BYE, and its end (RFC 3261 sections 12, 14 and 15).
import { Acknowledgements } from './acknowledgements.ts';
import { ALLOW, KNOWN_METHODS } from './compose.ts';
import { type Core, guard } from './core.ts';
import { type Content, DialogSender } from './dialog-sender.ts';
import { contactOf, type DialogData } from './dialog-state.ts';
import { aliasOfSender, type DialogWay } from './dialog-way.ts';
import { compose, Incoming } from './incoming.ts';
import type { NameAddr, SipRequest, SipResponse } from './message.ts';
import { cancelRequest, type Outgoing } from './outgoing.ts';
import { giveUpAfter } from './timers.ts';
import { dialogKey } from './transaction-keys.ts';
import type { ServerTransaction } from './transactions.ts';
import { Unacknowledged } from './unacknowledged.ts';
import type {
  Body,
  Credentials,
  Dialog,
  DialogEnd,
  DialogState,
  ExtraHeaders,
  IncomingRequest,
  Patience,
} from './user-agent-types.ts';

type Reinvited = { response: SipResponse; ack: (body?: Body) => void };

/** The longest wait, in seconds, that a peer is asked for when its re-INVITE came too early (section 14.2). */
const LONGEST_RETRY_AFTER = 10;

export class DialogImpl implements Dialog {
  readonly id: string;
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly remote: NameAddr;
  onAck: ((ack: SipRequest) => void) | undefined;
  onReinvite: ((request: IncomingRequest) => void) | undefined;
  onRequest: ((request: IncomingRequest) => void) | undefined;
  onEnd: ((end: DialogEnd) => void) | undefined;

  readonly #core: Core;
  readonly #data: DialogData;
  readonly #way: DialogWay;
  readonly #sender: DialogSender;
  /** ACKs that we send. */
  readonly #acks: Acknowledgements;
  /** By CSeq number: 2xx of ours whose ACK has not come. */
  readonly #unacknowledged = new Map<number, Unacknowledged>();
  #state: DialogState = 'confirmed';
  /** The peer has sent BYE. */
  #isLeft = false;
  /** An INVITE of ours has no final response yet. */
  #inviting = false;
  /** The INVITE of the peer that has no final response yet. */
  #answering: ServerTransaction | undefined;
  /** Settled when the ACK of our last 2xx has come, or will not come. */
  #established: Promise<void> = Promise.resolve();

  constructor(core: Core, data: DialogData, way: DialogWay, credentials: Credentials | undefined) {
    this.#core = core;
    this.#data = data;
    this.#way = way;
    this.#sender = new DialogSender(core, data, way, credentials);
    this.#acks = new Acknowledgements(core, data, way);
    this.callId = data.callId;
    this.localTag = data.localTag;
    this.remoteTag = data.remoteTag;
    this.remote = data.remote;
    this.id = dialogKey(data.callId, data.localTag, data.remoteTag);
  }

  get state(): DialogState {
    return this.#state;
  }

  register(): void {
    this.#core.dialogs.set(this.id, this);
  }

  /** A dialog whose INVITE was cancelled before it was accepted: over from the start. */
  stillborn(): this {
    this.#state = 'terminated';
    return this;
  }

  /** Leaves no timer behind, and tells nobody. */
  close(): void {
    this.#state = 'terminated';
    for (const waiting of [...this.#unacknowledged.values()]) waiting.finish(false);
  }

  // ACK, as the caller

  /** A 2xx to this INVITE of ours has come: its ACK is owed. */
  oweAck(invite: SipRequest): void {
    this.#acks.owe(invite);
  }

  acknowledge(seq: number, body?: Body, headers?: ExtraHeaders): void {
    this.#acks.send(seq, body, headers);
  }

  /** The 2xx has come again: so must its ACK. */
  repeatAck(seq: number): void {
    this.#acks.repeat(seq);
  }

  // ACK, as the callee

  /** Repeats the 2xx that was just sent until its ACK comes; without one, the dialog ends (section 13.3.1.4). */
  awaitAck(seq: number, transaction: ServerTransaction): void {
    const settled = new Promise<void>((resolve) => {
      const waiting = new Unacknowledged(this.#core, transaction, (acknowledged) => {
        this.#unacknowledged.delete(seq);
        resolve();
        if (!acknowledged) this.#giveUp();
      });
      this.#unacknowledged.set(seq, waiting);
    });
    this.#established = settled;
  }

  receiveAck(ack: SipRequest): void {
    const waiting = this.#unacknowledged.get(ack.headers.cseq.seq);
    if (waiting === undefined) return;
    waiting.finish(true);
    if (this.#state === 'confirmed') guard(this.#core, 'onAck', () => this.onAck?.(ack));
  }

  // Requests of ours

  async request(method: string, options: Content = {}): Promise<SipResponse> {
    if (method === 'BYE') return this.bye(options.headers);
    if (this.#state === 'terminated') return this.#sender.made(method, 481);
    const response = await this.#sender.send(method, options);
    this.#judge(response);
    return response;
  }

  /** A peer that does not know the dialog, or does not answer, has none (section 12.2.1.2). */
  #judge(response: SipResponse): void {
    if (response.status === 408) this.#giveUp();
    else if (response.status === 481) this.#end({ by: 'timeout', request: undefined });
  }

  /** The peer may be alive and only have missed something: it is told. */
  #giveUp(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    void this.#hangUp({});
    this.#tellEnd({ by: 'timeout', request: undefined });
  }

  async reinvite(options: Content & { patience?: Patience }): Promise<Reinvited> {
    if (this.#state === 'terminated') return this.#notInvited(481);
    if (this.#inviting || this.#answering !== undefined || this.#acks.owed) return this.#notInvited(491);
    this.#inviting = true;
    // A peer that has missed our 2xx would not know the dialog yet.
    await this.#established;
    if (this.state === 'terminated') return this.#notInvited(481);
    const result = await this.#invite(options);
    // A party that only does not answer this may go on as it is (section 14.1 leaves it to the dialog's user).
    if (options.patience === undefined || result.response.status !== 408) this.#judge(result.response);
    return result;
  }

  #notInvited(status: number): Reinvited {
    return { response: this.#sender.made('INVITE', status), ack: () => {} };
  }

  #invite({ headers, body, patience }: Content & { patience?: Patience }): Promise<Reinvited> {
    return new Promise((resolve) => {
      const outgoing = this.#sender.prepare(
        'INVITE',
        { headers: { allow: ALLOW, ...headers }, body },
        (response) => {
          const { request } = outgoing;
          const { seq } = request.headers.cseq;
          if (response.status < 200) return;
          if (answered) return this.#acks.repeat(seq);
          answered = true;
          this.#inviting = false;
          stopWaiting();
          if (response.status < 300) this.#adopt(request, response);
          resolve({ response, ack: (ackBody) => this.acknowledge(seq, ackBody) });
        },
      );
      let answered = false;
      const stopWaiting = patience === undefined ? () => {} : this.#loseInterest(outgoing, patience);
      void outgoing.start();
    });
  }

  /** Cancels a re-INVITE that is worked on but not answered; without any response it ends by itself. */
  #loseInterest(outgoing: Outgoing, { giveUpAfterMs }: Patience): () => void {
    const { clock, timers } = this.#core;
    let stop = clock.after(giveUpAfterMs, () => {
      if (!outgoing.progressing) return;
      cancelRequest(this.#core, outgoing);
      stop = clock.after(giveUpAfter(timers), () =>
        outgoing.transaction?.fail('timeout', 'no answer to CANCEL'),
      );
    });
    return () => stop();
  }

  /** A 2xx to our re-INVITE: the target may have moved, and an ACK is owed. */
  #adopt(invite: SipRequest, response: SipResponse): void {
    this.#data.remoteTarget = contactOf(response) ?? this.#data.remoteTarget;
    this.#acks.owe(invite);
    if (this.#state === 'terminated') this.#acks.send(invite.headers.cseq.seq);
  }

  bye(headers?: ExtraHeaders): Promise<SipResponse> {
    if (this.#state === 'terminated') return Promise.resolve(this.#sender.made('BYE', 481));
    this.#state = 'terminated';
    return this.#hangUp({ headers });
  }

  /** The dialog stays known until the BYE is answered, so that a BYE that crosses it is answered 200. */
  async #hangUp(content: Content): Promise<SipResponse> {
    this.#answerPending(487);
    this.#acks.sendOwed();
    await this.#established;
    const response = this.#isLeft ? this.#sender.made('BYE', 200) : await this.#sender.send('BYE', content);
    this.#core.dialogs.delete(this.id);
    return response;
  }

  // Requests of the peer

  receive(transaction: ServerTransaction): void {
    const { method, headers } = transaction.request;
    const { seq } = headers.cseq;
    if (this.#data.remoteSeq !== undefined && seq < this.#data.remoteSeq)
      return this.#answer(transaction, 500);
    this.#data.remoteSeq = seq;
    this.#way.heardOn(transaction.flow);
    if (method === 'BYE') this.#receiveBye(transaction);
    else if (this.#state === 'terminated') this.#answer(transaction, 481);
    else if (method === 'INVITE') this.#receiveReinvite(transaction);
    else this.#receiveOther(transaction);
  }

  #answer(transaction: ServerTransaction, status: number, headers: ExtraHeaders = {}): void {
    transaction.respond(compose(this.#core, transaction, status, this.localTag, { headers }));
  }

  #receiveBye(transaction: ServerTransaction): void {
    this.#isLeft = true;
    this.#answer(transaction, 200);
    this.#acks.sendOwed();
    this.#end({ by: 'remote', request: transaction.request });
  }

  #receiveReinvite(transaction: ServerTransaction): void {
    if (this.#inviting) return this.#answer(transaction, 491);
    if (this.#answering !== undefined) {
      const retryAfter = String(Math.floor(Math.random() * (LONGEST_RETRY_AFTER + 1)));
      return this.#answer(transaction, 500, { 'retry-after': retryAfter });
    }
    const { onReinvite } = this;
    if (onReinvite === undefined) return this.#answer(transaction, 488);
    this.#answering = transaction;
    this.#core.cancellable.set(transaction, { tag: this.localTag, cancel: () => this.#answerPending(487) });
    transaction.listen({ onAck: (ack) => this.receiveAck(ack), onTransportError: () => {} });
    const incoming = new Incoming(this.#core, transaction, (status) =>
      this.#reinviteAnswered(transaction, status),
    );
    this.#hand('onReinvite', incoming, onReinvite);
  }

  #reinviteAnswered(transaction: ServerTransaction, status: number): void {
    if (status < 200) return;
    if (this.#answering === transaction) this.#answering = undefined;
    if (status >= 300) return;
    const { request, flow } = transaction;
    this.#data.remoteTarget = contactOf(request) ?? this.#data.remoteTarget;
    this.#way.moveTo(flow, aliasOfSender(request, flow));
    this.awaitAck(request.headers.cseq.seq, transaction);
  }

  /** The re-INVITE under way is over: cancelled, or its dialog ends. */
  #answerPending(status: number): void {
    const pending = this.#answering;
    this.#answering = undefined;
    if (pending !== undefined) this.#answer(pending, status);
  }

  #receiveOther(transaction: ServerTransaction): void {
    const { method } = transaction.request;
    if (this.onRequest !== undefined)
      this.#hand('onRequest', new Incoming(this.#core, transaction), this.onRequest);
    else if (method === 'OPTIONS') this.#answer(transaction, 200, { allow: ALLOW });
    else this.#answer(transaction, KNOWN_METHODS.has(method) ? 405 : 501);
  }

  #hand(what: string, incoming: Incoming, handler: (request: IncomingRequest) => void): void {
    if (!guard(this.#core, what, () => handler(incoming))) incoming.failHandler();
  }

  // The end

  #end(end: DialogEnd): void {
    const wasConfirmed = this.#state === 'confirmed';
    this.#state = 'terminated';
    this.#answerPending(487);
    for (const waiting of [...this.#unacknowledged.values()]) waiting.finish(true);
    this.#core.dialogs.delete(this.id);
    if (wasConfirmed) this.#tellEnd(end);
  }

  #tellEnd(end: DialogEnd): void {
    guard(this.#core, 'onEnd', () => this.onEnd?.(end));
  }
}
