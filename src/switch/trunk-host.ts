// One host of a trunk: where it is, and whether it answers (RFC 3261 section 11).
import type { Logger } from '../log.ts';
import type { Peer } from '../sip/user-agent.ts';

/** How long a host that has let a call down is passed over, unless it is asked and answers, in milliseconds. */
const DOWN_MS = 30_000;

export class TrunkHost {
  readonly peer: Peer;
  readonly #trunk: string;
  readonly #log: Logger;
  /** Undefined when it has never been asked. */
  #hasAnswered: boolean | undefined;
  #downUntil = 0;

  constructor(trunk: string, peer: Peer, log: Logger) {
    this.peer = peer;
    this.#trunk = trunk;
    this.#log = log;
  }

  get isUp(): boolean {
    return this.#hasAnswered !== false && performance.now() >= this.#downUntil;
  }

  /** Its answer to OPTIONS. Whatever it says, it is there, unless it is 408 or 503: these may be made by whoever could not reach it. */
  noteAnswer(status: number): void {
    const hasAnswered = status !== 408 && status !== 503;
    if (hasAnswered) this.#downUntil = 0;
    if (hasAnswered !== (this.#hasAnswered ?? true)) this.#tell(hasAnswered, status);
    this.#hasAnswered = hasAnswered;
  }

  /** It did not take a call, nor refuse it. */
  noteFailure(status: number): void {
    if (this.isUp) this.#tell(false, status);
    this.#downUntil = performance.now() + DOWN_MS;
  }

  #tell(isUp: boolean, status: number): void {
    const { address, port } = this.peer;
    const line = { trunk: this.#trunk, address, port, status };
    if (isUp) this.#log.info(line, 'a host of a trunk answers again');
    else this.#log.warn(line, 'a host of a trunk does not answer: calls pass it over');
  }
}
