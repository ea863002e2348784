// In which rounds a call is offered to its places, and what the refusal of one means for the others.
import type { SipResponse } from '../sip/message.ts';
import type { CallTarget } from './call-model.ts';
import type { Verdict } from './hunt.ts';

/** A call to several places, or to one. */
export interface HuntPlan {
  /** Those of one round ring together. */
  rounds: readonly (readonly CallTarget[])[];
  /** How long a round rings before the next one's turn, in milliseconds; undefined: until all of it have refused. */
  ringTimeMs: number | undefined;
}

/** True when it is clear before anybody answers who the callee is: the places are contacts of one DN, or hosts of one trunk. */
export function isOneParty(targets: readonly CallTarget[]): boolean {
  const [first] = targets;
  return targets.every(({ to }) => to.dn === first?.to.dn && to.trunk === first?.to.trunk);
}

/**
 * Of several places that ring together, or ring DNs in turn, each could send media of its own, and only one may answer the
 * caller's offer (RFC 3261 section 13.2.1). Trunks are tried one after the other, and who has sent media is the last.
 */
export function passesEarlyMedia({ rounds }: HuntPlan): boolean {
  if (rounds.length === 1 && rounds[0]?.length === 1) return true;
  const targets = rounds.flat();
  return targets.length === 1 || (rounds.length === targets.length && targets.every(isTrunk));
}

/**
 * A trunk that cannot carry the call is followed by the next one; one that says something of the callee has spoken for all.
 * A DN that declines at one of its phones declines at all of them (RFC 3261 section 16.7, step 5).
 */
export function weigh({ rounds }: HuntPlan, target: CallTarget, { status }: SipResponse): Verdict {
  if (isTrunk(target)) return status === 408 || (status >= 500 && status < 600) ? 'next-round' : 'end';
  const round = rounds.find((one) => one.includes(target)) ?? [];
  if (status < 600 || !isOneParty(round)) return 'ring-on';
  return rounds.length === 1 ? 'end' : 'next-round';
}

function isTrunk({ route }: CallTarget): boolean {
  return route.kind === 'trunk';
}
