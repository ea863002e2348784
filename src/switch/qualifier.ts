// Asks registered contacts by OPTIONS whether they are there; who does not answer is passed over while others are (RFC 3261 section 11).
import type { Logger } from '../log.ts';
import type { Registration } from './dn-store.ts';
import { Sparingly } from './sparingly.ts';

export interface QualifierOptions {
  /** Milliseconds from one question to the next; 0 asks nobody. */
  intervalMs: number;
  registrations(): Registration[];
  /**
   * Asks one; resolves with the status of the answer, 408 when there was none within `patienceMs`; undefined when it cannot
   * be asked, as its connection has ended.
   */
  ask(registration: Registration, patienceMs: number): Promise<number | undefined>;
  log: Logger;
  /** Milliseconds between two looks at who is to be asked. */
  tickMs?: number;
}

/** Four transmissions over UDP. */
const PATIENCE_MS = 5000;
const TICK_MS = 1000;
/** A site that loses its network must not fill the log. */
const LINES_PER_SECOND = 5;

export class Qualifier {
  readonly #options: QualifierOptions;
  #intervalMs: number;
  readonly #timer: NodeJS.Timeout;
  /** Who is still to be asked in this round; a round is spread over the interval. */
  #round: Registration[] = [];
  #share = 0;
  #roundEndsAt = 0;
  /** By contact: whether it answered when it was asked last. */
  readonly #answers = new Map<string, boolean>();
  readonly #asking = new Set<string>();
  readonly #lines = new Sparingly(LINES_PER_SECOND);

  constructor(options: QualifierOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs;
    this.#timer = setInterval(() => this.#tick(), options.tickMs ?? TICK_MS).unref();
  }

  /** Takes a new interval over; with 0 all that is known is forgotten. */
  reload(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#round = [];
    this.#roundEndsAt = 0;
    if (intervalMs === 0) this.#answers.clear();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Undefined when it has not been asked since it registered. */
  hasAnswered(registration: Registration): boolean | undefined {
    return this.#answers.get(keyOf(registration));
  }

  get unreachable(): number {
    return [...this.#answers.values()].filter((hasAnswered) => !hasAnswered).length;
  }

  /** It has registered just now, so it is there. */
  noteRegistered(registration: Registration): void {
    if (this.#answers.get(keyOf(registration)) === false) this.#answers.delete(keyOf(registration));
  }

  #tick(): void {
    const now = performance.now();
    if (this.#intervalMs > 0 && this.#round.length === 0 && now >= this.#roundEndsAt) this.#beginRound(now);
    for (const registration of this.#round.splice(0, this.#share)) void this.#ask(registration);
  }

  #beginRound(now: number): void {
    this.#round = this.#options.registrations();
    const ticks = Math.max(1, Math.floor(this.#intervalMs / (this.#options.tickMs ?? TICK_MS)));
    this.#share = Math.ceil(this.#round.length / ticks);
    this.#roundEndsAt = now + this.#intervalMs;
    const known = new Set(this.#round.map(keyOf));
    for (const key of this.#answers.keys()) if (!known.has(key)) this.#answers.delete(key);
  }

  async #ask(registration: Registration): Promise<void> {
    const key = keyOf(registration);
    if (this.#asking.has(key)) return;
    this.#asking.add(key);
    const status = await this.#options.ask(registration, Math.min(PATIENCE_MS, this.#intervalMs));
    this.#asking.delete(key);
    if (status !== undefined && this.#intervalMs > 0) this.#note(registration, status);
  }

  /** Any answer is one, but for those that say that there is nobody to give it. */
  #note(registration: Registration, status: number): void {
    const { number, contact, protocol, address, port } = registration;
    const hasAnswered = status !== 408 && status !== 503;
    const before = this.#answers.get(keyOf(registration)) ?? true;
    this.#answers.set(keyOf(registration), hasAnswered);
    if (before === hasAnswered) return;
    const said = hasAnswered ? 'a contact answers again' : 'a contact does not answer: calls pass it over';
    this.#lines.say((unsaid) =>
      this.#options.log.info({ number, contact, protocol, address, port, status, ...unsaid }, said),
    );
  }
}

function keyOf({ number, contact }: Registration): string {
  return `${number}\n${contact}`;
}
