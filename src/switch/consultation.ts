// The target of an attended transfer: the other party of a consultation call, whose place in it is given up (RFC 5589 section 7).
import { messageOf } from '../errors.ts';
import type { Replaces } from '../sip/replaces.ts';
import type { Call } from './call.ts';
import { joinConversation } from './conversation.ts';
import { type Label, type Leg, otherLabel } from './leg.ts';
import type { RecordingDecision } from './recording-decision.ts';
import { sdpOf } from './sdp-body.ts';
import { NotTransferred, newLegFor, refusalOf, type TransferTarget } from './transfer-model.ts';

/** A call, and the leg of it that a Replaces names. */
export interface Consultation {
  call: Call;
  label: Label;
}

/** The consultation call that a transferor names: one of its own, and not the call that it transfers. */
export function findConsultation(call: Call, transferor: Leg, replaces: Replaces): Consultation | undefined {
  const { callId, toTag, fromTag } = replaces;
  const dialog = call.context.userAgent.findDialog(callId, toTag, fromTag);
  const found = dialog && call.context.callOf?.(dialog);
  if (found === undefined || found.call === call) return undefined;
  const { party } = found.call.legs[found.label];
  const isOwn = party.dn === transferor.party.dn && party.trunk === transferor.party.trunk;
  return isOwn ? found : undefined;
}

export class ConsultedTarget implements TransferTarget {
  readonly how = 'attended';
  readonly leg: Leg;
  readonly isRecorded: boolean;
  readonly isMandatory: boolean;
  readonly decision: RecordingDecision | undefined;
  readonly consultation: string;
  readonly #call: Call;
  readonly #consultation: Call;
  /** The target, as the consultation call knows it, and the transferor there. */
  readonly #target: Leg;
  readonly #transferor: Leg;
  /** The target has been told of who is transferred. */
  #hasMoved = false;
  #finish: () => void = () => {};

  constructor(call: Call, transferor: Leg, { call: consultation, label }: Consultation) {
    this.#consultation = consultation;
    this.consultation = consultation.id;
    this.#target = consultation.legs[otherLabel(label)];
    this.#transferor = consultation.legs[label];
    const { party, source } = this.#target;
    this.leg = newLegFor(call, transferor, party, source, this.#target);
    this.decision = call.context.decide?.(party, this.leg.label);
    this.isRecorded = this.decision !== undefined;
    this.isMandatory = this.decision?.mandatory === true;
    this.#call = call;
  }

  /** The consultation call waits until it is known what becomes of it. */
  ask(offer: Buffer): Promise<{ answer: Buffer; acknowledge(): void }> {
    return new Promise((resolve, reject) => {
      void this.#consultation.exchange.run(async () => {
        const finished = new Promise<void>((done) => {
          this.#finish = done;
        });
        try {
          resolve(await this.#reinvite(offer));
        } catch (thrown) {
          return reject(thrown);
        }
        await finished;
      });
    });
  }

  async #reinvite(offer: Buffer): Promise<{ answer: Buffer; acknowledge(): void }> {
    const { dialog } = this.leg;
    if (dialog === undefined || this.#consultation.state !== 'answered')
      throw new NotTransferred(481, 'the consultation call is over');
    const headers = this.#call.headersFor(this.leg);
    const { response, ack } = await dialog.reinvite({ headers, body: this.leg.tell(offer) });
    if (response.status >= 300) throw refusalOf(response);
    ack();
    this.#hasMoved = true;
    const answer = sdpOf(response);
    if (answer === undefined) throw new NotTransferred(488, 'the target described no media');
    return { answer, acknowledge: () => {} };
  }

  /** The consultation call ends, and its target goes on in the other one. */
  join(): void {
    const consultation = this.#consultation;
    this.#finish();
    // Its dialog is another call's now: the end of this one is not its end.
    this.#target.dialog = undefined;
    joinConversation(consultation, this.#call.plan.sessionId);
    consultation.release('switch', 200, 'transferred');
  }

  /** The target goes on speaking with the transferor. */
  async leave(): Promise<void> {
    if (this.#hasMoved && this.#consultation.state === 'answered') await this.#comeBack();
    this.#finish();
  }

  async #comeBack(): Promise<void> {
    const { media, log } = this.#consultation;
    const { dialog } = this.#target;
    const before = this.#transferor.described;
    if (dialog === undefined || before === undefined) return;
    // It was told of the other conversation.
    this.#target.hasMoved = true;
    try {
      const offer = await media.offer(this.#transferor.label, before);
      const headers = this.#consultation.headersTo(this.#target.label);
      const { response, ack } = await dialog.reinvite({ headers, body: this.#target.tell(offer) });
      if (response.status >= 300) throw refusalOf(response);
      ack();
      const answer = sdpOf(response);
      if (answer !== undefined) await media.answer(this.#target.label, answer);
    } catch (thrown) {
      log.error(`the target did not come back to the consultation: ${messageOf(thrown)}`);
    }
  }
}
