// The transaction layer: which message belongs to which transaction (RFC 3261 section 17), and how many there may be.
import type { Channel } from './channel.ts';
import { ClientEntry, type ClientLayer, type ClientUser } from './client-entry.ts';
import { ClientInvite } from './client-invite.ts';
import { ClientNonInvite } from './client-non-invite.ts';
import type { ClientTransaction } from './client-transaction.ts';
import { topVia } from './compose.ts';
import { encodeMessage } from './encode.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { makeResponse } from './response.ts';
import { ServerEntry, ServerHandle, type ServerLayer, type ServerTransaction } from './server-entry.ts';
import { ServerInvite } from './server-invite.ts';
import type { Clock } from './timers.ts';
import { clientKey, mergeKey, serverKey, statelessTag } from './transaction-keys.ts';
import type { Flow, Timers } from './user-agent-types.ts';

export type { ClientUser } from './client-entry.ts';
export type { ServerTransaction } from './server-entry.ts';

export interface TransactionsOptions {
  clock: Clock;
  timers: Timers;
  /** How many server transactions may live at once; further requests are answered 503 without state. */
  limit: number;
  count(reason: string): void;
  /** The answer to a request that no state is made of, if any; undefined for one that is worth a transaction. */
  answerWithoutState(request: SipRequest, flow: Flow): SipResponse | 'ignore' | undefined;
  /** True for a request of a call that there is: these are served up to twice the limit. */
  isExpected(request: SipRequest, flow: Flow): boolean;
  /** A new request; never an ACK. */
  onRequest(transaction: ServerTransaction): void;
  /** An ACK to a 2xx. */
  onAck(ack: SipRequest): void;
}

/** Seconds after which a refused sender may try again. */
const RETRY_AFTER = '5';

export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #clients = new Map<string, ClientTransaction>();
  readonly #servers = new Map<string, ServerEntry>();
  readonly #layer: ServerLayer & ClientLayer;
  #closed = false;

  constructor(options: TransactionsOptions) {
    const { clock, timers } = options;
    this.#options = options;
    this.#layer = { clock, timers, clients: this.#clients, servers: this.#servers, merged: new Map() };
  }

  get closed(): boolean {
    return this.#closed;
  }

  get size(): number {
    return this.#clients.size + this.#servers.size;
  }

  /**
   * Sends a request in a transaction of its own; its top Via is set here, unless it is a CANCEL, which has its INVITE's.
   * @throws GrecError SIP_INVALID when the request cannot be written
   */
  request(request: SipRequest, channel: Channel, user: ClientUser): ClientTransaction {
    if (request.method !== 'CANCEL') request.headers.via = [topVia(channel)];
    const bytes = encodeMessage(request);
    const key = clientKey(request) ?? '';
    const core = new ClientEntry(this.#layer, key, request, user);
    const transaction =
      request.method === 'INVITE'
        ? new ClientInvite(channel, bytes, core)
        : new ClientNonInvite(channel, bytes, core);
    this.#clients.set(key, transaction);
    transaction.start();
    return transaction;
  }

  receiveResponse(response: SipResponse, flow: Flow): void {
    const key = response.headers.via.length === 1 ? clientKey(response) : undefined;
    const transaction = key === undefined ? undefined : this.#clients.get(key);
    if (transaction === undefined) this.#options.count('response-unmatched');
    else transaction.receive(response, flow);
  }

  receiveRequest(request: SipRequest, flow: Flow, channel: Channel): void {
    if (this.#closed) return;
    const key = serverKey(request);
    if (key === undefined) return this.#options.count('branch-rfc2543');
    const known = this.#servers.get(key);
    if (request.method === 'ACK') this.#receiveAck(request, known);
    else if (known !== undefined) known.machine.receiveAgain();
    else this.#receiveNew(key, request, flow, channel);
  }

  #receiveNew(key: string, request: SipRequest, flow: Flow, channel: Channel): void {
    const answer = this.#options.answerWithoutState(request, flow);
    if (answer === 'ignore') this.#options.count('ignored');
    else if (answer !== undefined) this.#sendOnce(answer, channel);
    else if (this.#isFull(request, flow)) this.#refuse(request, channel);
    else this.#open(key, request, flow, channel);
  }

  #isFull(request: SipRequest, flow: Flow): boolean {
    const { limit, isExpected } = this.#options;
    if (this.#servers.size < limit) return false;
    return this.#servers.size >= 2 * limit || !isExpected(request, flow);
  }

  #receiveAck(ack: SipRequest, known: ServerEntry | undefined): void {
    if (known === undefined) this.#options.onAck(ack);
    else if (known.machine instanceof ServerInvite) known.machine.receiveAck(ack);
  }

  #refuse(request: SipRequest, channel: Channel): void {
    this.#options.count('transactions-exhausted');
    const response = makeResponse(request, 503, {
      toTag: statelessTag(request),
      headers: { 'retry-after': RETRY_AFTER },
    });
    this.#sendOnce(response, channel);
  }

  #sendOnce(response: SipResponse, channel: Channel): void {
    channel.send(encodeMessage(response), () => this.#options.count('response-unsent'));
  }

  #open(key: string, request: SipRequest, flow: Flow, channel: Channel): void {
    const entry = new ServerEntry(this.#layer, key, request, flow, channel);
    const handle = new ServerHandle(request, entry, channel, this.#options.count);
    entry.handle = handle;
    if (request.method === 'INVITE') handle.respond(makeResponse(request, 100));
    this.#options.onRequest(handle);
  }

  /** True when the same request came before by another way (RFC 3261 section 8.2.2.2). */
  isMerged(transaction: ServerTransaction): boolean {
    const first = this.#layer.merged.get(mergeKey(transaction.request));
    return first !== undefined && first.handle !== transaction;
  }

  /** The INVITE that a CANCEL means (RFC 3261 section 9.2); only the way it came when nothing is left to cancel. */
  inviteOf(cancel: SipRequest): ServerTransaction | Pick<ServerTransaction, 'flow'> | undefined {
    const key = serverKey(cancel, 'INVITE');
    const entry = key === undefined ? undefined : this.#servers.get(key);
    return entry?.handle ?? entry;
  }

  /** Ends everything: requests under way fail, no timer stays. */
  close(): void {
    this.#closed = true;
    for (const transaction of [...this.#clients.values()]) transaction.fail('transport', 'closed');
    for (const { machine } of [...this.#servers.values()]) machine.terminate();
  }
}
