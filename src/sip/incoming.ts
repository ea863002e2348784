// A request that came, and the responses that its user gives (RFC 3261 section 8.2.6).
import { ALLOW, contactAt, isSecure, userOf } from './compose.ts';
import type { Core } from './core.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { makeResponse } from './response.ts';
import { newTag } from './transaction-keys.ts';
import type { ServerTransaction } from './transactions.ts';
import type { Flow, IncomingRequest, ResponseOptions } from './user-agent-types.ts';

/** The response to a request, with the headers that every response of ours has. `toTag` is used when To has none. */
export function compose(
  core: Core,
  transaction: ServerTransaction,
  status: number,
  toTag: string,
  options: ResponseOptions = {},
): SipResponse {
  const { request, channel } = transaction;
  const { reason, headers, body } = options;
  const response = makeResponse(request, status, {
    toTag,
    headers: {
      server: core.product,
      ...(status === 405 || status === 501 ? { allow: ALLOW } : {}),
      ...headers,
    },
    ...(reason === undefined ? {} : { reason }),
    ...(body === undefined ? {} : { body }),
  });
  const hasContact = request.method === 'INVITE' && status > 100 && status < 300;
  if (hasContact)
    response.headers.contact ??= [contactAt(userOf(request.uri), channel.local, isSecure(request))];
  if (hasContact && status >= 200) response.headers['allow'] ??= ALLOW;
  return response;
}

export class Incoming implements IncomingRequest {
  readonly message: SipRequest;
  readonly flow: Flow;
  readonly #core: Core;
  readonly #transaction: ServerTransaction;
  readonly #toTag = newTag();
  #answered = false;
  readonly #onResponded: ((status: number) => void) | undefined;

  /** @param onResponded hears of each response that was sent */
  constructor(core: Core, transaction: ServerTransaction, onResponded?: (status: number) => void) {
    this.#core = core;
    this.#transaction = transaction;
    this.message = transaction.request;
    this.flow = transaction.flow;
    this.#onResponded = onResponded;
  }

  /** @throws GrecError SIP_INVALID */
  respond(status: number, options?: ResponseOptions): void {
    const response = compose(this.#core, this.#transaction, status, this.#toTag, options);
    if (!this.#transaction.respond(response)) return;
    this.#answered ||= status >= 200;
    this.#onResponded?.(status);
  }

  /** The user's handler threw: answers 500 unless it has answered. */
  failHandler(): void {
    if (!this.#answered) this.respond(500);
  }
}
