// A server transaction as its user sees it, and as little as the layer keeps of it (RFC 3261 section 17.2).
import type { Channel } from './channel.ts';
import { encodeMessage } from './encode.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { ServerInvite } from './server-invite.ts';
import { ServerNonInvite } from './server-non-invite.ts';
import type { ServerCore, ServerInviteListener, ServerTransactionMachine } from './server-transaction.ts';
import type { Clock } from './timers.ts';
import { mergeKey } from './transaction-keys.ts';
import type { Flow, Timers } from './user-agent-types.ts';

/** A request that came, with the way to answer it. */
export interface ServerTransaction {
  readonly request: SipRequest;
  readonly flow: Flow;
  readonly channel: Channel;
  /** INVITE only: who hears of ACKs and of a caller that is gone. */
  listen(listener: ServerInviteListener): void;
  /** Sends a response. False when the final one has been sent already. @throws GrecError SIP_INVALID */
  respond(response: SipResponse): boolean;
  /** INVITE only: sends the 2xx once more, byte for byte. */
  repeatSuccess(): void;
  /** INVITE only: the ACK of its 2xx has come. All that is left of it is that it was. */
  settle(): void;
}

/** What the user sees of a server transaction; the layer itself lets go of it before the transaction ends. */
export class ServerHandle implements ServerTransaction {
  readonly request: SipRequest;
  readonly flow: Flow;
  readonly channel: Channel;
  readonly #machine: ServerTransactionMachine;
  readonly #count: (reason: string) => void;

  constructor(request: SipRequest, entry: ServerEntry, channel: Channel, count: (reason: string) => void) {
    this.request = request;
    this.flow = entry.flow;
    this.channel = channel;
    this.#machine = entry.machine;
    this.#count = count;
  }

  listen(listener: ServerInviteListener): void {
    if (this.#machine instanceof ServerInvite) this.#machine.listener = listener;
  }

  respond(response: SipResponse): boolean {
    const sent = this.#machine.respond(response.status, encodeMessage(response));
    if (!sent) this.#count('response-late');
    return sent;
  }

  repeatSuccess(): void {
    if (this.#machine instanceof ServerInvite) this.#machine.repeatSuccess();
  }

  settle(): void {
    if (this.#machine instanceof ServerInvite) this.#machine.settle();
  }
}

/**
 * What the layer keeps of a server transaction for as long as its request may come again, which is half a minute: no more
 * than it takes, for at a thousand calls a second there are many.
 */
export class ServerEntry implements ServerCore {
  readonly flow: Flow;
  readonly machine: ServerTransactionMachine;
  /** While there is something to say in it. */
  handle: ServerHandle | undefined;
  readonly #layer: ServerLayer;
  readonly #key: string;
  readonly #merge: string;

  constructor(layer: ServerLayer, key: string, request: SipRequest, flow: Flow, channel: Channel) {
    this.#layer = layer;
    this.#key = key;
    this.#merge = mergeKey(request);
    this.flow = flow;
    const isInvite = request.method === 'INVITE';
    this.machine = isInvite ? new ServerInvite(channel, this) : new ServerNonInvite(channel, this);
    layer.servers.set(key, this);
    if (!layer.merged.has(this.#merge)) layer.merged.set(this.#merge, this);
  }

  get clock(): Clock {
    return this.#layer.clock;
  }

  get timers(): Timers {
    return this.#layer.timers;
  }

  onSettled(): void {
    this.handle = undefined;
  }

  onTerminated(): void {
    const { servers, merged } = this.#layer;
    this.handle = undefined;
    servers.delete(this.#key);
    if (merged.get(this.#merge) === this) merged.delete(this.#merge);
  }
}

export interface ServerLayer {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly servers: Map<string, ServerEntry>;
  /** By merge key, the transaction that came first. */
  readonly merged: Map<string, ServerEntry>;
}
