// Option tags and what a peer says of itself: Require, Supported, Allow (RFC 3261 sections 19.2, 20.5, 20.32, 20.37).
import type { SipMessage } from './message.ts';

/** The extensions that this user agent speaks: RFC 3262, RFC 4028, RFC 3891, RFC 4488. */
export const SUPPORTED = '100rel, timer, replaces, norefersub';

/** What is said in no message of ours, for it concerns registrars: RFC 3327. */
const OF_REGISTRARS = ['path'];

const SPOKEN = new Set([...SUPPORTED.split(', '), ...OF_REGISTRARS]);

/** The elements of a comma-separated list of tokens, in lower case; none when the header is missing. */
export function tokensOf(header: unknown): string[] {
  if (typeof header !== 'string') return [];
  return header.split(',').flatMap((element) => element.trim().toLowerCase() || []);
}

/** What a Require header demands that is not spoken here, as the Unsupported header of a 420 says it; undefined when nothing. */
export function unsupportedOf(require: unknown): string | undefined {
  const foreign = tokensOf(require).filter((tag) => !SPOKEN.has(tag));
  return foreign.length === 0 ? undefined : foreign.join(', ');
}

/** True when the sender insists on an extension. */
export function requires({ headers }: SipMessage, tag: string): boolean {
  return tokensOf(headers['require']).includes(tag);
}

/** True when the sender can use an extension; to insist on it says so too. */
export function supports(message: SipMessage, tag: string): boolean {
  return tokensOf(message.headers['supported']).includes(tag) || requires(message, tag);
}

/** What the peer of a dialog has said of itself so far; the last word counts. */
export class PeerAbilities {
  #allow: string[] = [];
  #supported: string[] = [];

  learn({ headers }: SipMessage): void {
    if (headers['allow'] !== undefined) this.#allow = tokensOf(headers['allow']);
    if (headers['supported'] !== undefined) this.#supported = tokensOf(headers['supported']);
  }

  store(): { allow: string[]; supported: string[] } {
    return { allow: this.#allow, supported: this.#supported };
  }

  restore({ allow, supported }: { allow: string[]; supported: string[] }): void {
    this.#allow = allow;
    this.#supported = supported;
  }

  /** False for a method of which the peer has said nothing. */
  allows(method: string): boolean {
    return this.#allow.includes(method.toLowerCase());
  }

  supports(tag: string): boolean {
    return this.#supported.includes(tag);
  }
}
