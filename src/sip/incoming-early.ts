// One branch of an INVITE that came: its To tag, its early dialog, its reliable responses (RFC 3261 section 12.1.1, RFC 3262).
import type { Core } from './core.ts';
import { DialogImpl } from './dialog.ts';
import { dialogOfCallee } from './dialog-state.ts';
import { aliasOfSender, DialogWay } from './dialog-way.ts';
import { Incoming } from './incoming.ts';
import type { SipResponse } from './message.ts';
import { hasSdp } from './offers.ts';
import { ReliableResponses } from './reliable.ts';
import type { ServerTransaction } from './transactions.ts';
import type { Body, IncomingRequest } from './user-agent-types.ts';

/** The INVITE as its branches see it. */
export interface BranchHost {
  /** Sends a provisional response; again, too. */
  send(response: SipResponse): void;
  onPrack: ((prack: IncomingRequest, branch: string) => void) | undefined;
  /** CANCEL in all but name. */
  cancel(): void;
  /** The caller has not acknowledged a reliable response in time. */
  onUnacknowledged(): void;
}

export class IncomingBranch {
  readonly name: string;
  readonly tag: string;
  readonly dialog: DialogImpl;
  #reliable: ReliableResponses | undefined;
  readonly #core: Core;
  readonly #host: BranchHost;

  constructor(
    core: Core,
    transaction: ServerTransaction,
    branch: { name: string; tag: string },
    host: BranchHost,
  ) {
    const { request, flow } = transaction;
    this.#core = core;
    this.#host = host;
    this.name = branch.name;
    this.tag = branch.tag;
    const way = new DialogWay(core, flow, aliasOfSender(request, flow));
    this.dialog = new DialogImpl(core, dialogOfCallee(request, branch.tag), way, undefined, 'early');
    this.dialog.parts.peer.learn(request);
    this.dialog.parts.offers.came(request);
    this.dialog.role = 'callee';
    this.dialog.invite = { receivePrack: (prack) => this.#receivePrack(prack), cancel: () => host.cancel() };
  }

  /** Most calls have no reliable responses. */
  get reliable(): ReliableResponses {
    this.#reliable ??= new ReliableResponses(this.#core, {
      send: (response) => this.#host.send(response),
      onSent: (response) => this.dialog.parts.offers.sent(descriptionOf(response)),
      onGiveUp: () => this.#host.onUnacknowledged(),
    });
    return this.#reliable;
  }

  /** False while a 2xx would have to wait for a PRACK. */
  get isFree(): boolean {
    return this.#reliable === undefined || this.#reliable.isFree;
  }

  /** The 2xx has been sent. A dialog outlives its INVITE by far, and keeps it only for a PRACK that may be under way. */
  finish(): void {
    if (this.#reliable === undefined) this.dialog.invite = undefined;
    else this.#reliable.finish();
  }

  /** PRACK ends the repetition of its response; one that carries a description is the user's to answer (RFC 3262 section 5). */
  #receivePrack(transaction: ServerTransaction): void {
    const { request } = transaction;
    const { offers } = this.dialog.parts;
    const response = this.#reliable?.acknowledge(request);
    const incoming = new Incoming(this.#core, transaction, {
      onResponded: (status, { body }) => {
        if (status < 300) offers.sent(body);
        if (status >= 200 && hasSdp(request)) offers.settle();
      },
    });
    if (response === undefined) return incoming.respond(481);
    const isAnswer = offers.open === 'ours';
    offers.came(request);
    // An answer that had to be in this PRACK will not come in another message.
    if (isAnswer && offers.open === 'ours') offers.settle();
    const { onPrack } = this.#host;
    if (hasSdp(request) && onPrack !== undefined)
      this.dialog.hand('onPrack', incoming, (prack) => onPrack(prack, this.name));
    else incoming.respond(hasSdp(request) && !isAnswer ? 488 : 200);
  }

  /** Nothing of it stays: another branch has answered, or none. */
  end(): void {
    this.#reliable?.stop();
    this.dialog.abandon();
  }
}

function descriptionOf(response: SipResponse): Body | undefined {
  const type = response.headers['content-type'];
  return typeof type === 'string' && response.body.length > 0 ? { type, bytes: response.body } : undefined;
}
