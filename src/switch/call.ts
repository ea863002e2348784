// One call: two legs joined back to back, from INVITE to BYE (RFC 3261; the ladder stands in grec(7)).
import { isIPv6 } from 'node:net';
import { v7 as uuidv7 } from 'uuid';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Dialog, ExtraHeaders, IncomingInvite } from '../sip/user-agent.ts';
import { type CallMedia, directMedia } from './call-media.ts';
import {
  type CallContext,
  type CallPlan,
  type CallState,
  type CallTarget,
  directionOf,
  targetsOf,
} from './call-model.ts';
import { CallRecording } from './call-recording.ts';
import { CallSetup } from './call-setup.ts';
import { Exchange } from './exchange.ts';
import { relayInDialog } from './in-dialog.ts';
import { type Label, Leg } from './leg.ts';
import { watchParties } from './liveness.ts';
import { agentSide } from './recording-decision.ts';
import { setDirect } from './recording-requests.ts';
import { sessionIdHeader } from './session-id.ts';

export type { CallContext, CallParty, CallPlan, CallState, CallTarget } from './call-model.ts';

const GONE: Record<Label, [left: string, lost: string]> = {
  a: ['hung up by the caller', 'the caller is gone'],
  b: ['hung up by the callee', 'the callee is gone'],
};

export class Call {
  readonly id = uuidv7();
  readonly startedAt = Date.now();
  readonly context: CallContext;
  readonly log: Logger;
  readonly legs: Record<Label, Leg>;
  /** Every offer and answer of the answered call. */
  readonly exchange = new Exchange();
  /** What is asked of its recording, one after the other. */
  readonly requests = new Exchange();
  plan: CallPlan;
  state: CallState = 'setup';
  media: CallMedia;
  recording: CallRecording | undefined;
  /** Settled when both parties have answered the BYE that ends the call, or will not. */
  farewell: Promise<unknown> = Promise.resolve();
  /** What media servers still hold of the call besides `media`. */
  readonly leftBehind: CallMedia[] = [];
  readonly #setup: CallSetup;
  /** Ends the watch over the parties of an answered call. */
  #endWatch: () => void = () => {};

  constructor(invite: IncomingInvite, plan: CallPlan, context: CallContext) {
    this.plan = plan;
    this.context = context;
    this.log = context.log.child({ call: this.id });
    this.legs = {
      a: this.#newLeg('a', plan.from, invite.flow.peer.address),
      b: this.#newLeg('b', plan.to, plan.route.peer.address),
    };
    this.recording = plan.decision.record ? this.newRecording() : undefined;
    const isV6 = isIPv6(invite.flow.peer.address);
    // Parties that speak different versions of IP hear each other through the media server alone.
    const isAnchored = targetsOf(plan).some(
      ({ decision, route }) => decision.record || isIPv6(route.peer.address) !== isV6,
    );
    this.media = isAnchored ? context.anchor(this.id, this.legs) : directMedia;
    this.#setup = new CallSetup(this, invite);
  }

  #newLeg(label: Label, party: CallPlan['from'], source: string): Leg {
    return new Leg({ label, tag: `${this.id}-${label}`, party, source });
  }

  /** Headers that every message of the call carries. */
  get headers(): ExtraHeaders {
    return { 'session-id': sessionIdHeader(this.plan.sessionId) };
  }

  /** The recording, as long as the media runs where it can be recorded. */
  get wanted(): CallRecording | undefined {
    return this.media.anchored ? this.recording : undefined;
  }

  /** Offers the call to the callee. */
  async begin(): Promise<void> {
    const { plan, context, id } = this;
    const { from, to, sessionId, dialled, attached } = plan;
    const direction = directionOf(plan);
    context.journal({ type: 'call.created', call: id, sessionId, direction, from, to, dialled });
    if (attached !== undefined) context.journal({ type: 'data.attached', call: id, ...attached });
    this.log.info({ from: from.number, to: to.number, dialled }, 'call created');
    if (plan.hunt === undefined) this.#journalDecision();
    await this.#setup.begin();
  }

  #journalDecision(): void {
    const { record, side, dn, reason } = this.plan.decision;
    this.context.journal({ type: 'recording.decided', call: this.id, record, side, dn, reason });
    this.log.info({ record, reason }, 'recording decided');
  }

  /** One of several places has answered. */
  choose({ to, route, decision }: CallTarget): void {
    this.plan = { ...this.plan, to, route, decision };
    this.legs.b.party = to;
    this.legs.b.source = route.peer.address;
    this.#journalDecision();
    if (decision.record) this.recording = this.newRecording();
  }

  /** A leg has its dialog. */
  join(label: Label, dialog: Dialog): void {
    const [left, lost] = GONE[label];
    this.legs[label].dialog = dialog;
    dialog.onEnd = ({ by }) => this.release(label, 200, by === 'timeout' ? lost : left);
  }

  /** The caller has been told that the call is answered. */
  answer(): void {
    this.state = 'answered';
    const to = this.plan.hunt && this.plan.to;
    this.context.journal({ type: 'call.answered', call: this.id, to });
    this.log.info('call answered');
    relayInDialog(this);
    this.#endWatch = watchParties(this, this.context.probeMs);
  }

  /** Offer and answer are through. */
  onAnswered(): void {
    // The capture runs since the answer; that it is on the disk must not hold up the call.
    if (this.wanted !== undefined) void this.wanted.start(this.media);
    // It was anchored for the sake of another place, which did not answer.
    else if (this.media.anchored && this.recording === undefined) void setDirect(this);
  }

  /** Ends the call on every leg that is still up, and its recording. Later calls of it do nothing. */
  release(by: Label | 'switch', status: number, reason: string): void {
    if (this.state === 'released') return;
    const answered = this.state === 'answered';
    this.state = 'released';
    this.#endWatch();
    this.#setup.end(status, reason);
    this.farewell = Promise.all([this.#hangUp('a'), this.#hangUp('b')]);
    this.recording?.stop(reason);
    this.context.journal({ type: 'call.released', call: this.id, by, status, reason, answered });
    this.log.info({ by, status, reason }, 'call released');
    const held = [this.media, ...this.leftBehind.splice(0)];
    void Promise.all(held.map((media) => this.#releaseMedia(media))).finally(() =>
      this.context.onReleased(this),
    );
  }

  async #hangUp(label: Label): Promise<void> {
    const { dialog } = this.legs[label];
    if (dialog?.state === 'confirmed') await dialog.bye(this.headers);
  }

  async #releaseMedia(media: CallMedia): Promise<void> {
    try {
      await media.release();
    } catch (thrown) {
      this.log.warn(`the media server did not release the call: ${messageOf(thrown)}`);
    }
  }

  /** A recording of this call that has not begun. @param agent whose party is the agent; as decided when left out */
  newRecording(agent: Label = agentSide(this.plan) === 'source' ? 'a' : 'b'): CallRecording {
    const { id, legs, plan, log, context } = this;
    const { sessionId } = plan;
    return new CallRecording({
      id: uuidv7(),
      call: id,
      sessionId,
      legs,
      agent,
      journal: context.journal,
      log,
    });
  }
}
