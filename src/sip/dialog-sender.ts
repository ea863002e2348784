// Requests of ours within a dialog: numbered, routed, given credentials (RFC 3261 section 12.2.1).
import { addTo, userOf } from './compose.ts';
import type { Core } from './core.ts';
import { type DialogData, requestInDialog } from './dialog-state.ts';
import type { DialogWay } from './dialog-way.ts';
import type { SipResponse } from './message.ts';
import { Outgoing } from './outgoing.ts';
import { makeResponse } from './response.ts';
import type { Body, Credentials, ExtraHeaders } from './user-agent-types.ts';

/** What a user puts into a request. */
export interface Content {
  headers?: ExtraHeaders | undefined;
  body?: Body | undefined;
}

/** Requests that must carry a Contact (RFC 3261 section 12.2, RFC 3311, RFC 3515, RFC 6665). */
const WITH_CONTACT = new Set(['INVITE', 'UPDATE', 'REFER', 'SUBSCRIBE', 'NOTIFY']);

export class DialogSender {
  readonly #core: Core;
  readonly #data: DialogData;
  readonly #way: DialogWay;
  readonly #credentials: Credentials | undefined;

  constructor(core: Core, data: DialogData, way: DialogWay, credentials: Credentials | undefined) {
    this.#core = core;
    this.#data = data;
    this.#way = way;
    this.#credentials = credentials;
  }

  /** A request, ready to start; `onResponse` gets every response. */
  prepare(method: string, content: Content, onResponse: (response: SipResponse) => void): Outgoing {
    const request = requestInDialog(this.#data, method, ++this.#data.localSeq);
    request.headers['user-agent'] = this.#core.product;
    return new Outgoing(this.#core, request, {
      prepare: () => addTo(request, content.headers, content.body),
      channel: (sending) => this.#way.channel(sending),
      contactUser: WITH_CONTACT.has(method) ? (userOf(this.#data.local.uri) ?? '') : undefined,
      credentials: this.#credentials,
      nextSeq: () => ++this.#data.localSeq,
      onResponse,
    });
  }

  /** Resolves with the final response; never rejects. */
  send(method: string, content: Content): Promise<SipResponse> {
    return new Promise((resolve) => {
      const outgoing = this.prepare(method, content, (response) => {
        if (response.status >= 200) resolve(response);
      });
      void outgoing.start();
    });
  }

  /** A response to a request that was never sent. */
  made(method: string, status: number): SipResponse {
    return makeResponse(requestInDialog(this.#data, method, this.#data.localSeq), status);
  }
}
