// The contacts of DNs: they register here, are asked now and then, and calls find the way to them (RFC 3261 section 10).
import type { Logger } from '../log.ts';
import { hostOf } from '../sip/compose.ts';
import type { Flow, IncomingRequest, UserAgent } from '../sip/user-agent.ts';
import type { DnStore, Registration } from './dn-store.ts';
import { Qualifier } from './qualifier.ts';
import { RegisteredFlows } from './registered-flows.ts';
import { type RegistrarOptions, register } from './registrar.ts';
import { placeOf } from './route.ts';

export interface ContactsOptions {
  store: DnStore;
  log: Logger;
  /** Undefined until it listens. */
  userAgent(): UserAgent | undefined;
  /** How often each is asked whether it is there, in milliseconds; 0: never. */
  qualifyMs: number;
}

export class Contacts {
  readonly #options: ContactsOptions;
  readonly #flows = new RegisteredFlows();
  readonly #qualifier: Qualifier;

  constructor(options: ContactsOptions) {
    const { store, log, qualifyMs } = options;
    this.#options = options;
    this.#qualifier = new Qualifier({
      intervalMs: qualifyMs,
      registrations: () => store.allRegistrations(Date.now()),
      ask: (registration, patienceMs) => this.#ask(registration, patienceMs),
      log,
    });
  }

  reload(qualifyMs: number): void {
    this.#qualifier.reload(qualifyMs);
  }

  stop(): void {
    this.#qualifier.stop();
  }

  /** Answers a REGISTER of the DN `number`, whose sender has been authenticated. */
  register(request: IncomingRequest, number: string, options: Omit<RegistrarOptions, 'store' | 'now'>): void {
    const { store } = this.#options;
    register(request, number, { store, now: Date.now, ...options });
    const registrations = store.registrations(number, Date.now());
    this.#flows.note(number, request, registrations);
    const { 'call-id': callId } = request.message.headers;
    for (const one of registrations) if (one.callId === callId) this.#qualifier.noteRegistered(one);
  }

  /** How many have lately not answered. */
  get unreachable(): number {
    return this.#qualifier.unreachable;
  }

  /** Whether a contact is there; undefined when nobody has asked it. */
  isReachable(registration: Registration): boolean | undefined {
    return this.#placeOf(registration) === undefined ? false : this.#qualifier.hasAnswered(registration);
  }

  /** False for one that has lately not answered. */
  hasNotFailed(registration: Registration): boolean {
    return this.#qualifier.hasAnswered(registration) !== false;
  }

  /** The connection over which a contact registered, while it is open. */
  flowOf(registration: Registration): Flow | undefined {
    const flow = this.#flows.of(registration);
    return flow !== undefined && this.#options.userAgent()?.isOpen(flow) ? flow : undefined;
  }

  /** The connection that has taken the place of one that has ended: the same phone of a DN, registered again. */
  successorOf(flow: Flow, number: string): Flow | undefined {
    return this.#flows.successorOf(flow, number);
  }

  #placeOf(registration: Registration) {
    return placeOf(registration, { flowOf: (one) => this.flowOf(one) });
  }

  async #ask(registration: Registration, patienceMs: number): Promise<number | undefined> {
    const place = this.#placeOf(registration);
    const userAgent = this.#options.userAgent();
    const [local] = userAgent?.listening ?? [];
    if (place === undefined || local === undefined) return undefined;
    const { contact: uri } = registration;
    const from = { uri: `sip:${hostOf(local.address)}` };
    const { path, ...way } = place;
    const headers = { accept: 'application/sdp', ...(path === undefined ? {} : { route: path }) };
    const options = { method: 'OPTIONS', uri, from, to: { uri }, headers, patienceMs, ...way };
    return (await userAgent?.request(options))?.status;
  }
}
