// What a call is made of: parties, legs, the plan that it follows, and what it is given to work with.
import type { SrtpWord } from '../dn-settings.ts';
import type { Logger } from '../log.ts';
import type { SipResponse } from '../sip/message.ts';
import type { Credentials, Dialog, UserAgent } from '../sip/user-agent.ts';
import type { EventBody } from '../spool/events.ts';
import type { Call } from './call.ts';
import type { CallMedia } from './call-media.ts';
import type { HuntPlan } from './hunt-plan.ts';
import type { Label, Leg } from './leg.ts';
import type { StoredAnchor } from './media-servers.ts';
import type { Feature } from './phone-requests.ts';
import type { RecordingDecision } from './recording-decision.ts';
import type { Redirected } from './redirection.ts';
import type { Destination, RefusedRoute } from './route.ts';
import type { ShownCaller } from './shown-caller.ts';

/** A party of a call, as addresses and the DN table tell it. */
export interface CallParty {
  number: string;
  uri: string;
  name: string | undefined;
  dn: string | undefined;
  /** Who is logged in on the DN. */
  agentId?: string | undefined;
  trunk: string | undefined;
}

export type Legs = Readonly<Record<'a' | 'b', Leg>>;

export interface CallContext {
  userAgent: UserAgent;
  log: Logger;
  journal(event: EventBody): void;
  /** Media through the media server, for a call that is recorded. */
  anchor(call: string, legs: Legs): CallMedia;
  /** Where that is, as JSON. */
  anchorOf(media: CallMedia): StoredAnchor | undefined;
  /** Takes up the media of an earlier life. */
  restoreMedia(anchor: StoredAnchor, legs: Legs): CallMedia;
  /** The call is answered, or has changed since: another life must know. */
  keep(call: Call): void;
  /** The call is over: no other life must know of it. */
  forget(call: Call): void;
  /** Milliseconds until an unanswered call is given up. */
  ringTimeoutMs: number;
  /** Milliseconds between two looks at whether the parties of an answered call are still there. */
  probeMs: number;
  /** Waits before a re-INVITE is tried again that crossed one of the party (RFC 3261 section 14.1). */
  glareDelay(): Promise<void>;
  /** What agents may dial in a call, by its digits. */
  featureCodes: ReadonlyMap<string, Feature>;
  onReleased(call: Call): void;
  /** What a trunk is shown when it challenges us. */
  credentialsOf?(trunk: string): Credentials | undefined;
  /** Where a party may send its call, as if it had dialled the number. */
  plan?(by: CallParty, number: string, sessionId: string): Promise<CallPlan | RefusedRoute>;
  /** Whether a party that takes another one's place, with that label, is to be recorded for its own sake. */
  decide?(newcomer: CallParty, label: Label): RecordingDecision | undefined;
  /** The call, and the leg of it, that a dialog belongs to. */
  callOf?(dialog: Dialog): { call: Call; label: Label } | undefined;
  /** What is said of SRTP with a party; `pass` when this is left out. */
  srtpOf?(party: CallParty): SrtpWord;
  /** Where a callee's redirection leads. */
  redirect?(from: Destination, response: SipResponse): Redirected[];
}

/** A place where a call may be answered, and whether it is recorded when it is. */
export interface CallTarget {
  to: CallParty;
  route: Destination;
  decision: RecordingDecision;
  /** What its callee is shown of the caller, when that is not what the plan says: somebody has sent the call on. */
  shown?: ShownCaller | undefined;
}

export interface CallPlan extends CallTarget {
  sessionId: string;
  from: CallParty;
  maxForwards: number;
  /** The target that another route makes, to the number there: for a callee that sends the call elsewhere. */
  targetOf?: ((route: Destination, number: string) => CallTarget) | undefined;
  /** The number that was dialled, when it is not that of `to`. */
  dialled?: string | undefined;
  /** The caller has another call: this one consults somebody about it. */
  consult?: boolean;
  /** The rules of the routing strategy that decided where the call goes. */
  rule?: string | undefined;
  /** Data that the routing strategy attaches, and the rule that does. */
  attached?: { data: Readonly<Record<string, string>>; rule: string } | undefined;
  /** Several places. Unless all are of one party, the plan itself is that of none of them until one answers. */
  hunt?: HuntPlan | undefined;
}

/** Why a call ends, or is not set up, whose recording is mandatory. */
export const UNRECORDED = 'recording is mandatory and cannot be made';

export type CallState = 'setup' | 'ringing' | 'answered' | 'released';

/** The places where a call is offered. */
export function targetsOf(plan: CallPlan): readonly CallTarget[] {
  return plan.hunt === undefined ? [plan] : plan.hunt.rounds.flat();
}

/** How the call is offered to its places: to a single one, in a single round. */
export function huntOf(plan: CallPlan): HuntPlan {
  return plan.hunt ?? { rounds: [[plan]], ringTimeMs: undefined };
}

export function directionOf({ from, to }: CallPlan): 'internal' | 'inbound' | 'outbound' {
  if (from.trunk !== undefined) return 'inbound';
  return to.trunk === undefined ? 'internal' : 'outbound';
}
