// What a transfer is made of: the target, as it is asked, joins or is left, and the leg that is made for it.
import type { SipResponse } from '../sip/message.ts';
import type { Call } from './call.ts';
import type { CallParty } from './call-model.ts';
import { Leg, otherLabel, tagOf } from './leg.ts';
import type { RecordingDecision } from './recording-decision.ts';
import { newUuid } from './session-id.ts';

/** Who takes the place of the transferor, and how it is brought into the call. */
export interface TransferTarget {
  readonly how: 'blind' | 'attended';
  readonly leg: Leg;
  /** The new pair is to be recorded for the target's sake. */
  readonly isRecorded: boolean;
  /** It may not be in the call without. */
  readonly isMandatory: boolean;
  /** Whether it is, and why, once it has answered. */
  readonly decision?: RecordingDecision | undefined;
  readonly consultation?: string | undefined;
  /**
   * Offers it the media of who is transferred.
   * @param ringing hears of provisional responses
   * @throws NotTransferred with the status of its refusal
   */
  ask(offer: Buffer, ringing: (status: number) => void): Promise<{ answer: Buffer; acknowledge(): void }>;
  /** It has become part of the call. */
  join(): void;
  /** It is left as it was, or rung no more. */
  leave(): Promise<void>;
}

/** Why a transfer came to nothing, as the transferor is told. */
export class NotTransferred extends Error {
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

/** The leg of a party that is to come, with a name of its own in the ng protocol. */
export function newLegFor(call: Call, leaves: Leg, party: CallParty, source: string, like?: Leg): Leg {
  const { label } = leaves;
  const tag = `${call.id}-${label}-${newUuid().slice(0, 8)}`;
  const leg = new Leg({ label, tag, party, source, ...(like === undefined ? {} : { origin: like.origin }) });
  if (like === undefined) return leg;
  leg.dialog = like.dialog;
  leg.described = like.described;
  leg.offered = like.offered;
  leg.uuid = like.uuid;
  leg.hasMoved = true;
  return leg;
}

/** The status for a transferor of a target's refusal: those of our own dealings with it are no news to it. */
export function refusalOf({ status, reason }: SipResponse): NotTransferred {
  const isOurs = status === 401 || status === 407 || status === 481;
  return new NotTransferred(isOurs ? 503 : status, `the target refused: ${status} ${reason}`);
}

/** It is the party that has placed the call, and none that has come in its place. */
export function hasBegun(call: Call, { tag }: Leg): boolean {
  return tag === tagOf(call.id, 'a');
}

/** Who is being transferred. */
export function transferee(call: Call, transferor: Leg): Leg {
  return call.legs[otherLabel(transferor.label)];
}
