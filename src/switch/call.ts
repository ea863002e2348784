// One call: two legs joined back to back, from INVITE to BYE (RFC 3261; the ladder stands in grec(7)).
import { v7 as uuidv7 } from 'uuid';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { SipResponse } from '../sip/message.ts';
import type {
  Body,
  Dialog,
  ExtraHeaders,
  IncomingInvite,
  OutgoingInvite,
  UserAgent,
} from '../sip/user-agent.ts';
import type { EventBody } from '../spool/events.ts';
import type { RecordingMetadata } from '../spool/segment.ts';
import { type CallMedia, directMedia, type Label } from './call-media.ts';
import { CallRecording } from './call-recording.ts';
import { relayInDialog } from './in-dialog.ts';
import { watchParties } from './liveness.ts';
import type { RecordingDecision } from './recording-decision.ts';
import { statusForCaller } from './response-mapping.ts';
import type { Route } from './route.ts';
import { numberUri } from './route.ts';
import { sdpOf, withSdp } from './sdp-body.ts';
import { sessionIdHeader } from './session-id.ts';

/** A party of a call, as addresses and the DN table tell it. */
export interface CallParty {
  number: string;
  uri: string;
  name: string | undefined;
  dn: string | undefined;
  trunk: string | undefined;
}

/** One side of a call. `tag` names it in the ng protocol. */
export interface Leg {
  readonly label: Label;
  readonly tag: string;
  readonly party: CallParty;
  dialog: Dialog | undefined;
}

export interface CallContext {
  userAgent: UserAgent;
  log: Logger;
  journal(event: EventBody): void;
  /** Media through the media server, for a call that is recorded. */
  anchor(call: string, tags: Record<Label, string>, sources: Record<Label, string>): CallMedia;
  /** Milliseconds until an unanswered call is given up. */
  ringTimeoutMs: number;
  /** Milliseconds between two looks at whether the parties of an answered call are still there. */
  probeMs: number;
  onReleased(call: Call): void;
}

export interface CallPlan {
  sessionId: string;
  from: CallParty;
  to: CallParty;
  route: Exclude<Route, { kind: 'refused' }>;
  decision: RecordingDecision;
  maxForwards: number;
}

export type CallState = 'setup' | 'ringing' | 'answered' | 'released';

export class Call {
  readonly id = uuidv7();
  readonly recording: CallRecording | undefined;
  readonly legs: Record<Label, Leg>;
  readonly plan: CallPlan;
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
  #outgoing: OutgoingInvite | undefined;
  #ringTimer: NodeJS.Timeout | undefined;
  /** Responses of the callee are handled one after the other, though each may wait for the media server. */
  #queue: Promise<void> = Promise.resolve();
  /** The offer as the caller made it; undefined when the INVITE had none. */
  #offer: Buffer | undefined;
  #earlyAnswer: Buffer | undefined;

  constructor(invite: IncomingInvite, plan: CallPlan, context: CallContext) {
    this.#invite = invite;
    this.plan = plan;
    this.context = context;
    this.log = context.log.child({ call: this.id });
    this.legs = { a: newLeg('a', this.id, plan.from), b: newLeg('b', this.id, plan.to) };
    this.recording = plan.decision.record ? this.#newRecording() : undefined;
    const tags = { a: this.legs.a.tag, b: this.legs.b.tag };
    const sources = { a: invite.flow.peer.address, b: plan.route.peer.address };
    this.media = this.recording === undefined ? directMedia : context.anchor(this.id, tags, sources);
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
    const { route, from, to, maxForwards } = this.plan;
    const at = this.#invite.flow.local;
    this.#outgoing = this.context.userAgent.invite({
      uri: route.uri,
      peer: route.peer,
      flow: route.flow,
      from: { uri: numberUri(from.number, at), name: from.name },
      to: { uri: numberUri(to.number, route.kind === 'trunk' ? route.peer : at), name: undefined },
      headers: { ...this.headers, 'max-forwards': String(maxForwards) },
      body,
      onProvisional: (response) => this.#enqueue(() => this.#onProvisional(response)),
      onAccepted: (response, dialog, ack) => this.#onAccepted(response, dialog, ack),
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
    this.farewell = Promise.all([this.#endCaller(status, reason), this.#endCallee()]);
    this.recording?.stop(reason);
    this.context.journal({ type: 'call.released', call: this.id, by, status, reason, answered });
    this.log.info({ by, status, reason }, 'call released');
    void this.#releaseMedia().finally(() => this.context.onReleased(this));
  }

  #journalBeginning(): void {
    const { plan, context, id } = this;
    const { from, to, sessionId, decision } = plan;
    const direction = directionOf(plan);
    context.journal({ type: 'call.created', call: id, sessionId, direction, from, to });
    const { record, side, dn, reason } = decision;
    context.journal({ type: 'recording.decided', call: id, record, side, dn, reason });
    this.log.info({ from: from.number, to: to.number, record, reason }, 'call created');
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
    this.recording?.fail(messageOf(thrown));
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
    // Early media of a call without offer would need an answer in PRACK: only the ringing is passed on.
    const isAnswer = sdp !== undefined && this.#offer !== undefined;
    if (isAnswer) this.#earlyAnswer = await this.#answerOf(sdp);
    if (this.state !== 'setup' && this.state !== 'ringing') return;
    if (this.state === 'setup') this.context.journal({ type: 'call.ringing', call: this.id });
    this.state = 'ringing';
    const body = isAnswer && this.#earlyAnswer !== undefined ? withSdp(this.#earlyAnswer) : undefined;
    this.#invite.respond(response.status, { reason: response.reason, headers: this.headers, body });
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
    this.context.journal({ type: 'call.answered', call: this.id });
    this.log.info('call answered');
    relayInDialog(this);
    watchParties(this, this.context.probeMs);
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
    const agent: Label = plan.decision.side === 'source' ? 'a' : 'b';
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

function newLeg(label: Label, call: string, party: CallParty): Leg {
  return { label, tag: `${call}-${label}`, party, dialog: undefined };
}

function directionOf({ from, to }: CallPlan): 'internal' | 'inbound' | 'outbound' {
  if (from.trunk !== undefined) return 'inbound';
  return to.trunk === undefined ? 'internal' : 'outbound';
}

/** A call that ends before its answer ends with a failure: a BYE that overtook the answer counts as one. */
function failureStatus(status: number): number {
  return status >= 300 ? status : 480;
}

function phrase(reason: string): string {
  return reason.replaceAll(/[^\x20-\x7e]/g, ' ');
}
