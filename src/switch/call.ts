// One call: two legs joined back to back, from INVITE to BYE (RFC 3261; the ladder stands in grec(7)).
import { v7 as uuidv7 } from 'uuid';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { SipResponse } from '../sip/message.ts';
import type { Body, Dialog, ExtraHeaders, IncomingInvite } from '../sip/user-agent.ts';
import type { RecordingMetadata } from '../spool/segment.ts';
import { type CallMedia, directMedia, type Label } from './call-media.ts';
import {
  type CallContext,
  type CallPlan,
  type CallState,
  type CallTarget,
  directionOf,
  type Leg,
  newLeg,
  targetsOf,
} from './call-model.ts';
import { callOut } from './call-out.ts';
import { CallRecording } from './call-recording.ts';
import { Hunt } from './hunt.ts';
import { relayInDialog } from './in-dialog.ts';
import { watchParties } from './liveness.ts';
import { agentSide } from './recording-decision.ts';
import { failureStatus, phrase, statusForCaller } from './response-mapping.ts';
import { sdpOf, withSdp } from './sdp-body.ts';
import { sessionIdHeader } from './session-id.ts';

export type { CallContext, CallParty, CallPlan, CallState, CallTarget, Leg } from './call-model.ts';

const RINGING = { status: 180, reason: 'Ringing' };

export class Call {
  readonly id = uuidv7();
  recording: CallRecording | undefined;
  readonly legs: Record<Label, Leg>;
  plan: CallPlan;
  readonly startedAt = Date.now();
  readonly context: CallContext;
  readonly log: Logger;
  state: CallState = 'setup';
  media: CallMedia;
  /** Who has put the other on hold. */
  readonly held: Record<Label, boolean> = { a: false, b: false };

  /** The last description of each party that the other has accepted. */
  readonly described: Record<Label, Buffer | undefined> = { a: undefined, b: undefined };
  /** Settled when both parties have answered the BYE that ends the call, or will not. */
  farewell: Promise<unknown> = Promise.resolve();

  readonly #invite: IncomingInvite;
  #outgoing: Hunt<CallTarget> | undefined;
  #ringTimer: NodeJS.Timeout | undefined;
  /** Ends the watch over the parties of an answered call. */
  #endWatch: () => void = () => {};
  /** Responses of the callee are handled one after the other, though each may wait for the media server. */
  #queue: Promise<void> = Promise.resolve();
  /** The offer as the caller made it; undefined when the INVITE had none. */
  #offer: Buffer | undefined;
  #earlyAnswer: Buffer | undefined;
  /** Where each party's signalling is. */
  readonly #sources: Record<Label, string>;
  /** Why the media server was lost before it was known whether the call is recorded. */
  #loss: string | undefined;

  constructor(invite: IncomingInvite, plan: CallPlan, context: CallContext) {
    this.#invite = invite;
    this.plan = plan;
    this.context = context;
    this.log = context.log.child({ call: this.id });
    this.legs = { a: newLeg('a', this.id, plan.from), b: newLeg('b', this.id, plan.to) };
    this.recording = plan.decision.record ? this.#newRecording() : undefined;
    const tags = { a: this.legs.a.tag, b: this.legs.b.tag };
    this.#sources = { a: invite.flow.peer.address, b: plan.route.peer.address };
    const isAnchored = targetsOf(plan).some(({ decision }) => decision.record);
    this.media = isAnchored ? context.anchor(this.id, tags, this.#sources) : directMedia;
    this.#offer = sdpOf(invite.message);
    this.described.a = this.#offer;
  }

  /** Headers that every message of the call carries. */
  get headers(): ExtraHeaders {
    return { 'session-id': sessionIdHeader(this.plan.sessionId) };
  }

  /** Offers the call to the callee. */
  async begin(): Promise<void> {
    this.#journalBeginning();
    this.#invite.onCancel = () => this.release('a', 487, 'cancelled by the caller');
    const body = this.#offer === undefined ? undefined : withSdp(await this.#firstOffer(this.#offer));
    if (this.state === 'released') return;
    const { local } = this.#invite.flow;
    const { ring = 'in-order', ringTimeMs = 0 } = this.plan.hunt ?? {};
    this.#outgoing = new Hunt({
      targets: targetsOf(this.plan),
      ring,
      ringTimeMs,
      place: (target, handlers) => callOut(this, target, local, body, handlers),
      onProvisional: (response) => this.#enqueue(() => this.#onProvisional(response)),
      onAccepted: (target, response, dialog, ack) => {
        this.#choose(target);
        this.#onAccepted(response, dialog, ack);
      },
      onRejected: (response) => this.#onRejected(response),
    });
    this.#ringTimer = setTimeout(() => this.release('switch', 480, 'no answer'), this.context.ringTimeoutMs);
  }

  /** Ends the call on every leg that is still up, and its recording. Later calls of it do nothing. */
  release(by: Label | 'switch', status: number, reason: string): void {
    if (this.state === 'released') return;
    const answered = this.state === 'answered';
    this.state = 'released';
    clearTimeout(this.#ringTimer);
    this.#endWatch();
    this.farewell = Promise.all([this.#endCaller(status, reason), this.#endCallee()]);
    this.recording?.stop(reason);
    this.context.journal({ type: 'call.released', call: this.id, by, status, reason, answered });
    this.log.info({ by, status, reason }, 'call released');
    void this.#releaseMedia().finally(() => this.context.onReleased(this));
  }

  #journalBeginning(): void {
    const { plan, context, id } = this;
    const { from, to, sessionId, dialled, attached } = plan;
    const direction = directionOf(plan);
    context.journal({ type: 'call.created', call: id, sessionId, direction, from, to, dialled });
    if (attached !== undefined) context.journal({ type: 'data.attached', call: id, ...attached });
    this.log.info({ from: from.number, to: to.number, dialled }, 'call created');
    if (plan.hunt === undefined) this.#journalDecision();
  }

  #journalDecision(): void {
    const { record, side, dn, reason } = this.plan.decision;
    this.context.journal({ type: 'recording.decided', call: this.id, record, side, dn, reason });
    this.log.info({ record, reason }, 'recording decided');
  }

  /** One of several places has answered: who the callee is, and whether the call is recorded, is known from here on. */
  #choose({ to, route, decision }: CallTarget): void {
    if (this.plan.hunt === undefined) return;
    this.plan = { ...this.plan, to, route, decision };
    this.legs.b.party = to;
    this.#sources.b = route.peer.address;
    this.#journalDecision();
    if (!decision.record) return;
    this.recording = this.#newRecording();
    if (this.#loss !== undefined) this.recording.fail(this.#loss);
  }

  /** The offer for the callee. Without a media server the call is set up all the same, with direct media. */
  async #firstOffer(sdp: Buffer): Promise<Buffer> {
    try {
      return await this.media.offer('a', sdp);
    } catch (thrown) {
      await this.#goDirect(thrown);
      return sdp;
    }
  }

  async #goDirect(thrown: unknown): Promise<void> {
    this.#loss = messageOf(thrown);
    this.recording?.fail(this.#loss);
    const anchored = this.media;
    this.media = directMedia;
    // What the media server may hold already is of no use; when it does not answer there is nothing to free.
    void anchored.release().catch(() => undefined);
  }

  #enqueue(step: () => Promise<void>): void {
    this.#queue = this.#queue.then(step).catch((thrown: unknown) => {
      this.log.error({ err: thrown }, 'call set-up failed');
      this.release('switch', 500, 'internal error');
    });
  }

  async #onProvisional(response: SipResponse): Promise<void> {
    if (response.status === 100 || this.state === 'released' || this.state === 'answered') return;
    const sdp = sdpOf(response);
    const isHunting = this.plan.hunt !== undefined;
    // Early media of a call without offer would need an answer in PRACK, and of several places only one may answer the
    // offer (RFC 3261 section 13.2.1): only the ringing is passed on.
    const isAnswer = sdp !== undefined && this.#offer !== undefined && !isHunting;
    if (isAnswer) this.#earlyAnswer = await this.#answerOf(sdp);
    if (this.state !== 'setup' && this.state !== 'ringing') return;
    if (this.state === 'setup') this.context.journal({ type: 'call.ringing', call: this.id });
    this.state = 'ringing';
    const body = isAnswer && this.#earlyAnswer !== undefined ? withSdp(this.#earlyAnswer) : undefined;
    const { status, reason } = isHunting ? RINGING : response;
    this.#invite.respond(status, { reason, headers: this.headers, body });
  }

  #onAccepted(response: SipResponse, dialog: Dialog, ack: (body?: Body) => void): void {
    clearTimeout(this.#ringTimer);
    this.legs.b.dialog = dialog;
    dialog.onEnd = ({ by }) =>
      this.release('b', 200, by === 'timeout' ? 'the callee is gone' : 'hung up by the callee');
    this.#enqueue(async () => {
      const sdp = sdpOf(response);
      if (this.#offer === undefined && sdp !== undefined) await this.#answerWithOffer(sdp, ack);
      else await this.#answerWithAnswer(sdp, ack);
    });
  }

  /** The usual case: INVITE carried the offer, the callee's 200 the answer. */
  async #answerWithAnswer(sdp: Buffer | undefined, ack: (body?: Body) => void): Promise<void> {
    const isUsable = sdp !== undefined && this.#offer !== undefined;
    const answer = isUsable ? await this.#answerOf(sdp, this.#wanted?.metadata) : this.#earlyAnswer;
    ack();
    if (this.#isOver()) return;
    this.#acceptCaller(answer);
    // The capture runs since the answer; that it is on the disk must not hold up the call.
    void this.#wanted?.start(this.media);
  }

  /** The INVITE carried no offer: the callee's 200 does, and the caller's ACK brings the answer (RFC 3261 13.2.1). */
  async #answerWithOffer(sdp: Buffer, ack: (body?: Body) => void): Promise<void> {
    const offer = await this.media.offer('b', sdp).catch(async (thrown: unknown) => {
      await this.#goDirect(thrown);
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
        return this.release('switch', 488, 'the caller gave no answer');
      }
      this.#enqueue(() => this.#takeLateAnswer(answer, sdp, ack));
    };
  }

  /** The caller's answer to the callee's offer `offered`. */
  async #takeLateAnswer(answer: Buffer, offered: Buffer, ack: (body?: Body) => void): Promise<void> {
    Object.assign(this.described, { a: answer, b: offered });
    try {
      ack(withSdp(await this.media.answer('a', answer, this.#wanted?.metadata)));
    } catch (thrown) {
      await this.#goDirect(thrown);
      ack(withSdp(answer));
      if (!this.#isOver()) await this.#offerAgain('a', offered);
      return;
    }
    void this.#wanted?.start(this.media);
  }

  async #answerOf(sdp: Buffer, recording?: RecordingMetadata): Promise<Buffer> {
    this.described.b = sdp;
    try {
      return await this.media.answer('b', sdp, recording);
    } catch (thrown) {
      await this.#goDirect(thrown);
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
    const result = await this.legs[to].dialog?.reinvite({ headers: this.headers, body: withSdp(sdp) });
    if (result !== undefined && result.response.status < 300) result.ack();
  }

  #acceptCaller(sdp: Buffer | undefined): Dialog {
    const dialog = this.#invite.accept({ headers: this.headers, body: sdp && withSdp(sdp) });
    this.legs.a.dialog = dialog;
    dialog.onEnd = ({ by }) =>
      this.release('a', 200, by === 'timeout' ? 'the caller is gone' : 'hung up by the caller');
    this.state = 'answered';
    const to = this.plan.hunt && this.plan.to;
    this.context.journal({ type: 'call.answered', call: this.id, to });
    this.log.info('call answered');
    relayInDialog(this);
    this.#endWatch = watchParties(this, this.context.probeMs);
    return dialog;
  }

  #onRejected(response: SipResponse): void {
    this.#enqueue(async () => {
      const { status, reason } = statusForCaller(response);
      this.release('b', status, reason);
    });
  }

  /** The recording, as long as the media runs where it can be recorded. */
  get #wanted(): CallRecording | undefined {
    return this.media.anchored ? this.recording : undefined;
  }

  #newRecording(): CallRecording {
    const { id, legs, plan, log } = this;
    const agent: Label = agentSide(plan) === 'source' ? 'a' : 'b';
    const { journal } = this.context;
    return new CallRecording({
      id: uuidv7(),
      call: id,
      sessionId: plan.sessionId,
      legs,
      agent,
      journal,
      log,
    });
  }

  /** True when the call ended while the media server was asked. */
  #isOver(): boolean {
    return this.state === 'released';
  }

  async #endCaller(status: number, reason: string): Promise<void> {
    const { dialog } = this.legs.a;
    if (dialog?.state === 'confirmed') await dialog.bye(this.headers);
    // After CANCEL the 487 has been sent.
    if (dialog !== undefined || status === 487) return;
    this.#invite.respond(failureStatus(status), { reason: phrase(reason), headers: this.headers });
  }

  async #endCallee(): Promise<void> {
    const { dialog } = this.legs.b;
    if (dialog === undefined) this.#outgoing?.cancel();
    else if (dialog.state === 'confirmed') await dialog.bye(this.headers);
  }

  async #releaseMedia(): Promise<void> {
    try {
      await this.media.release();
    } catch (thrown) {
      this.log.warn(`the media server did not release the call: ${messageOf(thrown)}`);
    }
  }
}
