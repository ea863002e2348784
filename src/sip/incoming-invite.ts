// An INVITE that asks for a new dialog, from its 100 to its final answer (RFC 3261 section 13.3).
import { type Core, guard } from './core.ts';
import { DialogImpl } from './dialog.ts';
import { dialogOfCallee } from './dialog-state.ts';
import { aliasOfSender, DialogWay } from './dialog-way.ts';
import { compose } from './incoming.ts';
import type { SipRequest } from './message.ts';
import { dialogKey, newTag } from './transaction-keys.ts';
import type { ServerTransaction } from './transactions.ts';
import type { Dialog, Flow, IncomingInvite, ResponseOptions } from './user-agent-types.ts';

export class IncomingInviteImpl implements IncomingInvite {
  readonly message: SipRequest;
  readonly flow: Flow;
  readonly localTag = newTag();
  onCancel: (() => void) | undefined;
  readonly #core: Core;
  readonly #transaction: ServerTransaction;
  readonly #key: string;
  #dialog: DialogImpl | undefined;
  #answered = false;

  constructor(core: Core, transaction: ServerTransaction) {
    this.#core = core;
    this.#transaction = transaction;
    this.message = transaction.request;
    this.flow = transaction.flow;
    const { headers } = this.message;
    this.#key = dialogKey(headers['call-id'], this.localTag, headers.from.params['tag'] ?? '');
    core.pending.set(this.#key, this);
    core.cancellable.set(transaction, { tag: this.localTag, cancel: () => this.cancel() });
    transaction.listen({
      onAck: (ack) => this.#dialog?.receiveAck(ack),
      onTransportError: (reason) => this.#lose(reason),
    });
  }

  respond(status: number, options: ResponseOptions = {}): void {
    if (status >= 200 && status < 300) this.accept({ ...options, status });
    else this.#send(status, options);
  }

  #send(status: number, options: ResponseOptions): boolean {
    const response = compose(this.#core, this.#transaction, status, this.localTag, options);
    if (status === 100) delete response.headers.to.params['tag'];
    const sent = this.#transaction.respond(response);
    if (sent && status >= 200) this.#finish();
    return sent;
  }

  #finish(): void {
    this.#answered = true;
    this.#core.pending.delete(this.#key);
  }

  accept(options: ResponseOptions & { status?: number } = {}): Dialog {
    if (this.#dialog !== undefined) return this.#dialog;
    const data = dialogOfCallee(this.message, this.localTag);
    const way = new DialogWay(this.#core, this.flow, aliasOfSender(this.message, this.flow));
    const dialog = new DialogImpl(this.#core, data, way, undefined);
    const sent = this.#send(options.status ?? 200, options);
    // A CANCEL came first: the dialog is over before it began.
    if (!sent) return dialog.stillborn();
    this.#dialog = dialog;
    dialog.register();
    dialog.awaitAck(this.message.headers.cseq.seq, this.#transaction);
    return dialog;
  }

  /** A CANCEL, or a BYE before the answer (RFC 3261 sections 9.2 and 15.1.2). */
  cancel(): void {
    if (this.#answered) return;
    this.#send(487, {});
    this.#tellCancel();
  }

  /** A response could not be sent: nobody is left to answer. */
  #lose(reason: string): void {
    if (this.#answered) return;
    this.#core.log.debug({ callId: this.message.headers['call-id'], reason }, 'the caller is gone');
    this.#core.count('caller-gone');
    this.#send(487, {});
    this.#tellCancel();
  }

  #tellCancel(): void {
    guard(this.#core, 'onCancel', () => this.onCancel?.());
  }

  /** The user's handler threw: answers 500 unless it has answered. */
  failHandler(): void {
    if (!this.#answered) this.#send(500, {});
  }
}
