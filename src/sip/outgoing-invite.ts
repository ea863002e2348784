// A call of ours, from INVITE to its one answer: early dialogs, CANCEL, forks, late 2xx (RFC 3261 section 13.2, RFC 3262).
import { addTo, nameAddr, newHeaders, userOf } from './compose.ts';
import { type Core, guard } from './core.ts';
import { DialogImpl } from './dialog.ts';
import { dialogOfCaller } from './dialog-state.ts';
import { aliasOfUri, DialogWay } from './dialog-way.ts';
import { LateAnswers } from './late-answers.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { hasSdp } from './offers.ts';
import { requires, SUPPORTED } from './option-tags.ts';
import { cancelRequest, Outgoing, wayOut } from './outgoing.ts';
import { rseqOf } from './reliable.ts';
import { makeResponse } from './response.ts';
import { askFor, raisedBy } from './session-timer.ts';
import type { Timer } from './timer-queue.ts';
import { giveUpAfter } from './timers.ts';
import { newCallId, newTag } from './transaction-keys.ts';
import type {
  Body,
  ExtraHeaders,
  Flow,
  OutgoingInvite,
  OutgoingInviteOptions,
  Progress,
} from './user-agent-types.ts';

/** Branches of a fork whose early dialogs are kept; a peer that makes up more has them ignored. */
const MOST_BRANCHES = 20;

export class OutgoingInviteImpl implements OutgoingInvite {
  readonly callId: string;
  readonly localTag = newTag();
  readonly #core: Core;
  readonly #options: OutgoingInviteOptions;
  readonly #outgoing: Outgoing;
  /** By remote tag: the dialogs of each branch that has said something. */
  readonly #dialogs = new Map<string, DialogImpl>();
  #answered = false;
  #cancel: { reason: string | undefined; sent: boolean } | undefined;
  /** Runs from a CANCEL on. */
  #giveUp: Timer | undefined;

  constructor(core: Core, options: OutgoingInviteOptions) {
    this.#core = core;
    this.#options = options;
    this.callId = options.callId ?? newCallId();
    const request = this.#request();
    this.#outgoing = new Outgoing(core, request, {
      prepare: () => addTo(request, options.headers, options.body),
      channel: (sending) => wayOut(core, sending, options),
      contactUser: options.contactUser ?? userOf(options.from.uri) ?? '',
      credentials: options.credentials,
      patienceMs: options.patienceMs,
      nextSeq: () => this.#nextSeq(),
      revise: (response) => this.#revise(response),
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
    request.headers['allow'] = this.#core.allow;
    request.headers['supported'] = SUPPORTED;
    request.headers['user-agent'] = this.#core.product;
    Object.assign(request.headers, askFor(this.#core.sessionPolicy));
    return request;
  }

  /** The INVITE goes out anew: what the last one brought about is over. */
  #nextSeq(): number {
    this.#endEarly();
    return this.#outgoing.request.headers.cseq.seq + 1;
  }

  /** A 422 asks for a longer session interval (RFC 4028 section 7.3). */
  #revise(response: SipResponse): ExtraHeaders | undefined {
    const { expires = 0 } = this.#core.sessionPolicy;
    const seconds = response.status === 422 ? raisedBy(response, expires) : undefined;
    return seconds === undefined ? undefined : { 'session-expires': `${seconds}`, 'min-se': `${seconds}` };
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
    this.#giveUp = this.#core.clock.after(giveUpAfter(this.#core.timers), () =>
      transaction.fail('timeout', 'no answer to CANCEL'),
    );
    cancelRequest(this.#core, this.#outgoing, cancel.reason);
  }

  #receive(response: SipResponse, flow: Flow | undefined): void {
    if (response.status < 200) return this.#progress(response, flow);
    this.#giveUp?.revoke();
    if (response.status < 300 && flow !== undefined) this.#accept(response, flow);
    else this.#reject(response);
  }

  #progress(response: SipResponse, flow: Flow | undefined): void {
    if (this.#cancel !== undefined) return this.#sendCancel(this.#cancel);
    if (response.status === 100 || this.#answered || flow === undefined) return;
    const dialog = this.#early(response, flow);
    const isReliable = rseqOf(response) !== undefined && requires(response, '100rel');
    if (!isReliable) return this.#tellProgress(response, { dialog, prack: undefined });
    // One that has come before, or out of order, will come again (RFC 3262 section 4).
    if (dialog?.client.isNextReliable(response)) this.#acknowledgeProgress(response, dialog);
  }

  /** The PRACK of a response with an offer carries the answer, which the user has to give; any other one is bare. */
  #acknowledgeProgress(response: SipResponse, dialog: DialogImpl): void {
    const { offers } = dialog.parts;
    offers.came(response);
    const isOffer = hasSdp(response) && offers.open === 'theirs' && this.#options.onProvisional !== undefined;
    const prack = (answer: Body | undefined) => dialog.client.prack(response, answer);
    this.#tellProgress(response, { dialog, prack: isOffer ? prack : undefined });
    if (!isOffer) void prack(undefined);
  }

  #tellProgress(response: SipResponse, progress: Progress): void {
    guard(this.#core, 'onProvisional', () => this.#options.onProvisional?.(response, progress));
  }

  /** The early dialog of a provisional response; none without a To tag, or beyond some. */
  #early(response: SipResponse, flow: Flow): DialogImpl | undefined {
    const tag = response.headers.to.params['tag'];
    if (!tag) return undefined;
    const known = this.#dialogs.get(tag);
    known?.parts.peer.learn(response);
    if (known !== undefined || this.#dialogs.size >= MOST_BRANCHES) return known;
    return this.#newDialog(response, flow);
  }

  #newDialog(response: SipResponse, flow: Flow): DialogImpl {
    const { request, channel } = this.#outgoing;
    // Where routes lead, somebody else is reached than the URI names.
    const isRouted = request.headers.route !== undefined;
    const alias = channel && !isRouted ? aliasOfUri(request.uri, channel.peer) : undefined;
    const way = new DialogWay(this.#core, flow, alias);
    const data = dialogOfCaller(request, response);
    const dialog = new DialogImpl(this.#core, data, way, this.#options.credentials, 'early');
    dialog.parts.peer.learn(response);
    dialog.parts.offers.sent(this.#options.body);
    this.#dialogs.set(data.remoteTag, dialog);
    return dialog.register();
  }

  #reject(response: SipResponse): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#endEarly();
    guard(this.#core, 'onRejected', () => this.#options.onRejected(response));
  }

  /** The early dialogs have come to nothing. What a branch still sends makes its dialog anew. */
  #endEarly(): void {
    for (const [tag, dialog] of this.#dialogs) {
      if (dialog.state !== 'early') continue;
      this.#dialogs.delete(tag);
      dialog.abandon();
    }
  }

  #accept(response: SipResponse, flow: Flow): void {
    const tag = response.headers.to.params['tag'] ?? '';
    const known = this.#dialogs.get(tag);
    const { request } = this.#outgoing;
    if (known !== undefined && known.state !== 'early')
      return known.parts.acks.repeat(request.headers.cseq.seq);
    const dialog = known ?? this.#newDialog(response, flow);
    dialog.confirm(response);
    dialog.parts.acks.owe(request);
    if (this.#answered || this.#cancel !== undefined) this.#hangUp(dialog);
    else this.#handOver(response, dialog);
  }

  /** Another branch of a fork, or a 2xx that overtook our CANCEL: nobody wants this dialog. */
  #hangUp(dialog: DialogImpl): void {
    this.#core.count(this.#answered ? 'answer-forked' : 'answer-cancelled');
    void dialog.bye();
    if (!this.#answered) this.#reject(makeResponse(this.#outgoing.request, 487));
  }

  #handOver(response: SipResponse, dialog: DialogImpl): void {
    this.#answered = true;
    this.#endEarly();
    const { offers, peer, timer } = dialog.parts;
    offers.came(response);
    if (offers.open === 'ours') offers.settle();
    peer.learn(response);
    timer.accepted(response);
    const { seq } = this.#outgoing.request.headers.cseq;
    const done = guard(this.#core, 'onAccepted', () =>
      this.#options.onAccepted(response, dialog, (body, headers) =>
        dialog.client.acknowledge(seq, body, headers),
      ),
    );
    if (!done) void dialog.bye();
    this.#passOn();
  }

  /** The transaction outlives a short call by far: it must not keep all that belongs to it. */
  #passOn(): void {
    const { request: invite, channel, transaction } = this.#outgoing;
    const alias = channel && aliasOfUri(invite.uri, channel.peer);
    const acks = new Map([...this.#dialogs].map(([tag, dialog]) => [tag, dialog.parts.acks.sent]));
    const { credentials } = this.#options;
    transaction?.passOn?.(new LateAnswers(this.#core, { invite, alias, credentials, acks }));
  }
}
