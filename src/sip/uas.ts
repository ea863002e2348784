// What happens to each request that comes: the checks of RFC 3261 section 8.2, then its dialog or the user.

import { type Core, guard } from './core.ts';
import { contactOf } from './dialog-state.ts';
import { compose, Incoming } from './incoming.ts';
import { IncomingInviteImpl } from './incoming-invite.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { unsupportedOf } from './option-tags.ts';
import { makeResponse } from './response.ts';
import { answerInterval } from './session-interval.ts';
import { dialogKey, statelessTag } from './transaction-keys.ts';
import type { ServerTransaction } from './transactions.ts';
import { parseUri } from './uri.ts';
import type { ExtraHeaders, Flow, Refusal } from './user-agent-types.ts';

export class Uas {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** True for what belongs to a call that there is. */
  isExpected(request: SipRequest, flow: Flow): boolean {
    if (request.method === 'CANCEL') return this.#inviteOf(request, flow) !== undefined;
    return this.#core.dialogs.has(keyOf(request));
  }

  /**
   * What belongs to no call of ours, and what the user does not admit, is answered once and forgotten: neither the memory nor
   * the retransmissions of a transaction are at the disposal of strangers (RFC 3261 section 26.3.2.4).
   */
  answerWithoutState(request: SipRequest, flow: Flow): SipResponse | 'ignore' | undefined {
    if (request.method === 'CANCEL')
      return this.#inviteOf(request, flow) === undefined ? this.#once(request, { status: 481 }) : undefined;
    if (request.headers.to.params['tag'])
      return this.#isInDialog(request) ? undefined : this.#once(request, { status: 481 });
    let refusal: Refusal | 'ignore' | undefined;
    const done = guard(this.#core, 'admit', () => {
      refusal = this.#core.user.admit?.(request, flow);
    });
    if (!done) refusal = { status: 500 };
    return typeof refusal === 'object' ? this.#once(request, refusal) : refusal;
  }

  #isInDialog(request: SipRequest): boolean {
    return this.#core.dialogs.has(keyOf(request));
  }

  #once(request: SipRequest, { status, reason, headers, body, challenges }: Refusal): SipResponse {
    this.#core.count(`stateless-${status}`);
    const response = makeResponse(request, status, {
      toTag: statelessTag(request),
      headers: { server: this.#core.product, ...headers },
      ...(reason === undefined ? {} : { reason }),
      ...(body === undefined ? {} : { body }),
    });
    if (challenges !== undefined) response.headers['www-authenticate'] = challenges;
    return response;
  }

  /** A CANCEL comes from where its INVITE came from: it cannot be challenged (section 22.1). */
  #inviteOf(cancel: SipRequest, flow: Flow): Pick<ServerTransaction, 'flow'> | undefined {
    const invite = this.#core.transactions.inviteOf(cancel);
    return invite?.flow.peer.address === flow.peer.address ? invite : undefined;
  }

  /** Any new request but ACK. */
  receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    if (request.method === 'CANCEL') return this.#cancel(transaction);
    const unsupported = unsupportedOf(request.headers['require']);
    if (unsupported !== undefined) return this.#answer(transaction, 420, { unsupported });
    if (request.headers.to.params['tag']) return this.#receiveInDialog(transaction);
    if (this.#core.transactions.isMerged(transaction)) return this.#answer(transaction, 482);
    if (parseUri(request.uri) === undefined) return this.#answer(transaction, 416);
    if (request.method === 'INVITE') this.#receiveInvite(transaction);
    else this.#receiveOther(transaction);
  }

  /** The ACK of a 2xx; never answered. */
  receiveAck(ack: SipRequest): void {
    const dialog = this.#core.dialogs.get(keyOf(ack));
    if (dialog === undefined) this.#core.count('ack-unmatched');
    else dialog.receiveAck(ack);
  }

  #answer(transaction: ServerTransaction, status: number, headers: ExtraHeaders = {}): void {
    const tag = statelessTag(transaction.request);
    transaction.respond(compose(this.#core, transaction, status, tag, { headers }));
  }

  /** CANCEL is answered 200 whether or not it comes too late; the INVITE gets its 487 where it can (section 9.2). */
  #cancel(transaction: ServerTransaction): void {
    const invite = this.#inviteOf(transaction.request, transaction.flow);
    const known = invite && this.#core.cancellable.get(invite);
    if (known === undefined) return this.#answer(transaction, invite === undefined ? 481 : 200);
    transaction.respond(compose(this.#core, transaction, 200, known.tag));
    known.cancel();
  }

  #receiveInDialog(transaction: ServerTransaction): void {
    const dialog = this.#core.dialogs.get(keyOf(transaction.request));
    if (dialog === undefined) this.#answer(transaction, 481);
    else dialog.receive(transaction);
  }

  #receiveInvite(transaction: ServerTransaction): void {
    if (contactOf(transaction.request) === undefined) {
      const response = compose(this.#core, transaction, 400, statelessTag(transaction.request), {
        reason: 'Missing Contact',
      });
      return void transaction.respond(response);
    }
    const terms = answerInterval(transaction.request, this.#core.sessionPolicy);
    if (terms.kind === 'too-small') return this.#answer(transaction, 422, terms.headers);
    const invite = new IncomingInviteImpl(this.#core, transaction);
    if (!guard(this.#core, 'onInvite', () => this.#core.user.onInvite(invite))) invite.failHandler();
  }

  #receiveOther(transaction: ServerTransaction): void {
    const incoming = new Incoming(this.#core, transaction);
    if (!guard(this.#core, 'onRequest', () => this.#core.user.onRequest(incoming))) incoming.failHandler();
  }
}

function keyOf({ headers }: SipRequest): string {
  return dialogKey(headers['call-id'], headers.to.params['tag'] ?? '', headers.from.params['tag'] ?? '');
}
