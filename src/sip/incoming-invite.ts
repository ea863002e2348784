// An INVITE that asks for a new dialog, from its 100 to its final answer (RFC 3261 section 13.3, RFC 3262 section 3).
import { type Core, guard } from './core.ts';
import type { DialogImpl } from './dialog.ts';
import { compose } from './incoming.ts';
import { type BranchHost, IncomingBranch } from './incoming-early.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { requires, supports } from './option-tags.ts';
import { answerInterval } from './session-interval.ts';
import { newTag } from './transaction-keys.ts';
import type { ServerTransaction } from './transactions.ts';
import type {
  Dialog,
  Flow,
  IncomingInvite,
  IncomingRequest,
  InviteResponseOptions,
} from './user-agent-types.ts';

type AcceptOptions = InviteResponseOptions & { status?: number };

/** Branches of a fork that are shown to a caller, each with its early dialog. */
const MOST_BRANCHES = 20;

export class IncomingInviteImpl implements IncomingInvite, BranchHost {
  readonly message: SipRequest;
  readonly flow: Flow;
  readonly localTag = newTag();
  onCancel: (() => void) | undefined;
  onPrack: ((prack: IncomingRequest, branch: string) => void) | undefined;
  readonly #core: Core;
  readonly #transaction: ServerTransaction;
  readonly #branches = new Map<string, IncomingBranch>();
  #accepted: DialogImpl | undefined;
  /** The final response has been sent, or waits for nothing but a PRACK. */
  #answered = false;

  constructor(core: Core, transaction: ServerTransaction) {
    this.#core = core;
    this.#transaction = transaction;
    this.message = transaction.request;
    this.flow = transaction.flow;
    core.cancellable.set(transaction, { tag: this.localTag, cancel: () => this.cancel() });
    transaction.listen({
      onAck: (ack) => this.#accepted?.receiveAck(ack),
      onTransportError: (reason) => this.#lose(reason, 487),
    });
  }

  early(branch = ''): Dialog | undefined {
    return this.#branches.get(branch)?.dialog;
  }

  respond(status: number, options: InviteResponseOptions = {}): void {
    if (this.#answered || this.#accepted !== undefined) return this.#core.count('response-late');
    if (status === 100) this.#transaction.respond(this.#compose(100, this.localTag, options));
    else if (status < 200) this.#progress(status, options);
    else if (status < 300) this.accept({ ...options, status });
    else this.#refuse(status, options);
  }

  #compose(status: number, tag: string, options: InviteResponseOptions): SipResponse {
    const response = compose(this.#core, this.#transaction, status, tag, options);
    if (status === 100) delete response.headers.to.params['tag'];
    return response;
  }

  #progress(status: number, options: InviteResponseOptions): void {
    const branch = this.#branch(options.branch);
    branch.dialog.register();
    const response = this.#compose(status, branch.tag, options);
    const isReliable =
      requires(this.message, '100rel') || (options.reliable && supports(this.message, '100rel'));
    if (!isReliable) return this.send(response);
    response.headers['require'] = '100rel';
    branch.reliable.send(response);
  }

  send(response: SipResponse): void {
    this.#transaction.respond(response);
  }

  /** The branch of that name, made when there is none; beyond some, all others are one with the branch without a name. */
  #branch(name = ''): IncomingBranch {
    const known = this.#branches.get(name);
    if (known !== undefined) return known;
    if (name !== '' && this.#branches.size >= MOST_BRANCHES) return this.#branch();
    const tag = name === '' ? this.localTag : newTag();
    const branch = new IncomingBranch(this.#core, this.#transaction, { name, tag }, this);
    this.#branches.set(name, branch);
    return branch;
  }

  accept(options: AcceptOptions = {}): Dialog {
    if (this.#accepted !== undefined) return this.#accepted;
    const branch = this.#branch(options.branch);
    const { dialog } = branch;
    this.#accepted = dialog;
    // A CANCEL came first: the dialog is over before it began.
    if (this.#answered) return this.#stillborn(dialog);
    this.#endBranches(branch);
    dialog.register().confirm();
    dialog.awaitAnswer();
    if (branch.isFree) this.#sendSuccess(branch, options);
    else branch.reliable.whenFree(() => this.#sendLate(branch, options));
    return dialog;
  }

  /** The PRACK has come that the 2xx had to wait for. */
  #sendLate(branch: IncomingBranch, options: AcceptOptions): void {
    const done = guard(this.#core, 'accept', () => this.#sendSuccess(branch, options));
    if (!done) this.#lose('the 2xx could not be written', 500);
  }

  #stillborn(dialog: DialogImpl): DialogImpl {
    dialog.abandon();
    return dialog;
  }

  /** @throws GrecError SIP_INVALID; there is no dialog then */
  #sendSuccess(branch: IncomingBranch, options: AcceptOptions): void {
    const { dialog, tag } = branch;
    const { status = 200, headers, body } = options;
    const { offers, timer } = dialog.parts;
    const terms = answerInterval(this.message, this.#core.sessionPolicy);
    const own = terms.kind === 'agreed' ? terms.headers : {};
    const response = this.#compose(status, tag, { ...options, headers: { ...own, ...headers } });
    try {
      if (!this.#transaction.respond(response)) return dialog.abandon();
    } catch (thrown) {
      branch.end();
      this.#accepted = undefined;
      throw thrown;
    }
    this.#answered = true;
    branch.finish();
    offers.sent(body);
    timer.agreed(terms);
    dialog.awaitAck(this.message.headers.cseq.seq, this.#transaction);
  }

  /** Of the early dialogs one becomes the call at most. */
  #endBranches(kept?: IncomingBranch): void {
    for (const branch of this.#branches.values()) if (branch !== kept) branch.end();
  }

  #refuse(status: number, options: InviteResponseOptions): void {
    const response = this.#compose(
      status,
      this.#branches.get(options.branch ?? '')?.tag ?? this.localTag,
      options,
    );
    if (!this.#transaction.respond(response)) return;
    this.#answered = true;
    this.#endBranches();
  }

  /** A CANCEL, or a BYE before the answer (RFC 3261 sections 9.2 and 15.1.2). */
  cancel(): void {
    if (this.#answered) return;
    this.#refuse(487, {});
    this.#tellCancel();
  }

  onUnacknowledged(): void {
    this.#lose('a reliable response was never acknowledged', 504);
  }

  /** A response could not be sent, or is never acknowledged: nobody is left to answer. */
  #lose(reason: string, status: number): void {
    if (this.#answered) return;
    this.#core.log.debug({ callId: this.message.headers['call-id'], reason }, 'the caller is gone');
    this.#core.count('caller-gone');
    this.#refuse(status, {});
    this.#tellCancel();
  }

  #tellCancel(): void {
    guard(this.#core, 'onCancel', () => this.onCancel?.());
  }

  /** The user's handler threw: answers 500 unless it has answered. */
  failHandler(): void {
    if (!this.#answered && this.#accepted === undefined) this.#refuse(500, {});
  }
}
