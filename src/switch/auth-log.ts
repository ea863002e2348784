// One line for each wrong password, in a form that does not change: fail2ban reads it (daemons/fail2ban).
import type { Logger } from '../log.ts';
import type { SipRequest } from '../sip/message.ts';
import type { Peer } from '../sip/user-agent.ts';
import type { RefusedIdentity } from './identity.ts';
import { Sparingly } from './sparingly.ts';

/** Silence keeps one source to a few; this is for many sources at once. */
const LINES_PER_SECOND = 100;
const LONGEST_USER = 64;

export class AuthLog {
  readonly #log: Logger;
  readonly #lines = new Sparingly(LINES_PER_SECOND);

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The address stands before anything that the sender wrote, so that nothing can be taken for it. */
  tell({ method }: SipRequest, { address, port, protocol }: Peer, guess: RefusedIdentity['guess']): void {
    if (guess === undefined) return;
    const { reason, failures } = guess;
    const user = guess.user.slice(0, LONGEST_USER);
    const line = { event: 'auth-failed', address, port, protocol, reason, failures, method, user };
    this.#lines.say((unsaid) => this.#log.warn({ ...line, ...unsaid }, 'authentication failed'));
  }
}
