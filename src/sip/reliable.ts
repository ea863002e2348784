// Provisional responses sent reliably: numbered, sent again until their PRACK comes, one after the other (RFC 3262 section 3).
import { randomInt } from 'node:crypto';
import type { Core } from './core.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { hasSdp } from './offers.ts';
import { parseDigits } from './scan.ts';
import { giveUpAfter, TimerSet } from './timers.ts';

/** The first RSeq is below 2**31 (section 3). */
const MOST_FIRST_RSEQ = 2 ** 31 - 1;
/** Ringing changes now and then; more responses than this wait for no PRACK. */
const MOST_WAITING = 16;

export interface ReliableOptions {
  /** Sends the response; again, too. */
  send(response: SipResponse): void;
  /** A response goes out for the first time. */
  onSent(response: SipResponse): void;
  /** No PRACK came in 64*T1. */
  onGiveUp(): void;
}

export class ReliableResponses {
  readonly #core: Core;
  readonly #options: ReliableOptions;
  readonly #timers: TimerSet;
  /** The first one has been sent and has no PRACK yet. */
  readonly #waiting: SipResponse[] = [];
  #rseq = randomInt(1, MOST_FIRST_RSEQ);
  #whenFree: (() => void) | undefined;

  constructor(core: Core, options: ReliableOptions) {
    this.#core = core;
    this.#options = options;
    this.#timers = new TimerSet(core.clock);
  }

  /** Sends a response when those before it have their PRACK. */
  send(response: SipResponse): void {
    if (this.#waiting.length >= MOST_WAITING) return this.#core.count('provisional-dropped');
    this.#waiting.push(response);
    if (this.#waiting.length === 1) this.#sendFirst();
  }

  #sendFirst(): void {
    const [response] = this.#waiting;
    if (response === undefined) return;
    response.headers['rseq'] = `${this.#rseq}`;
    this.#rseq += 1;
    const { t1 } = this.#core.timers;
    // No cap: the series ends with the giving up (section 3).
    this.#timers.repeat('repeat', t1, Number.POSITIVE_INFINITY, () => this.#options.send(response));
    this.#timers.start('give-up', giveUpAfter(this.#core.timers), () => this.#giveUp());
    this.#options.send(response);
    this.#options.onSent(response);
  }

  #giveUp(): void {
    this.stop();
    this.#options.onGiveUp();
  }

  /** The response that a PRACK acknowledges, which is sent no more; undefined when there is none (it is answered 481). */
  acknowledge(prack: SipRequest): SipResponse | undefined {
    const [response] = this.#waiting;
    if (response === undefined || !isFor(prack, response)) return undefined;
    this.#timers.clear();
    this.#waiting.shift();
    if (this.#waiting.length > 0) this.#sendFirst();
    else this.#free();
    return response;
  }

  /** False while a description is unacknowledged: a 2xx may not go out then (section 3). */
  get isFree(): boolean {
    return !this.#waiting.some(hasSdp);
  }

  /** Runs as soon as all are acknowledged. */
  whenFree(run: () => void): void {
    this.#whenFree = run;
  }

  #free(): void {
    const run = this.#whenFree;
    this.#whenFree = undefined;
    run?.();
  }

  /** The final response has been sent: nothing is repeated, and a PRACK that is under way is still known (section 3). */
  finish(): void {
    this.#timers.clear();
    this.#waiting.length = Math.min(1, this.#waiting.length);
    this.#whenFree = undefined;
  }

  /** Ends it without a word. */
  stop(): void {
    this.finish();
    this.#waiting.length = 0;
  }
}

/** RAck names the RSeq, and the CSeq of the INVITE (section 7.2). */
function isFor({ headers }: SipRequest, response: SipResponse): boolean {
  const { seq, method } = response.headers.cseq;
  return (
    headers['rack'] !== undefined && tidy(headers['rack']) === `${response.headers['rseq']} ${seq} ${method}`
  );
}

function tidy(rack: unknown): string {
  return typeof rack === 'string' ? rack.trim().replaceAll(/\s+/g, ' ') : '';
}

/** The number of a provisional response that was sent reliably; undefined when it was not, or has none (section 7.1). */
export function rseqOf({ headers }: SipResponse): number | undefined {
  const text = headers['rseq'];
  const value = typeof text === 'string' ? parseDigits(text.trim(), 10) : undefined;
  return value === undefined || value === 0 || value >= 2 ** 32 ? undefined : value;
}
