// A call of ours, from INVITE to its one answer: provisional responses, CANCEL, forks, late 2xx (RFC 3261 section 13.2).
import { ALLOW, addTo, nameAddr, newHeaders, userOf } from './compose.ts';
import { type Core, guard } from './core.ts';
import { DialogImpl } from './dialog.ts';
import { dialogOfCaller } from './dialog-state.ts';
import { aliasOfUri, DialogWay } from './dialog-way.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { cancelRequest, Outgoing, wayOut } from './outgoing.ts';
import { makeResponse } from './response.ts';
import { giveUpAfter } from './timers.ts';
import { newCallId, newTag } from './transaction-keys.ts';
import type { Flow, OutgoingInvite, OutgoingInviteOptions } from './user-agent-types.ts';

export class OutgoingInviteImpl implements OutgoingInvite {
  readonly callId: string;
  readonly localTag = newTag();
  readonly #core: Core;
  readonly #options: OutgoingInviteOptions;
  readonly #outgoing: Outgoing;
  /** By remote tag: the dialogs of each branch that answered with 2xx. */
  readonly #dialogs = new Map<string, DialogImpl>();
  #answered = false;
  #cancel: { reason: string | undefined; sent: boolean } | undefined;

  constructor(core: Core, options: OutgoingInviteOptions) {
    this.#core = core;
    this.#options = options;
    this.callId = options.callId ?? newCallId();
    const request = this.#request();
    this.#outgoing = new Outgoing(core, request, {
      prepare: () => addTo(request, options.headers, options.body),
      channel: (sending) => wayOut(core, sending, options),
      contactUser: userOf(options.from.uri) ?? '',
      credentials: options.credentials,
      nextSeq: () => this.#outgoing.request.headers.cseq.seq + 1,
      onResponse: (response, flow) => this.#receive(response, flow),
    });
    void this.#outgoing.start();
  }

  #request(): SipRequest {
    const { uri, from, to } = this.#options;
    const request: SipRequest = {
      version: '2.0',
      method: 'INVITE',
      uri,
      headers: newHeaders(
        'INVITE',
        nameAddr(from.uri, from.name, this.localTag),
        nameAddr(to.uri, to.name),
        this.callId,
        1,
      ),
      body: Buffer.alloc(0),
    };
    request.headers['allow'] = ALLOW;
    request.headers['user-agent'] = this.#core.product;
    return request;
  }

  cancel(reason?: string): void {
    if (this.#answered || this.#cancel !== undefined) return;
    this.#cancel = { reason, sent: false };
    this.#outgoing.abandoned = true;
    if (this.#outgoing.progressing) this.#sendCancel(this.#cancel);
  }

  /** Without a provisional response the CANCEL might overtake the INVITE (section 9.1). */
  #sendCancel(cancel: { reason: string | undefined; sent: boolean }): void {
    const { channel, transaction } = this.#outgoing;
    if (cancel.sent || channel === undefined || transaction === undefined) return;
    cancel.sent = true;
    // A peer that answers the CANCEL, or nothing at all, but never the INVITE must not keep it for ever.
    const giveUp = this.#core.clock.after(giveUpAfter(this.#core.timers), () =>
      transaction.fail('timeout', 'no answer to CANCEL'),
    );
    this.#stopWaiting = giveUp;
    cancelRequest(this.#core, this.#outgoing, cancel.reason);
  }

  #stopWaiting: () => void = () => {};

  #receive(response: SipResponse, flow: Flow | undefined): void {
    if (response.status < 200) return this.#progress(response);
    this.#stopWaiting();
    if (response.status < 300 && flow !== undefined) this.#accept(response, flow);
    else this.#reject(response);
  }

  #progress(response: SipResponse): void {
    if (this.#cancel !== undefined) this.#sendCancel(this.#cancel);
    else if (response.status > 100)
      guard(this.#core, 'onProvisional', () => this.#options.onProvisional?.(response));
  }

  #reject(response: SipResponse): void {
    if (this.#answered) return;
    this.#answered = true;
    guard(this.#core, 'onRejected', () => this.#options.onRejected(response));
  }

  #accept(response: SipResponse, flow: Flow): void {
    const tag = response.headers.to.params['tag'] ?? '';
    const known = this.#dialogs.get(tag);
    if (known !== undefined) return known.repeatAck(this.#outgoing.request.headers.cseq.seq);
    const dialog = this.#newDialog(response, flow);
    this.#dialogs.set(tag, dialog);
    if (this.#answered || this.#cancel !== undefined) this.#hangUp(dialog);
    else this.#handOver(response, dialog);
  }

  #newDialog(response: SipResponse, flow: Flow): DialogImpl {
    const { request, channel } = this.#outgoing;
    const alias = channel && aliasOfUri(request.uri, channel.peer);
    const way = new DialogWay(this.#core, flow, alias);
    const dialog = new DialogImpl(
      this.#core,
      dialogOfCaller(request, response),
      way,
      this.#options.credentials,
    );
    dialog.register();
    dialog.oweAck(request);
    return dialog;
  }

  /** Another branch of a fork, or a 2xx that overtook our CANCEL: nobody wants this dialog. */
  #hangUp(dialog: DialogImpl): void {
    this.#core.count(this.#answered ? 'answer-forked' : 'answer-cancelled');
    void dialog.bye();
    if (!this.#answered) this.#reject(makeResponse(this.#outgoing.request, 487));
  }

  #handOver(response: SipResponse, dialog: DialogImpl): void {
    this.#answered = true;
    const { seq } = this.#outgoing.request.headers.cseq;
    const done = guard(this.#core, 'onAccepted', () =>
      this.#options.onAccepted(response, dialog, (body, headers) => dialog.acknowledge(seq, body, headers)),
    );
    if (!done) void dialog.bye();
  }
}
