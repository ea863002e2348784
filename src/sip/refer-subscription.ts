// What became of a REFER, told to who sent it: the implicit subscription and its NOTIFYs (RFC 3515 section 2.4, RFC 4488).
import { reasonPhrase } from './response.ts';
import type { Dialog, ExtraHeaders, IncomingRequest } from './user-agent-types.ts';

const SIPFRAG = 'message/sipfrag;version=2.0';
/** Longer than any attempt lasts, in seconds. */
const EXPIRES_S = 300;

export class ReferSubscription {
  readonly #dialog: Dialog;
  readonly #headers: ExtraHeaders;
  readonly #event: string;
  /** False when no NOTIFY is wanted (Refer-Sub), or none any more. */
  #isWanted: boolean;
  #last: Promise<unknown> = Promise.resolve();
  #told = 0;

  /**
   * Accepts the REFER with 202, and says that it is being tried.
   * @param headers that each message carries
   */
  constructor(dialog: Dialog, refer: IncomingRequest, headers: ExtraHeaders = {}) {
    const { message } = refer;
    this.#dialog = dialog;
    this.#headers = headers;
    // The number tells several REFERs of one dialog apart.
    this.#event = `refer;id=${message.headers.cseq.seq}`;
    this.#isWanted = !isFalse(message.headers['refer-sub']);
    refer.respond(202, { headers: this.#isWanted ? headers : { ...headers, 'refer-sub': 'false' } });
    this.report(100);
  }

  /** Tells a status of the new request; from 200 on it is the last one. What is the same as before is not said again. */
  report(status: number, reason = reasonPhrase(status)): void {
    if (!this.#isWanted || status === this.#told) return;
    this.#told = status;
    const isFinal = status >= 200;
    this.#isWanted = !isFinal;
    const state = isFinal ? 'terminated;reason=noresource' : `active;expires=${EXPIRES_S}`;
    this.#last = this.#last.then(() => this.#notify(state, `SIP/2.0 ${status} ${reason}\r\n`));
  }

  /** Settled when all that was reported has been answered. */
  get told(): Promise<unknown> {
    return this.#last;
  }

  async #notify(state: string, fragment: string): Promise<void> {
    // One who has hung up, or does not know the subscription, does not want to know.
    if (this.#dialog.state === 'terminated') return;
    const response = await this.#dialog.request('NOTIFY', {
      headers: { ...this.#headers, event: this.#event, 'subscription-state': state },
      body: { type: SIPFRAG, bytes: fragment },
    });
    if (response.status >= 300) this.#isWanted = false;
  }
}

function isFalse(header: unknown): boolean {
  return typeof header === 'string' && header.trim().toLowerCase().startsWith('false');
}

/** The status in the body of a NOTIFY; undefined when it holds none. */
export function sipfragStatus(body: Buffer): number | undefined {
  const status = /^SIP\/2\.0 ([1-6]\d\d)(?: |\r|\n|$)/.exec(body.toString('latin1', 0, 32))?.[1];
  return status === undefined ? undefined : Number(status);
}
