// A client transaction's user and surroundings (RFC 3261 section 17.1).
import { GrecError } from '../errors.ts';
import type { ClientInviteCore } from './client-invite.ts';
import { buildAckToFailure } from './client-requests.ts';
import type { ClientFailure, ClientTransaction } from './client-transaction.ts';
import { encodeMessage } from './encode.ts';
import type { SipRequest, SipResponse } from './message.ts';
import type { Clock } from './timers.ts';
import type { Flow, Timers } from './user-agent-types.ts';

export interface ClientUser {
  onResponse(response: SipResponse, flow: Flow): void;
  onFailure(failure: ClientFailure, reason: string): void;
}

const NOBODY: ClientUser = { onResponse: () => {}, onFailure: () => {} };

export class ClientEntry implements ClientInviteCore {
  readonly #layer: ClientLayer;
  readonly #key: string;
  /** Until its final response. */
  #request: SipRequest | undefined;
  #user: ClientUser;

  constructor(layer: ClientLayer, key: string, request: SipRequest, user: ClientUser) {
    this.#layer = layer;
    this.#key = key;
    this.#request = request;
    this.#user = user;
  }

  get clock(): Clock {
    return this.#layer.clock;
  }

  get timers(): Timers {
    return this.#layer.timers;
  }

  onResponse(response: SipResponse, flow: Flow): void {
    this.#user.onResponse(response, flow);
  }

  onFailure(failure: ClientFailure, reason: string): void {
    this.#user.onFailure(failure, reason);
  }

  passOn(user: ClientUser): void {
    this.#user = user;
    this.#request = undefined;
  }

  onSettled(): void {
    this.passOn(NOBODY);
  }

  onTerminated(): void {
    this.#layer.clients.delete(this.#key);
  }

  encodeAck(response: SipResponse): Buffer {
    if (this.#request === undefined) throw new GrecError('INTERNAL', 'a second final response to an INVITE');
    return encodeMessage(buildAckToFailure(this.#request, response));
  }
}

export interface ClientLayer {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly clients: Map<string, ClientTransaction>;
}
