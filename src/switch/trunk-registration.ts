// Our registration at a trunk: made, renewed, and tried again later when it fails (RFC 3261 section 10.2).
import type { Logger } from '../log.ts';
import type { SipResponse } from '../sip/message.ts';
import { parseUri } from '../sip/uri.ts';
import type { TrunkHost } from './trunk-host.ts';

export interface TrunkRegistrationOptions {
  trunk: string;
  hosts: readonly TrunkHost[];
  /** Seconds that are asked for. */
  expires: number;
  /** The user part of the contact that is registered. */
  contactUser: string;
  /** Sends a REGISTER to a host; resolves with its final response, 408 or 503 when there was none. */
  send(host: TrunkHost, expires: number): Promise<SipResponse>;
  log: Logger;
  /** A share of chance, 0 to 1: those who failed together shall not try again together. */
  random?: () => number;
}

const FIRST_RETRY_S = 2;
const LONGEST_RETRY_S = 300;
/** After a refusal that only a change of the configuration mends, in seconds; oftener is how accounts are locked. */
const REFUSED_RETRY_S = 300;
/** What a timer can hold. */
const LONGEST_TIMER_S = 86_400;

export class TrunkRegistration {
  readonly #options: TrunkRegistrationOptions;
  #timer: NodeJS.Timeout | undefined;
  #expires: number;
  #failures = 0;
  #next = 0;
  #isStopped = false;
  /** Performance clock, milliseconds; 0 when nothing is registered. */
  #registeredUntil = 0;
  #status: number | undefined;
  #host: TrunkHost | undefined;

  constructor(options: TrunkRegistrationOptions) {
    this.#options = options;
    this.#expires = options.expires;
  }

  start(): void {
    void this.#register();
  }

  /** Takes the registration back, when there is one, unless it is to stay; resolves when that is answered. */
  async stop(stays = false): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    if (!stays && this.isRegistered && this.#host !== undefined) await this.#options.send(this.#host, 0);
    this.#registeredUntil = 0;
  }

  get isRegistered(): boolean {
    return this.#registeredUntil > performance.now();
  }

  /** What `grec trunk` shows. */
  get state(): { registered: boolean; expiresInS: number | null; status: number | null; failures: number } {
    const left = this.#registeredUntil - performance.now();
    return {
      registered: left > 0,
      expiresInS: left > 0 ? Math.round(left / 1000) : null,
      status: this.#status ?? null,
      failures: this.#failures,
    };
  }

  async #register(): Promise<void> {
    const host = this.#choose();
    if (host === undefined) return;
    const response = await this.#options.send(host, this.#expires);
    if (this.#isStopped) return;
    this.#status = response.status;
    if (response.status < 300) this.#succeed(host, response);
    else if (response.status === 423 && this.#adopt(response)) void this.#register();
    else this.#fail(host, response);
  }

  /** The next one in turn of those that answer, or of all. */
  #choose(): TrunkHost | undefined {
    const { hosts } = this.#options;
    const up = hosts.filter(({ isUp }) => isUp);
    const among = up.length > 0 ? up : hosts;
    return among[this.#next % among.length];
  }

  /** The registrar wants to be asked less often; false when it says nothing new. */
  #adopt({ headers }: SipResponse): boolean {
    const least = Number(headers['min-expires']);
    if (!Number.isInteger(least) || least <= this.#expires || least > LONGEST_TIMER_S) return false;
    this.#expires = least;
    return true;
  }

  #succeed(host: TrunkHost, response: SipResponse): void {
    const { trunk, log } = this.#options;
    const granted = this.#granted(response);
    if (!this.isRegistered)
      log.info({ trunk, address: host.peer.address, expires: granted }, 'registered at a trunk');
    this.#host = host;
    this.#failures = 0;
    this.#registeredUntil = performance.now() + granted * 1000;
    // A minute before the end is time for another try; of a short one half is left.
    this.#again(Math.max(granted / 2, granted - 60));
  }

  /** Seconds: those of our contact among all that are listed (RFC 3261 section 10.2.4), else of all, else as asked. */
  #granted({ headers }: SipResponse): number {
    const { contact, expires } = headers;
    const { contactUser } = this.#options;
    const own = Array.isArray(contact)
      ? contact.find(({ uri }) => parseUri(uri)?.user === contactUser)
      : undefined;
    const seconds = Number(own?.params['expires'] ?? expires ?? this.#expires);
    return Number.isInteger(seconds) && seconds >= 10 && seconds <= LONGEST_TIMER_S ? seconds : this.#expires;
  }

  #fail(host: TrunkHost, response: SipResponse): void {
    const { trunk, hosts, log } = this.#options;
    const { status, headers } = response;
    this.#failures += 1;
    this.#next += 1;
    // Each of several hosts gets its chance before there is a pause.
    const round = Math.ceil(this.#failures / hosts.length);
    const hasMore = this.#failures % hosts.length !== 0;
    const retry = isRefusal(status) ? REFUSED_RETRY_S : hasMore ? 0 : this.#backOff(round);
    const after = Math.max(retry, readRetryAfter(headers['retry-after']));
    const line = {
      alarm: 'trunk-registration',
      trunk,
      address: host.peer.address,
      status,
      reason: response.reason,
    };
    if (this.#failures === 1 || isRefusal(status))
      log.error({ ...line, retryInS: Math.round(after) }, `not registered at trunk ${trunk}`);
    this.#again(after);
  }

  /** Twice as long each time, and a quarter more or less. */
  #backOff(round: number): number {
    const { random = Math.random } = this.#options;
    const seconds = Math.min(FIRST_RETRY_S * 2 ** (round - 1), LONGEST_RETRY_S);
    return seconds * (0.75 + random() / 2);
  }

  #again(seconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#register(), Math.min(seconds, LONGEST_TIMER_S) * 1000);
    this.#timer.unref();
  }
}

/** The account or its password is wrong: to ask again soon is of no use. */
function isRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 404 || status === 407;
}

function readRetryAfter(value: unknown): number {
  const seconds = Number(typeof value === 'string' ? /^\s*(\d{1,6})/.exec(value)?.[1] : Number.NaN);
  return Number.isFinite(seconds) ? Math.min(seconds, LONGEST_RETRY_S) : 0;
}
