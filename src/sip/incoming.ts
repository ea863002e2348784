// A request that came, and the responses that its user gives (RFC 3261 section 8.2.6).
import { contactAt, isSecure, userOf } from './compose.ts';
import type { Core } from './core.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { SUPPORTED } from './option-tags.ts';
import { makeResponse } from './response.ts';
import { newTag } from './transaction-keys.ts';
import type { ServerTransaction } from './transactions.ts';
import type { ExtraHeaders, Flow, IncomingRequest, ResponseOptions } from './user-agent-types.ts';

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
    reason,
    body,
  });
  response.headers['server'] = core.product;
  if (status === 405 || status === 501) response.headers['allow'] = core.allow;
  Object.assign(response.headers, headers);
  if (options.challenges !== undefined) response.headers['www-authenticate'] = options.challenges;
  if (!makesOrMovesDialog(request.method, status)) return response;
  response.headers.contact ??= [contactAt(userOf(request.uri), channel.local, isSecure(request))];
  response.headers['allow'] ??= core.allow;
  response.headers['supported'] ??= SUPPORTED;
  return response;
}

/** Responses that tell the peer where to find us (RFC 3261 section 12.1.1, RFC 3311 section 5.2, RFC 3515 section 2.2). */
function makesOrMovesDialog(method: string, status: number): boolean {
  if (method === 'INVITE') return status > 100 && status < 300;
  return (
    status >= 200 && status < 300 && (method === 'UPDATE' || method === 'REFER' || method === 'SUBSCRIBE')
  );
}

/** What a dialog has to do with the answers to a request in it. */
export interface IncomingHooks {
  /** Headers of a response besides the user's. */
  headers?(status: number): ExtraHeaders;
  /** A response was sent. */
  onResponded?(status: number, options: ResponseOptions): void;
  /** False for a response that must not be sent. */
  permits?(status: number): boolean;
}

export class Incoming implements IncomingRequest {
  readonly message: SipRequest;
  readonly flow: Flow;
  readonly #core: Core;
  readonly #transaction: ServerTransaction;
  readonly #toTag = newTag();
  readonly #hooks: IncomingHooks;
  #answered = false;

  constructor(core: Core, transaction: ServerTransaction, hooks: IncomingHooks = {}) {
    this.#core = core;
    this.#transaction = transaction;
    this.message = transaction.request;
    this.flow = transaction.flow;
    this.#hooks = hooks;
  }

  /** @throws GrecError SIP_INVALID */
  respond(status: number, options: ResponseOptions = {}): void {
    const { permits, headers, onResponded } = this.#hooks;
    if (permits?.(status) === false) return;
    const all = { ...options, headers: { ...headers?.(status), ...options.headers } };
    const response = compose(this.#core, this.#transaction, status, this.#toTag, all);
    if (!this.#transaction.respond(response)) return;
    this.#answered ||= status >= 200;
    onResponded?.(status, options);
  }

  /** The user's handler threw: answers 500 unless it has answered. */
  failHandler(): void {
    if (!this.#answered) this.respond(500);
  }
}
