// The session timer of one dialog: refreshes it, or ends it when the peer does not (RFC 4028 sections 7.2, 8 and 10).
import type { Core } from './core.ts';
import type { SipRequest, SipResponse } from './message.ts';
import {
  answerInterval,
  type IntervalAnswer,
  type IntervalPolicy,
  parseMinSe,
  parseSessionExpires,
  printSessionExpires,
} from './session-interval.ts';
import { TimerSet } from './timers.ts';
import type { ExtraHeaders, SessionTimerState } from './user-agent-types.ts';

/** BYE goes out so many seconds before the session expires, or a third of it when that is less (section 10). */
const EARLY_S = 32;

export interface SessionTimerUser {
  /** It is our turn to refresh. */
  refresh(): void;
  /** The session was not refreshed in time. */
  giveUp(): void;
}

export class SessionTimer {
  readonly #timers: TimerSet;
  readonly #user: SessionTimerUser;
  #policy: IntervalPolicy;
  #state: SessionTimerState | undefined;

  constructor(core: Core, user: SessionTimerUser) {
    this.#timers = new TimerSet(core.clock);
    this.#user = user;
    this.#policy = core.sessionPolicy;
  }

  /** What is in force; undefined when the session does not expire. */
  get state(): SessionTimerState | undefined {
    return this.#state;
  }

  /** Headers of a re-INVITE or UPDATE of ours: the roles stay as they are (section 7.4). */
  requestHeaders(): ExtraHeaders {
    if (this.#state === undefined) return askFor(this.#policy);
    const { seconds, refresher } = this.#state;
    const role = refresher === 'us' ? 'uac' : 'uas';
    return {
      ...askFor({ ...this.#policy, expires: seconds }),
      'session-expires': printSessionExpires({ seconds, refresher: role }),
    };
  }

  /** A 2xx to a session refresh request of ours has come (section 7.2). Without the header there is no timer any more. */
  accepted(response: SipResponse): void {
    const agreed = parseSessionExpires(response.headers['session-expires']);
    if (agreed === undefined) return this.run(undefined);
    // Below our Min-SE, against the rules, a peer would have us refresh without pause.
    const seconds = Math.max(agreed.seconds, this.#policy.minSe);
    this.run({ seconds, refresher: agreed.refresher === 'uas' ? 'peer' : 'us' });
  }

  /** A 422 to a request of ours: from now on its Min-SE holds. @returns false when asking again is of no use */
  refused(response: SipResponse): boolean {
    const raised = raisedBy(response, this.#state?.seconds ?? this.#policy.expires ?? 0);
    if (raised === undefined) return false;
    this.#policy = { expires: raised, minSe: Math.max(raised, this.#policy.minSe) };
    if (this.#state !== undefined) this.#state = { ...this.#state, seconds: raised };
    return true;
  }

  /** What a re-INVITE, UPDATE or INVITE that came is to be answered. */
  answer(request: SipRequest): IntervalAnswer {
    const expires = this.#state?.seconds ?? this.#policy.expires;
    return answerInterval(request, { ...this.#policy, expires });
  }

  /** Our 2xx with these terms has been sent. */
  agreed(answer: IntervalAnswer): void {
    if (answer.kind !== 'agreed') return this.run(undefined);
    const { seconds, refresher } = answer.agreement;
    this.run({ seconds, refresher: refresher === 'uas' ? 'us' : 'peer' });
  }

  /** Starts anew with a state, that of an earlier life perhaps. */
  run(state: SessionTimerState | undefined): void {
    this.#timers.clear();
    this.#state = state;
    if (state === undefined) return;
    const { seconds, refresher } = state;
    const early = Math.min(EARLY_S, seconds / 3);
    this.#timers.start('expire', (seconds - early) * 1000, () => this.#user.giveUp());
    if (refresher === 'us') this.#timers.start('refresh', seconds * 500, () => this.#user.refresh());
  }

  /** Another attempt at a refresh that could not be made. */
  retryIn(milliseconds: number): void {
    if (this.#state?.refresher === 'us')
      this.#timers.start('refresh', milliseconds, () => this.#user.refresh());
  }

  stop(): void {
    this.#timers.clear();
  }
}

/** Headers that ask for a session timer; none without a wish for one. */
export function askFor({ expires, minSe }: IntervalPolicy): ExtraHeaders {
  if (expires === undefined) return {};
  return { 'session-expires': `${Math.max(expires, minSe)}`, 'min-se': `${minSe}` };
}

/** The interval that a 422 asks for; undefined when it asks for no more than was offered (section 7.3). */
export function raisedBy(response: SipResponse, offered: number): number | undefined {
  const least = parseMinSe(response.headers['min-se']);
  return least > offered ? least : undefined;
}
