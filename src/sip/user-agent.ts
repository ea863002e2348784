// The SIP user agent core: joins transport, transactions and dialogs (RFC 3261 sections 8, 12-15).
import { messageOf } from '../errors.ts';
import { ALLOW, addTo, hostOf, nameAddr, newHeaders } from './compose.ts';
import type { Core } from './core.ts';
import type { DecodeResult } from './decode.ts';
import type { DialogImpl } from './dialog.ts';
import { encodeMessage } from './encode.ts';
import { Locator, type Lookup } from './locate.ts';
import { isRequest, type SipRequest, type SipResponse } from './message.ts';
import { Outgoing, wayOut } from './outgoing.ts';
import { OutgoingInviteImpl } from './outgoing-invite.ts';
import { isStream } from './protocol.ts';
import { makeResponse } from './response.ts';
import { LEAST_MIN_SE } from './session-interval.ts';
import { restoreDialog } from './stored-dialog.ts';
import { type Clock, DEFAULT_TIMERS, systemClock } from './timers.ts';
import { dialogKey, newCallId, newTag, statelessTag } from './transaction-keys.ts';
import { Transactions } from './transactions.ts';
import { Transport } from './transport.ts';
import { Uas } from './uas.ts';
import type {
  Credentials,
  Dialog,
  Flow,
  OutgoingInvite,
  OutgoingInviteOptions,
  OutgoingRequestOptions,
  Peer,
  StoredDialog,
  TlsIdentity,
  UserAgent,
  UserAgentOptions,
} from './user-agent-types.ts';

export type * from './user-agent-types.ts';

/** Server transactions at once: 32 s of 3,000 requests a second, or of 1,500 calls; some 150 MB. */
const MOST_TRANSACTIONS = 100_000;

/** What tests put in place of the system. */
export interface Surroundings {
  clock?: Clock;
  lookup?: Lookup;
}

/**
 * A user agent that listens.
 * @throws GrecError PORT_IN_USE, PORT_UNUSABLE, TLS_UNUSABLE
 */
export async function createUserAgent(
  options: UserAgentOptions,
  surroundings: Surroundings = {},
): Promise<UserAgent> {
  const counters = new Counters();
  // Nothing can arrive before this function has gone on: sockets speak in later turns of the event loop.
  let agent: Agent | undefined;
  const transport = await Transport.open({
    listen: options.listen,
    count: (reason) => counters.count(reason),
    onMessage: (result, flow) => agent?.receive(result, flow),
    tls: options.tls,
    onTlsFailure: (peer, reason) => {
      counters.count('tls-refused');
      const { address, port, name } = peer;
      options.log.warn({ address, port, name, reason }, `no TLS connection to ${name ?? address}: ${reason}`);
    },
    restMs: options.restMs,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  agent = new Agent(options, transport, counters, surroundings);
  return agent;
}

class Counters {
  readonly values: Record<string, number> = Object.create(null);

  count(reason: string): void {
    this.values[reason] = (this.values[reason] ?? 0) + 1;
  }
}

class Agent implements UserAgent {
  readonly listening: Peer[];
  readonly counters: Record<string, number>;
  readonly #core: Core;
  readonly #uas: Uas;
  readonly #transport: Transport;
  readonly #locator: Locator;
  #closing: Promise<void> | undefined;

  constructor(
    options: UserAgentOptions,
    transport: Transport,
    counters: Counters,
    surroundings: Surroundings,
  ) {
    const count = (reason: string) => counters.count(reason);
    const timers = { ...DEFAULT_TIMERS, ...options.timers };
    const clock = surroundings.clock ?? systemClock;
    this.listening = transport.listening;
    this.counters = counters.values;
    this.#transport = transport;
    this.#locator = new Locator(surroundings.lookup === undefined ? {} : { lookup: surroundings.lookup });
    const transactions = new Transactions({
      clock,
      timers,
      limit: options.limits?.transactions ?? MOST_TRANSACTIONS,
      count,
      answerWithoutState: (request, flow) => this.#uas.answerWithoutState(request, flow),
      isExpected: (request, flow) => this.#uas.isExpected(request, flow),
      onRequest: (transaction) => this.#uas.receive(transaction),
      onAck: (ack) => this.#uas.receiveAck(ack),
    });
    this.#core = {
      user: options,
      product: options.product,
      allow: options.allow ?? ALLOW,
      sessionPolicy: {
        expires: options.sessionTimer?.expires,
        minSe: options.sessionTimer?.minSe ?? LEAST_MIN_SE,
      },
      log: options.log,
      clock,
      timers,
      transport,
      transactions,
      locator: this.#locator,
      dialogs: new Map<string, DialogImpl>(),
      cancellable: new WeakMap(),
      count,
    };
    this.#uas = new Uas(this.#core);
  }

  /** Everything that a socket brings. Whatever goes wrong here is counted and logged, and ends here. */
  receive(result: DecodeResult, flow: Flow): void {
    try {
      if (!result.ok) this.#receiveRefused(result, flow);
      else if (isRequest(result.message)) this.#receiveRequest(result.message, flow);
      else this.#core.transactions.receiveResponse(result.message, flow);
    } catch (thrown) {
      this.#core.count('internal-error');
      this.#core.log.error({ err: thrown, peer: flow.peer }, `message dropped: ${messageOf(thrown)}`);
    }
  }

  #receiveRequest(request: SipRequest, flow: Flow): void {
    const via = request.headers.via[0];
    if (via === undefined) return this.#core.count('via-missing');
    markSource(request, flow);
    if (isStream(flow.peer.protocol) && this.#core.user.mayAlias?.(flow))
      this.#transport.noteAlias(flow, via);
    this.#core.transactions.receiveRequest(request, flow, this.#transport.replyTo(flow, via));
  }

  /** A request that cannot be understood is answered without state, once for each time that it comes. */
  #receiveRefused(refused: Exclude<DecodeResult, { ok: true }>, flow: Flow): void {
    const { reason, request, status } = refused;
    this.#core.count(reason === 'keep-alive' ? reason : `refused: ${reason}`);
    const via = request?.headers.via[0];
    if (request === undefined || status === undefined || via === undefined || request.method === 'ACK')
      return;
    markSource(request, flow);
    const response = makeResponse(request, status, {
      toTag: statelessTag(request),
      headers: { server: this.#core.product },
    });
    const channel = this.#transport.replyTo(flow, via);
    channel.send(encodeMessage(response), () => this.#core.count('response-unsent'));
  }

  useTls(identity: TlsIdentity): void {
    this.#transport.useTls(identity);
  }

  request(options: OutgoingRequestOptions): Promise<SipResponse> {
    const { method, uri, from, to, headers, body } = options;
    let seq = options.cseq ?? 1;
    const request: SipRequest = {
      version: '2.0',
      method,
      uri,
      headers: newHeaders(
        method,
        nameAddr(from.uri, from.name, newTag()),
        nameAddr(to.uri, to.name),
        options.callId ?? newCallId(),
        seq,
      ),
      body: Buffer.alloc(0),
    };
    request.headers['user-agent'] = this.#core.product;
    return new Promise((resolve) => {
      const outgoing = new Outgoing(this.#core, request, {
        prepare: () => addTo(request, headers, body),
        channel: (sending) => wayOut(this.#core, sending, options),
        credentials: options.credentials,
        patienceMs: options.patienceMs,
        contactUser: options.contactUser,
        nextSeq: () => ++seq,
        onResponse: (response) => {
          if (response.status >= 200) resolve(response);
        },
      });
      void outgoing.start();
    });
  }

  invite(options: OutgoingInviteOptions): OutgoingInvite {
    return new OutgoingInviteImpl(this.#core, options);
  }

  findDialog(callId: string, localTag: string, remoteTag: string): Dialog | undefined {
    return this.#core.dialogs.get(dialogKey(callId, localTag, remoteTag));
  }

  restoreDialog(stored: StoredDialog, credentials?: Credentials): Dialog {
    return restoreDialog(this.#core, stored, credentials);
  }

  isOpen(flow: Flow): boolean {
    return this.#transport.channelOf(flow) !== undefined;
  }

  /** Ends everything at once: no BYE is sent, requests under way end with a 503 made here. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const dialog of [...this.#core.dialogs.values()]) dialog.close();
    this.#core.dialogs.clear();
    this.#core.transactions.close();
    this.#locator.close();
    await this.#transport.close();
  }
}

/** Writes into the top Via where the request came from (RFC 3261 section 18.2.1, RFC 3581 section 4). */
function markSource({ headers }: SipRequest, { peer }: Flow): void {
  const via = headers.via[0];
  if (via === undefined) return;
  const isAsked = 'rport' in via.params;
  if (isAsked) via.params['rport'] = String(peer.port);
  if (isAsked || via.host !== hostOf(peer.address)) via.params['received'] = withoutZone(peer.address);
}

/** A zone means something on our machine alone (RFC 4007 section 11.2). */
function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? address;
}
