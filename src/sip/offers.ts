// Which side of a dialog owes an answer (RFC 3264 section 4; RFC 3311 section 5 and RFC 6337 section 2.2 build on it).
import type { SipMessage } from './message.ts';
import type { Body } from './user-agent-types.ts';

const SDP = 'application/sdp';

/** True when a message carries a session description. */
export function hasSdp(message: SipMessage): boolean {
  return message.body.length > 0 && isSdp(message.headers['content-type']);
}

/** True for a body that is a session description. */
export function isDescription(body: Body | undefined): body is Body {
  return body !== undefined && isSdp(body.type);
}

function isSdp(type: unknown): boolean {
  return (
    type === SDP || (typeof type === 'string' && (type.split(';', 1)[0] ?? '').trim().toLowerCase() === SDP)
  );
}

/** At most one offer is open in a dialog at any time; the offers and answers of a dialog are told to this. */
export class Offers {
  #open: 'none' | 'ours' | 'theirs' = 'none';
  #offered: Body | undefined;
  #local: Body | undefined;

  /** The last description of ours that took effect, offer or answer: what a refresh repeats (RFC 4028 section 7.4). */
  get local(): Body | undefined {
    return this.#local;
  }

  /** What an earlier life described. */
  restore(local: Body): void {
    this.#local = local;
  }

  /** Whose offer waits for its answer. */
  get open(): 'none' | 'ours' | 'theirs' {
    return this.#open;
  }

  /** We send a message that counts in the exchange: it answers their offer, or makes one. */
  sent(body: Body | undefined): void {
    if (!isDescription(body)) return;
    if (this.#open === 'theirs') this.#take(body);
    else {
      this.#open = 'ours';
      this.#offered = body;
    }
  }

  /** They have sent a message that counts in the exchange. */
  came(message: SipMessage): void {
    if (!hasSdp(message)) return;
    if (this.#open === 'ours') this.#take(this.#offered);
    else this.#open = 'theirs';
  }

  #take(body: Body | undefined): void {
    this.#local = body;
    this.settle();
  }

  /** The exchange is over, answered or not: it was refused, or the message that had to carry the answer has none. */
  settle(): void {
    this.#open = 'none';
    this.#offered = undefined;
  }
}
