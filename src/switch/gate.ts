// Who may pass: every request outside dialogs comes by here before any state is made of it (RFC 3261 section 26.3.2.4).
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import { KNOWN_METHODS } from '../sip/compose.ts';
import type { SipRequest } from '../sip/message.ts';
import type { Flow, Refusal } from '../sip/user-agent.ts';
import { AuthLog } from './auth-log.ts';
import { sourceOf } from './guesses.ts';
import { type Identifier, type Identity, type RefusedIdentity, userOf } from './identity.ts';
import { ALLOW_IN_CALL } from './in-dialog.ts';
import { Overload } from './overload.ts';
import { Rates } from './rates.ts';
import { Sparingly } from './sparingly.ts';
import { unavailable } from './unavailable.ts';

const ALLOW = `${ALLOW_IN_CALL}, REGISTER`;

/** A flood of refused requests must not become a flood of log lines. */
const LINES_PER_SECOND = 5;
/** Characters of what a stranger wrote. */
const LONGEST_LOGGED = 200;

/** As many DNs may call at their full rate from behind one address. */
const DNS_OF_ADDRESS = 10;

export type Caller = Exclude<Identity, RefusedIdentity>;

export interface GateOptions {
  identifier: Identifier;
  /** The most calls that a trunk may make in a second; 0 for no limit. */
  trunkRate(name: string): number;
  limits: Config['sip']['limits'];
  log: Logger;
  count(name: string): void;
}

export class Gate {
  readonly #options: GateOptions;
  readonly #authLog: AuthLog;
  readonly #overload: Overload;
  readonly #rates = new Rates({ now: () => performance.now() });
  readonly #refusals = new Sparingly(LINES_PER_SECOND);
  readonly #alarms = new Sparingly(1);
  /** Who sent a request that was admitted. */
  readonly #identities = new WeakMap<SipRequest, Caller>();
  #perSecond: number;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#authLog = new AuthLog(options.log);
    this.#overload = new Overload({ percent: options.limits.overload });
    this.#perSecond = options.limits['calls-per-second'];
  }

  reload(limits: GateOptions['limits']): void {
    this.#overload.reload(limits.overload);
    this.#perSecond = limits['calls-per-second'];
  }

  stop(): void {
    this.#overload.stop();
  }

  /** The share of its time in which the daemon was busy of late, and whether that is too much. */
  get load(): { busyPercent: number; overloaded: boolean } {
    return { busyPercent: Math.round(this.#overload.percent), overloaded: this.#overload.isOver };
  }

  /** Who sent a request that was admitted. */
  callerOf(request: SipRequest): Caller | undefined {
    return this.#identities.get(request);
  }

  /** Only registrations and calls of who is known are worth a transaction. */
  admit(request: SipRequest, flow: Flow): Refusal | 'ignore' | undefined {
    const { method } = request;
    if (method === 'OPTIONS') return { status: 200, headers: { allow: ALLOW, accept: 'application/sdp' } };
    if (method !== 'INVITE' && method !== 'REGISTER') return this.#refuseMethod(method);
    if (this.#overload.isOver) return this.#shed(request, flow);
    const { identifier } = this.#options;
    const identity =
      method === 'INVITE'
        ? identifier.identifyCaller({ message: request, flow })
        : identifier.authenticate(request, userOf(request.headers.to.uri), flow.peer);
    if (identity.kind === 'refused') return this.#refuse(request, flow, identity);
    if (method === 'INVITE' && !this.#mayCall(identity)) return this.#slowDown(request, flow);
    this.#identities.set(request, identity);
    return undefined;
  }

  #mayCall(caller: Caller): boolean {
    if (caller.kind === 'dn') return this.#rates.take(`dn ${caller.dn.number}`, this.#perSecond);
    const { name } = caller.trunk;
    return this.#rates.take(`trunk ${name}`, this.#options.trunkRate(name));
  }

  /** Strangers make up methods: only known ones are counted by name. */
  #refuseMethod(method: string): Refusal {
    this.#options.count(`refused-${KNOWN_METHODS.has(method) ? method : 'other'}`);
    return { status: 405, headers: { allow: ALLOW } };
  }

  /** What there is goes on: new calls and registrations have to wait. */
  #shed({ method }: SipRequest, { peer }: Flow): Refusal {
    const { busyPercent } = this.load;
    this.#options.count('refused-overload');
    this.#alarms.say((unsaid) =>
      this.#options.log.error(
        { alarm: 'overload', busyPercent, method, address: peer.address, ...unsaid },
        'too busy: new calls and registrations are refused',
      ),
    );
    return unavailable();
  }

  #slowDown(request: SipRequest, flow: Flow): Refusal {
    this.#options.count('refused-rate');
    this.#tellRefusal(request, flow, 'refused-rate');
    return { status: 503, reason: 'Too Many Calls', headers: { 'retry-after': '1' } };
  }

  #refuse(request: SipRequest, flow: Flow, identity: RefusedIdentity): Refusal | 'ignore' {
    const { status, reason, challenges, counter, guess, isIgnored } = identity;
    this.#options.count(counter);
    if (isIgnored) return 'ignore';
    if (guess !== undefined) this.#authLog.tell(request, flow.peer, guess);
    else if (counter !== 'auth-challenged' && counter !== 'auth-stale')
      this.#tellRefusal(request, flow, counter);
    return this.#isFlood(request, flow) ? 'ignore' : { status, reason, ...(challenges && { challenges }) };
  }

  /** Attempts to call that get nowhere. Each call of a phone begins with one: it is challenged. */
  #isFlood({ method }: SipRequest, { peer }: Flow): boolean {
    if (method !== 'INVITE') return false;
    const allowed = this.#perSecond * DNS_OF_ADDRESS;
    if (this.#rates.take(`address ${sourceOf(peer.address)}`, allowed)) return false;
    this.#options.count('refused-rate');
    return true;
  }

  #tellRefusal({ method, headers }: SipRequest, { peer }: Flow, counter: string): void {
    const from = headers.from.uri.slice(0, LONGEST_LOGGED);
    this.#refusals.say((unsaid) =>
      this.#options.log.warn({ method, from, address: peer.address, counter, ...unsaid }, 'refused'),
    );
  }
}
