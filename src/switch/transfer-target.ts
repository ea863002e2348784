// The target of a blind transfer: a number that is called on behalf of who is transferred (RFC 5589 section 6).
import type { SipRequest } from '../sip/message.ts';
import type { Body, Dialog, Peer } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import type { CallPlan, CallTarget } from './call-model.ts';
import { huntOf, targetsOf } from './call-model.ts';
import { callOut } from './call-out.ts';
import { Hunt } from './hunt.ts';
import { weigh } from './hunt-plan.ts';
import type { Label, Leg } from './leg.ts';
import type { RecordingDecision } from './recording-decision.ts';
import { numberUri, type RefusedRoute } from './route.ts';
import { sdpOf } from './sdp-body.ts';
import {
  hasBegun,
  NotTransferred,
  newLegFor,
  refusalOf,
  type TransferTarget,
  transferee,
} from './transfer-model.ts';

/** Where a party may send its call, as if it had dialled the number itself. */
export async function planTransfer(
  call: Call,
  transferor: Leg,
  number: string,
): Promise<CallPlan | RefusedRoute> {
  const refused = { kind: 'refused', status: 404, reason: 'Unknown Number' } as const;
  return (await call.context.plan?.(transferor.party, number, call.plan.sessionId)) ?? refused;
}

export class CalledTarget implements TransferTarget {
  readonly how = 'blind';
  readonly leg: Leg;
  readonly isRecorded: boolean;
  readonly isMandatory: boolean;
  decision: RecordingDecision | undefined;
  readonly #call: Call;
  readonly #transferor: Leg;
  readonly #plan: CallPlan;
  readonly #local: Peer;
  #hunt: Hunt<CallTarget> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dialog: Dialog | undefined;
  #acknowledge: () => void = () => {};
  /** Ends the asking, should it be under way. */
  #giveUp: (reason: NotTransferred) => void = () => {};

  constructor(call: Call, transferor: Leg, plan: CallPlan, refer: SipRequest) {
    this.#call = call;
    this.#transferor = transferor;
    this.#plan = { ...plan, maxForwards: (refer.headers['max-forwards'] ?? 70) - 1 };
    this.#local = call.local;
    this.leg = newLegFor(call, transferor, plan.to, plan.route.peer.address);
    const decisions = targetsOf(plan).map(({ decision }) => ofSide(decision, this.leg.label));
    this.isRecorded = decisions.some((decision) => decision !== undefined);
    this.isMandatory = decisions.some((decision) => decision?.mandatory === true);
    if (plan.attached !== undefined)
      call.context.journal({ type: 'data.attached', call: call.id, ...plan.attached });
  }

  ask(offer: Buffer, ringing: (status: number) => void) {
    const body = this.leg.tell(offer);
    const hunt = huntOf(this.#plan);
    return new Promise<{ answer: Buffer; acknowledge(): void }>((resolve, reject) => {
      this.#giveUp = reject;
      this.#timer = setTimeout(() => {
        this.#hunt?.cancel();
        reject(new NotTransferred(480, 'no answer'));
      }, this.#call.context.ringTimeoutMs);
      this.#hunt = new Hunt<CallTarget>({
        ...hunt,
        passesEarlyMedia: false,
        weigh: (target, response) => weigh(hunt, target, response),
        place: (target, handlers) => this.#place(target, body, handlers),
        onProvisional: (_target, { status }) => ringing(status),
        onAccepted: (target, response, dialog, ack) => {
          clearTimeout(this.#timer);
          this.decision = ofSide(target.decision, this.leg.label);
          this.leg.party = target.to;
          this.leg.source = target.route.peer.address;
          this.leg.dialog = dialog;
          this.leg.learn(response);
          this.#dialog = dialog;
          // Once, whoever is first: the exchange, or its failure.
          this.#acknowledge = () => {
            this.#acknowledge = () => {};
            ack();
          };
          const answer = sdpOf(response);
          if (answer === undefined) reject(new NotTransferred(488, 'the target described no media'));
          else resolve({ answer, acknowledge: () => this.#acknowledge() });
        },
        onRejected: (response) => {
          clearTimeout(this.#timer);
          reject(refusalOf(response));
        },
      });
    });
  }

  #place(target: CallTarget, body: Body, handlers: Parameters<typeof callOut>[3]) {
    const call = this.#call;
    const from = transferee(call, this.#transferor).party;
    const isCaller = hasBegun(call, transferee(call, this.#transferor));
    return callOut(
      call,
      { ...target, shown: isCaller ? call.plan.shown : undefined },
      {
        local: this.#local,
        body,
        mayOfferEarly: false,
        from,
        headers: {
          ...call.headersFor(this.leg),
          'referred-by': `<${numberUri(this.#transferor.party.number, this.#local)}>`,
        },
        maxForwards: this.#plan.maxForwards,
      },
      handlers,
    );
  }

  join(): void {
    clearTimeout(this.#timer);
  }

  async leave(): Promise<void> {
    clearTimeout(this.#timer);
    this.#hunt?.cancel();
    this.#giveUp(new NotTransferred(487, 'the call is over'));
    if (this.#dialog?.state !== 'confirmed') return;
    this.#acknowledge();
    await this.#dialog.bye(this.#call.headersFor(this.leg));
  }
}

/** The decision for the target's own sake, by the side of the call on which it comes; that of the transferor leaves with it. */
function ofSide(decision: RecordingDecision, label: Label): RecordingDecision | undefined {
  if (!decision.record || decision.side !== 'destination') return undefined;
  return { ...decision, side: label === 'a' ? 'source' : 'destination' };
}
