// A call on its way from INVITE to answer: who is asked, what the caller hears of it, and how it comes to media (RFC 3261 section 13).
import { messageOf } from '../errors.ts';
import type { SipResponse } from '../sip/message.ts';
import type { Body, Dialog, IncomingInvite } from '../sip/user-agent.ts';
import type { RecordingMetadata } from '../spool/segment.ts';
import type { Call } from './call.ts';
import { directMedia } from './call-media.ts';
import { type CallTarget, targetsOf } from './call-model.ts';
import { callOut } from './call-out.ts';
import { Hunt } from './hunt.ts';
import type { Label } from './leg.ts';
import { failureStatus, phrase, statusForCaller } from './response-mapping.ts';
import { sdpOf } from './sdp-body.ts';

type Ack = (body?: Body) => void;

const RINGING = { status: 180, reason: 'Ringing' };

export class CallSetup {
  readonly #call: Call;
  readonly #invite: IncomingInvite;
  #outgoing: Hunt<CallTarget> | undefined;
  #ringTimer: NodeJS.Timeout | undefined;
  /** Responses of the callee are handled one after the other, though each may wait for the media server. */
  #queue: Promise<void> = Promise.resolve();
  /** The offer as the caller made it; undefined when the INVITE had none. */
  readonly #offer: Buffer | undefined;
  #earlyAnswer: Buffer | undefined;
  /** Why the media server was lost before it was known whether the call is recorded. */
  #loss: string | undefined;

  constructor(call: Call, invite: IncomingInvite) {
    this.#call = call;
    this.#invite = invite;
    this.#offer = sdpOf(invite.message);
    call.legs.a.described = this.#offer;
  }

  /** Offers the call to the callee. */
  async begin(): Promise<void> {
    const call = this.#call;
    this.#invite.onCancel = () => call.release('a', 487, 'cancelled by the caller');
    const offer = this.#offer && (await this.#firstOffer(this.#offer));
    if (call.state === 'released') return;
    const body = offer && call.legs.b.tell(offer);
    const { local } = this.#invite.flow;
    const { ring = 'in-order', ringTimeMs = 0 } = call.plan.hunt ?? {};
    this.#outgoing = new Hunt({
      targets: targetsOf(call.plan),
      ring,
      ringTimeMs,
      place: (target, handlers) => callOut(call, target, local, body, handlers),
      onProvisional: (response) => this.#enqueue(() => this.#onProvisional(response)),
      onAccepted: (target, response, dialog, ack) => {
        this.#choose(target);
        this.#onAccepted(response, dialog, ack);
      },
      onRejected: (response) => this.#onRejected(response),
    });
    this.#ringTimer = setTimeout(() => call.release('switch', 480, 'no answer'), call.context.ringTimeoutMs);
  }

  /** The call ends before it is answered: the caller is told, whoever is asked is asked no more. */
  end(status: number, reason: string): void {
    clearTimeout(this.#ringTimer);
    const { legs, headers } = this.#call;
    if (legs.b.dialog === undefined) this.#outgoing?.cancel();
    // After CANCEL the 487 has been sent.
    if (legs.a.dialog !== undefined || status === 487) return;
    this.#invite.respond(failureStatus(status), { reason: phrase(reason), headers });
  }

  /** One of several places has answered: who the callee is, and whether the call is recorded, is known from here on. */
  #choose(target: CallTarget): void {
    if (this.#call.plan.hunt === undefined) return;
    this.#call.choose(target);
    if (this.#loss !== undefined) this.#call.recording?.fail(this.#loss);
  }

  /** The offer for the callee. Without a media server the call is set up all the same, with direct media. */
  async #firstOffer(sdp: Buffer): Promise<Buffer> {
    try {
      return await this.#call.media.offer('a', sdp);
    } catch (thrown) {
      this.#loseMedia(thrown);
      return sdp;
    }
  }

  #loseMedia(thrown: unknown): void {
    this.#loss = messageOf(thrown);
    this.#call.recording?.fail(this.#loss);
    const anchored = this.#call.media;
    this.#call.media = directMedia;
    // What the media server may hold already is of no use; when it does not answer there is nothing to free.
    void anchored.release().catch(() => undefined);
  }

  #enqueue(step: () => Promise<void>): void {
    this.#queue = this.#queue.then(step).catch((thrown: unknown) => {
      this.#call.log.error({ err: thrown }, 'call set-up failed');
      this.#call.release('switch', 500, 'internal error');
    });
  }

  async #onProvisional(response: SipResponse): Promise<void> {
    const call = this.#call;
    if (response.status === 100 || !this.#isOffered()) return;
    const sdp = sdpOf(response);
    const isHunting = call.plan.hunt !== undefined;
    // Early media of a call without offer would need an answer in PRACK, and of several places only one may answer the
    // offer (RFC 3261 section 13.2.1): only the ringing is passed on.
    const isAnswer = sdp !== undefined && this.#offer !== undefined && !isHunting;
    if (isAnswer) this.#earlyAnswer = await this.#answerOf(sdp);
    if (!this.#isOffered()) return;
    if (call.state === 'setup') call.context.journal({ type: 'call.ringing', call: call.id });
    call.state = 'ringing';
    const body =
      isAnswer && this.#earlyAnswer !== undefined ? call.legs.a.tell(this.#earlyAnswer) : undefined;
    const { status, reason } = isHunting ? RINGING : response;
    this.#invite.respond(status, { reason, headers: call.headers, body });
  }

  #onAccepted(response: SipResponse, dialog: Dialog, ack: Ack): void {
    clearTimeout(this.#ringTimer);
    this.#call.join('b', dialog);
    this.#enqueue(async () => {
      const sdp = sdpOf(response);
      if (this.#offer === undefined && sdp !== undefined) await this.#answerWithOffer(sdp, ack);
      else await this.#answerWithAnswer(sdp, ack);
    });
  }

  /** The usual case: INVITE carried the offer, the callee's 200 the answer. */
  async #answerWithAnswer(sdp: Buffer | undefined, ack: Ack): Promise<void> {
    const isUsable = sdp !== undefined && this.#offer !== undefined;
    const answer = isUsable ? await this.#answerOf(sdp, this.#call.wanted?.metadata) : this.#earlyAnswer;
    ack();
    if (this.#isOver()) return;
    this.#acceptCaller(answer);
    this.#call.onAnswered();
  }

  /** The INVITE carried no offer: the callee's 200 does, and the caller's ACK brings the answer (RFC 3261 13.2.1). */
  async #answerWithOffer(sdp: Buffer, ack: Ack): Promise<void> {
    const offer = await this.#call.media.offer('b', sdp).catch((thrown: unknown) => {
      this.#loseMedia(thrown);
      return sdp;
    });
    if (this.#isOver()) return ack();
    const dialog = this.#acceptCaller(offer);
    dialog.onAck = (message) => {
      // Later ACKs are those of re-INVITEs, which bring no answer.
      dialog.onAck = undefined;
      const answer = sdpOf(message);
      if (answer === undefined) {
        ack();
        return this.#call.release('switch', 488, 'the caller gave no answer');
      }
      this.#enqueue(() => this.#takeLateAnswer(answer, sdp, ack));
    };
  }

  /** The caller's answer to the callee's offer `offered`. */
  async #takeLateAnswer(answer: Buffer, offered: Buffer, ack: Ack): Promise<void> {
    const { legs, media, wanted } = this.#call;
    legs.a.described = answer;
    legs.b.described = offered;
    try {
      ack(legs.b.tell(await media.answer('a', answer, wanted?.metadata)));
    } catch (thrown) {
      this.#loseMedia(thrown);
      ack(legs.b.tell(answer));
      if (!this.#isOver()) await this.#offerAgain('a', offered);
      return;
    }
    this.#call.onAnswered();
  }

  async #answerOf(sdp: Buffer, recording?: RecordingMetadata): Promise<Buffer> {
    this.#call.legs.b.described = sdp;
    try {
      return await this.#call.media.answer('b', sdp, recording);
    } catch (thrown) {
      this.#loseMedia(thrown);
      this.#redirectCallee();
      return sdp;
    }
  }

  /** The callee was offered the media server, which has gone since: it is offered the caller itself. */
  #redirectCallee(): void {
    const offer = this.#offer;
    if (offer === undefined) return;
    this.#enqueue(() => this.#offerAgain('b', offer));
  }

  async #offerAgain(to: Label, sdp: Buffer): Promise<void> {
    const { legs, headers } = this.#call;
    const result = await legs[to].dialog?.reinvite({ headers, body: legs[to].tell(sdp) });
    if (result !== undefined && result.response.status < 300) result.ack();
  }

  #acceptCaller(sdp: Buffer | undefined): Dialog {
    const call = this.#call;
    const dialog = this.#invite.accept({ headers: call.headers, body: sdp && call.legs.a.tell(sdp) });
    call.join('a', dialog);
    call.answer();
    return dialog;
  }

  #onRejected(response: SipResponse): void {
    this.#enqueue(async () => {
      const { status, reason } = statusForCaller(response);
      this.#call.release('b', status, reason);
    });
  }

  #isOffered(): boolean {
    return this.#call.state === 'setup' || this.#call.state === 'ringing';
  }

  /** True when the call ended while the media server was asked. */
  #isOver(): boolean {
    return this.#call.state === 'released';
  }
}
