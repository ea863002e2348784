// A request of ours on its way: find where it goes, send it, answer a challenge, always end with a final response.
import { GrecError, messageOf } from '../errors.ts';
import { answerTo } from './challenge.ts';
import type { Channel } from './channel.ts';
import type { ClientUser } from './client-entry.ts';
import { buildCancel } from './client-requests.ts';
import type { ClientFailure, ClientTransaction } from './client-transaction.ts';
import { contactAt, isSips } from './compose.ts';
import type { Core } from './core.ts';
import { nextHop } from './dialog-state.ts';
import { wayForSize } from './large-requests.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { makeResponse } from './response.ts';
import type { Timer } from './timer-queue.ts';
import type { NoWay } from './transport.ts';
import type { Credentials, ExtraHeaders, Flow, Peer } from './user-agent-types.ts';

export interface OutgoingOptions {
  /** Adds what the user gave; what it throws becomes a 500. */
  prepare?(): void;
  /** Finds the way out; the reason when there is none. */
  channel(request: SipRequest): Channel | NoWay | Promise<Channel | NoWay>;
  /** The user part of the Contact to add; undefined adds none. */
  contactUser?: string | undefined;
  credentials: Credentials | undefined;
  /** How long nothing at all may come, in milliseconds; undefined leaves it to the transaction. */
  patienceMs?: number | undefined;
  /** The CSeq number of the request when it is sent again with credentials, or revised. */
  nextSeq(): number;
  /** Headers with which a refused request is sent again, once; undefined when that is of no use. */
  revise?(response: SipResponse): ExtraHeaders | undefined;
  /** Provisional and final responses; those made here come without a flow. A 2xx to INVITE may come more than once. */
  onResponse(response: SipResponse, flow: Flow | undefined): void;
}

/** A challenge is answered once, and once more when only the nonce was stale (RFC 3261 section 22.2). */
const MOST_ANSWERS = 2;

export class Outgoing implements ClientUser {
  /** The request as it was sent last. */
  request: SipRequest;
  channel: Channel | undefined;
  transaction: ClientTransaction | undefined;
  /** A provisional response to the request as it was sent last has come. */
  progressing = false;
  /** Set to leave a challenge unanswered: the user has lost interest. */
  abandoned = false;
  readonly #core: Core;
  readonly #options: OutgoingOptions;
  /** The way by UDP for which the request is too large. */
  #instead: Channel | undefined;
  #answers = 0;
  #isRevised = false;
  #isPrepared = false;
  #patience: Timer | undefined;

  constructor(core: Core, request: SipRequest, options: OutgoingOptions) {
    this.#core = core;
    this.request = request;
    this.#options = options;
  }

  /** Sends it. Never rejects. */
  async start(): Promise<void> {
    // A mistake of the user is told like any failure: after the call that made it has returned.
    await Promise.resolve();
    try {
      if (!this.#isPrepared) this.#options.prepare?.();
      const found = this.#options.channel(this.request);
      const channel = found instanceof Promise ? await found : found;
      if (this.#core.transactions.closed) this.#fail(503, 'closed');
      else if ('reason' in channel) this.#fail(503, channel.reason);
      else {
        const sending = this.#sendBy(channel);
        if (sending !== undefined) await sending;
      }
    } catch (thrown) {
      // A header or body that cannot be written: a mistake of the user, who hears of it like of any failure.
      this.#core.count('request-unwritable');
      this.#core.log.error({ err: thrown }, `${this.request.method} not sent: ${messageOf(thrown)}`);
      this.#fail(500, thrown instanceof GrecError ? thrown.message : 'internal error');
    }
  }

  #sendBy(channel: Channel): Promise<void> | undefined {
    const { headers } = this.request;
    const { contactUser } = this.#options;
    if (contactUser !== undefined)
      headers.contact ??= [contactAt(contactUser || undefined, channel.local, isSips(this.request.uri))];
    const fitting = wayForSize(this.#core, this.request, channel);
    if (fitting instanceof Promise) return this.#sendByFitting(channel, fitting);
    this.#send(fitting);
    return undefined;
  }

  async #sendByFitting(channel: Channel, fitting: Promise<Channel>): Promise<void> {
    const found = await fitting;
    if (this.#core.transactions.closed) return this.#fail(503, 'closed');
    if (found !== channel) this.#instead = channel;
    this.#send(found);
  }

  #send(channel: Channel): void {
    this.channel = channel;
    this.transaction = this.#core.transactions.request(this.request, channel, this);
    this.#waitFor(this.transaction);
  }

  #waitFor(transaction: ClientTransaction): void {
    const { patienceMs } = this.#options;
    if (patienceMs === undefined) return;
    const giveUp = () => transaction.fail('timeout', `nothing came within ${patienceMs} ms`);
    this.#patience = this.#core.clock.after(patienceMs, giveUp);
  }

  /** What does not get through by TCP goes by UDP: at once when that is known, the next time when nobody has answered. */
  onFailure(failure: ClientFailure, reason: string): void {
    const instead = this.#instead;
    this.#instead = undefined;
    if (instead !== undefined && !this.progressing) this.#core.transport.shunStream(instead.peer);
    if (instead !== undefined && failure === 'transport' && !this.progressing) this.#send(instead);
    else this.#fail(statusOf(failure), reason);
  }

  onResponse(response: SipResponse, flow: Flow): void {
    this.#patience?.revoke();
    this.progressing ||= response.status < 200;
    const challenged = response.status === 401 || response.status === 407;
    if (challenged && this.#answer(response)) return;
    if (response.status >= 300 && this.#revise(response)) return;
    this.#options.onResponse(response, flow);
  }

  /** Sends the request again with credentials; false when that is of no use. */
  #answer(response: SipResponse): boolean {
    const { credentials } = this.#options;
    if (credentials === undefined || this.abandoned || this.#answers >= MOST_ANSWERS) return false;
    const { method, uri } = this.request;
    const answer = answerTo(response, { credentials, method, uri });
    if (answer === undefined || (this.#answers > 0 && !answer.stale)) return false;
    this.#answers += 1;
    this.#sendAgain({ [answer.header]: answer.value });
    return true;
  }

  #revise(response: SipResponse): boolean {
    if (this.abandoned || this.#isRevised) return false;
    const headers = this.#options.revise?.(response);
    if (headers === undefined) return false;
    this.#isRevised = true;
    this.#sendAgain(headers);
    return true;
  }

  #sendAgain(more: Record<string, unknown>): void {
    const { method, headers } = this.request;
    this.progressing = false;
    this.#isPrepared = true;
    const again = { ...headers, cseq: { seq: this.#options.nextSeq(), method }, via: [] };
    this.request = { ...this.request, headers: Object.assign(again, more) };
    void this.start();
  }

  #fail(status: number, reason: string): void {
    this.#patience?.revoke();
    this.#core.count(`made-${status}`);
    this.#core.log.debug(
      { method: this.request.method, uri: this.request.uri, reason },
      `no answer: ${status}`,
    );
    this.#options.onResponse(makeResponse(this.request, status), undefined);
  }
}

function statusOf(failure: ClientFailure): number {
  return failure === 'timeout' ? 408 : 503;
}

/** The way of a request outside any dialog: the flow while it is open, else the given peer, else its next hop. */
export function wayOut(
  core: Core,
  request: SipRequest,
  via: { peer?: Peer | undefined; flow?: Flow | undefined },
): Channel | NoWay | Promise<Channel | NoWay> {
  const open = via.flow && core.transport.channelOf(via.flow);
  if (open !== undefined) return open;
  if (via.peer !== undefined) return core.transport.channelTo(via.peer, via.flow);
  return core.locator
    .locate(nextHop(request))
    .then((peer) => ('reason' in peer ? peer : core.transport.channelTo(peer, via.flow)));
}

/**
 * Sends CANCEL for an INVITE under way (section 9.1).
 * @param reason the value of a Reason header (RFC 3326)
 */
export function cancelRequest(core: Core, { channel, request }: Outgoing, reason?: string): void {
  if (channel === undefined) return;
  core.transactions.request(buildCancel(request, reason), channel, {
    onResponse: () => {},
    onFailure: () => {},
  });
}
