// A dialog, early or established: requests both ways, BYE, and its end (RFC 3261 sections 12, 14 and 15).
import { Accepted, type AcceptedHost } from './accepted.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { KNOWN_METHODS } from './compose.ts';
import { type Core, guard } from './core.ts';
import {
  type ClientHost,
  DialogClient,
  type DialogParts,
  type Reinvitation,
  type Reinvited,
} from './dialog-client.ts';
import { type Content, DialogSender } from './dialog-sender.ts';
import { DialogServer, type ServerHost } from './dialog-server.ts';
import { contactOf, type DialogData, routeSetOfCaller } from './dialog-state.ts';
import type { DialogWay } from './dialog-way.ts';
import { Incoming } from './incoming.ts';
import type { NameAddr, SipRequest, SipResponse } from './message.ts';
import { Offers } from './offers.ts';
import { PeerAbilities, SUPPORTED } from './option-tags.ts';
import { refreshSession } from './session-refresh.ts';
import { SessionTimer, type SessionTimerUser } from './session-timer.ts';
import { type StoredDialog, storeDialog } from './stored-dialog.ts';
import { dialogKey } from './transaction-keys.ts';
import type { ServerTransaction } from './transactions.ts';
import type {
  Body,
  Credentials,
  Dialog,
  DialogEnd,
  DialogState,
  ExtraHeaders,
  IncomingRequest,
  SessionTimerState,
} from './user-agent-types.ts';

/** Requests of subscriptions, whose end is not that of the session (RFC 5057 section 5). */
const OTHER_USAGES = new Set(['NOTIFY', 'REFER', 'SUBSCRIBE']);

/** What only the INVITE of an early dialog knows: requests of the peer that concern it. */
export interface EarlyServer {
  receivePrack(transaction: ServerTransaction): void;
  /** BYE ends an early dialog too (section 15.1.2). */
  cancel(): void;
}

export class DialogImpl implements Dialog, ClientHost, ServerHost, AcceptedHost, SessionTimerUser {
  readonly id: string;
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly remote: NameAddr;
  onAck: ((ack: SipRequest) => void) | undefined;
  onReinvite: ((request: IncomingRequest) => void) | undefined;
  onUpdate: ((request: IncomingRequest) => void) | undefined;
  onRequest: ((request: IncomingRequest) => void) | undefined;
  onEnd: ((end: DialogEnd) => void) | undefined;
  role: 'caller' | 'callee' = 'caller';
  /** Of a callee: what only its INVITE knows. */
  invite: EarlyServer | undefined;
  readonly parts: DialogParts;
  readonly client: DialogClient;

  readonly #core: Core;
  readonly #server: DialogServer;
  readonly #accepted: Accepted;
  #state: DialogState;
  /** The peer has sent BYE, or never heard of the dialog. */
  #isLeft = false;

  constructor(
    core: Core,
    data: DialogData,
    way: DialogWay,
    credentials: Credentials | undefined,
    state: DialogState = 'confirmed',
  ) {
    this.#core = core;
    this.#state = state;
    this.callId = data.callId;
    this.localTag = data.localTag;
    this.remoteTag = data.remoteTag;
    this.remote = data.remote;
    this.id = dialogKey(data.callId, data.localTag, data.remoteTag);
    this.parts = {
      core,
      data,
      way,
      sender: new DialogSender(core, data, way, credentials),
      acks: new Acknowledgements(core, data, way),
      offers: new Offers(),
      peer: new PeerAbilities(),
      timer: new SessionTimer(core, this),
    };
    this.#accepted = new Accepted(core, this);
    this.client = new DialogClient(this.parts, this);
    this.#server = new DialogServer(this.parts, this);
  }

  get state(): DialogState {
    return this.#state;
  }

  get localDescription(): Body | undefined {
    return this.parts.offers.local;
  }

  get sessionTimer(): SessionTimerState | undefined {
    return this.parts.timer.state;
  }

  get established(): Promise<void> {
    return this.#accepted.established;
  }

  get isAnswering(): boolean {
    return this.#server.isAnswering;
  }

  get isInviting(): boolean {
    return this.client.isInviting;
  }

  allows(method: string): boolean {
    return this.parts.peer.allows(method);
  }

  supports(tag: string): boolean {
    return this.parts.peer.supports(tag);
  }

  store(): StoredDialog {
    return storeDialog(this.parts, this.role);
  }

  register(): this {
    this.#core.dialogs.set(this.id, this);
    return this;
  }

  /** The final 2xx has come, or goes out: what was early is a dialog for good. */
  confirm(response?: SipResponse): void {
    this.#state = 'confirmed';
    if (response === undefined) return;
    const { data } = this.parts;
    data.routeSet = routeSetOfCaller(response);
    data.remoteTarget = contactOf(response) ?? data.remoteTarget;
  }

  /** An early dialog that came to nothing. Leaves no timer behind, and tells nobody. */
  abandon(): void {
    this.#isLeft = true;
    this.#accepted.forget();
    if (this.#state !== 'terminated') this.#server.answerPending(487);
    this.close();
    this.#core.dialogs.delete(this.id);
  }

  /** Leaves no timer behind, and tells nobody. */
  close(): void {
    this.#state = 'terminated';
    this.parts.timer.stop();
    this.#accepted.finish(false);
  }

  /** The 2xx is decided but has yet to go out: requests of ours wait for it. */
  awaitAnswer(): void {
    this.#accepted.expect();
  }

  /** Repeats the 2xx that was just sent until its ACK comes; without one, the dialog ends (section 13.3.1.4). */
  awaitAck(seq: number, transaction: ServerTransaction): void {
    this.#accepted.repeat(seq, transaction);
  }

  receiveAck(ack: SipRequest): void {
    const { seq } = ack.headers.cseq;
    if (!this.#accepted.has(seq)) return;
    const { offers } = this.parts;
    if (offers.open === 'ours') offers.came(ack);
    offers.settle();
    this.#accepted.acknowledge(seq);
    if (this.#state === 'confirmed') guard(this.#core, 'onAck', () => this.onAck?.(ack));
  }

  // Requests of ours

  async request(method: string, options: Content = {}): Promise<SipResponse> {
    if (method === 'BYE') return this.bye(options.headers);
    if (method === 'UPDATE') return this.update(options);
    if (this.#state === 'terminated') return this.parts.sender.made(method, 481);
    const response = await this.parts.sender.send(method, options);
    if (!OTHER_USAGES.has(method)) this.judge(response);
    return response;
  }

  reinvite(options: Reinvitation): Promise<Reinvited> {
    return this.client.reinvite(options);
  }

  update(options: Content): Promise<SipResponse> {
    return this.client.update(options);
  }

  /** A peer that does not know the dialog, or does not answer, has none (section 12.2.1.2). The INVITE decides of an early one. */
  judge(response: SipResponse): void {
    if (this.#state !== 'confirmed') return;
    if (response.status === 408) this.giveUp();
    else if (response.status === 481) this.#end({ by: 'timeout', request: undefined });
  }

  /** It is our turn to refresh the session. */
  refresh(): void {
    void refreshSession(this, this.parts.timer);
  }

  /** The peer may be alive and only have missed something: it is told. */
  giveUp(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    void this.#hangUp({});
    this.#tellEnd({ by: 'timeout', request: undefined });
  }

  bye(headers?: ExtraHeaders): Promise<SipResponse> {
    if (this.#state !== 'confirmed') return Promise.resolve(this.parts.sender.made('BYE', 481));
    this.#state = 'terminated';
    return this.#hangUp({ headers });
  }

  /** The dialog stays known until the BYE is answered, so that a BYE that crosses it is answered 200. */
  async #hangUp(content: Content): Promise<SipResponse> {
    const { sender, acks, timer } = this.parts;
    timer.stop();
    this.#server.answerPending(487);
    acks.sendOwed();
    await this.established;
    const response = this.#isLeft ? sender.made('BYE', 200) : await sender.send('BYE', content);
    this.#core.dialogs.delete(this.id);
    return response;
  }

  // Requests of the peer

  receive(transaction: ServerTransaction): void {
    const { method, headers } = transaction.request;
    const { data } = this.parts;
    const { seq } = headers.cseq;
    if (data.remoteSeq !== undefined && seq < data.remoteSeq) return this.#server.answer(transaction, 500);
    data.remoteSeq = seq;
    this.parts.way.heardOn(transaction.flow);
    if (method === 'BYE') this.#receiveBye(transaction);
    else if (method === 'PRACK') this.#receivePrack(transaction);
    else if (this.#state === 'terminated') this.#server.answer(transaction, 481);
    else if (method === 'INVITE') this.#server.receiveReinvite(transaction);
    else if (method === 'UPDATE') this.#server.receiveUpdate(transaction);
    else this.#receiveOther(transaction);
  }

  #receiveBye(transaction: ServerTransaction): void {
    // Only the caller may end an early dialog with BYE (section 15).
    if (this.#state === 'early' && this.invite === undefined) return this.#server.answer(transaction, 481);
    this.#server.answer(transaction, 200);
    if (this.#state === 'early') return this.invite?.cancel();
    this.#isLeft = true;
    this.parts.acks.sendOwed();
    this.#end({ by: 'remote', request: transaction.request });
  }

  #receivePrack(transaction: ServerTransaction): void {
    if (this.invite === undefined) this.#server.answer(transaction, 481);
    else this.invite.receivePrack(transaction);
  }

  #receiveOther(transaction: ServerTransaction): void {
    const { method } = transaction.request;
    if (this.onRequest !== undefined)
      this.hand('onRequest', new Incoming(this.#core, transaction), this.onRequest);
    else if (method === 'OPTIONS')
      this.#server.answer(transaction, 200, { allow: this.#core.allow, supported: SUPPORTED });
    else this.#server.answer(transaction, KNOWN_METHODS.has(method) ? 405 : 501);
  }

  hand(what: string, incoming: Incoming, handler: (request: IncomingRequest) => void): void {
    if (!guard(this.#core, what, () => handler(incoming))) incoming.failHandler();
  }

  #end(end: DialogEnd): void {
    const wasConfirmed = this.#state === 'confirmed';
    this.#state = 'terminated';
    this.parts.timer.stop();
    this.#server.answerPending(487);
    this.#accepted.finish(true);
    this.#core.dialogs.delete(this.id);
    if (wasConfirmed) this.#tellEnd(end);
  }

  #tellEnd(end: DialogEnd): void {
    guard(this.#core, 'onEnd', () => this.onEnd?.(end));
  }
}
