// What may still come to an INVITE of ours that has been answered: the 2xx again, or that of another branch (RFC 3261 section 13.2.2.4).
import type { SentAck } from './acknowledgements.ts';
import type { ClientUser } from './client-entry.ts';
import type { Core } from './core.ts';
import { DialogImpl } from './dialog.ts';
import { dialogOfCaller } from './dialog-state.ts';
import { type Alias, DialogWay } from './dialog-way.ts';
import type { Headers, SipRequest, SipResponse } from './message.ts';
import type { Credentials, Flow } from './user-agent-types.ts';

export interface LateAnswersOptions {
  invite: SipRequest;
  alias: Alias | undefined;
  credentials: Credentials | undefined;
  /** By remote tag: the ACKs of the dialogs that there are. */
  acks: Map<string, SentAck>;
}

/** Hears of an answered INVITE for the half minute that is left of its transaction: the call itself may be over by then, and forgotten. */
export class LateAnswers implements ClientUser {
  readonly #core: Core;
  readonly #options: LateAnswersOptions;

  constructor(core: Core, options: LateAnswersOptions) {
    this.#core = core;
    this.#options = { ...options, invite: essenceOf(options.invite) };
  }

  onResponse(response: SipResponse, flow: Flow): void {
    const { invite, acks } = this.#options;
    const known = acks.get(response.headers.to.params['tag'] ?? '');
    if (known !== undefined) known.repeat(invite.headers.cseq.seq);
    else this.#hangUp(response, flow);
  }

  /** Another branch of a fork: nobody wants this dialog. */
  #hangUp(response: SipResponse, flow: Flow): void {
    const { invite, alias, credentials, acks } = this.#options;
    const data = dialogOfCaller(invite, response);
    const dialog = new DialogImpl(this.#core, data, new DialogWay(this.#core, flow, alias), credentials);
    acks.set(data.remoteTag, dialog.parts.acks.sent);
    dialog.register().parts.acks.owe(invite);
    this.#core.count('answer-forked');
    void dialog.bye();
  }

  /** An INVITE that has been answered cannot fail. */
  onFailure(): void {}
}

const NO_BODY = Buffer.alloc(0);

/** What a dialog and an ACK take from their INVITE. */
function essenceOf({ method, uri, version, headers }: SipRequest): SipRequest {
  const { from, to, cseq } = headers;
  const kept: Headers = { via: [], from, to, 'call-id': headers['call-id'], cseq };
  for (const name of ['authorization', 'proxy-authorization'] as const)
    if (headers[name] !== undefined) kept[name] = headers[name];
  return { method, uri, version, headers: kept, body: NO_BODY };
}
