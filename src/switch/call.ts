// One call: two legs joined back to back, from INVITE to BYE (RFC 3261; the ladder stands in grec(7)).
import { v7 as uuidv7 } from 'uuid';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Dialog, ExtraHeaders, IncomingInvite, Peer } from '../sip/user-agent.ts';
import type { EventBody } from '../spool/events.ts';
import { isAnchoredFirst } from './anchored-first.ts';
import { createdEvent, decidedEvent } from './call-events.ts';
import { type CallMedia, directMedia } from './call-media.ts';
import {
  type CallContext,
  type CallPlan,
  type CallState,
  type CallTarget,
  type Legs,
  targetsOf,
  UNRECORDED,
} from './call-model.ts';
import { CallRecording } from './call-recording.ts';
import { CallSetup } from './call-setup.ts';
import { Exchange } from './exchange.ts';
import { isOneParty } from './hunt-plan.ts';
import { relayInDialog } from './in-dialog.ts';
import { type Label, Leg, otherLabel, tagOf } from './leg.ts';
import { watchParties } from './liveness.ts';
import { agentSide, type RecordingDecision } from './recording-decision.ts';
import { recordLate, setDirectInTurn } from './recording-requests.ts';
import { termsOf } from './recording-terms.ts';
import { newUuid, sessionIdHeader } from './session-id.ts';
import { strictest, warnOfKeysInClear } from './srtp-policy.ts';
import type { StoredCall } from './stored-call.ts';

export type { CallContext, CallParty, CallPlan, CallState, CallTarget } from './call-model.ts';

const GONE: Record<Label, [left: string, lost: string]> = {
  a: ['hung up by the caller', 'the caller is gone'],
  b: ['hung up by the callee', 'the callee is gone'],
};

/** Nothing of this party concerns its call any more. */
export function detach({ dialog }: Leg): void {
  if (dialog === undefined) return;
  dialog.onEnd = undefined;
  dialog.onReinvite = undefined;
  dialog.onUpdate = undefined;
  dialog.onRequest = undefined;
  dialog.onAck = undefined;
}

export class Call {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly context: CallContext;
  readonly log: Logger;
  /** Exchanged as a whole when a party leaves for another one: what is over still knows its own. */
  legs: Legs;
  /** Every offer and answer of the answered call. */
  readonly exchange = new Exchange(() => this.#keep());
  /** What is asked of its recording, one after the other. */
  readonly requests = new Exchange(() => this.#keep());
  plan: CallPlan;
  state: CallState = 'setup';
  media: CallMedia;
  recording: CallRecording | undefined;
  /** Settled when both parties have answered the BYE that ends the call, or will not. */
  farewell: Promise<unknown> = Promise.resolve();
  /** A party is being transferred. */
  transfer: { end(): void } | undefined;
  /** What media servers still hold of the call besides `media`. */
  readonly leftBehind: CallMedia[] = [];
  /** Our own address at which it came. */
  readonly local: Peer;
  /** Until it is answered: a call outlives its set-up by far. */
  #setup: CallSetup | undefined;
  /** Ends the watch over the parties of an answered call. */
  #endWatch: (() => void) | undefined;

  /** A new call for `invite`, or `stored`, one of an earlier life. */
  constructor(
    from: { invite: IncomingInvite; plan: CallPlan } | { stored: StoredCall },
    context: CallContext,
  ) {
    const stored = 'stored' in from ? from.stored : undefined;
    this.id = stored?.id ?? uuidv7();
    this.startedAt = stored?.startedAt ?? Date.now();
    this.local = 'invite' in from ? from.invite.flow.local : from.stored.local;
    this.plan = 'plan' in from ? from.plan : from.stored.plan;
    this.context = context;
    this.log = context.log.child({ call: this.id });
    if ('invite' in from) {
      const { plan, invite } = from;
      this.legs = {
        a: this.#newLeg('a', plan.from, invite.flow.peer.address),
        b: this.#newLeg('b', plan.to, plan.route.peer.address),
      };
      this.legs.a.uuid = plan.sessionId;
      this.recording = plan.decision.record ? this.newRecording() : undefined;
      this.legs.b.srtp = strictest(
        context,
        targetsOf(plan).map(({ to }) => to),
      );
      this.media = isAnchoredFirst(this, invite) ? context.anchor(this.id, this.legs) : directMedia;
      this.#setup = new CallSetup(this, invite);
    } else {
      const { legs, recording, anchor } = from.stored;
      this.legs = { a: Leg.restore(legs.a), b: Leg.restore(legs.b) };
      this.recording =
        recording === null ? undefined : this.newRecording(recording.agent, recording.id).restore(recording);
      this.media = anchor === null ? directMedia : context.restoreMedia(anchor, this.legs);
    }
  }

  /** Goes on with a call of an earlier life: its parties are asked at once whether they still are there. */
  static restore(stored: StoredCall, context: CallContext): Call {
    const call = new Call({ stored }, context);
    call.#restoreDialogs(stored.dialogs);
    call.state = 'answered';
    context.journal({ type: 'call.restored', call: call.id });
    call.log.info('call restored');
    relayInDialog(call);
    call.#endWatch = watchParties(call, context.probeMs, 'at once');
    if (call.recording?.state === 'starting') void call.recording.start(call.media);
    return call;
  }

  #restoreDialogs({ a, b }: StoredCall['dialogs']): void {
    const { userAgent, credentialsOf } = this.context;
    const { trunk } = this.plan.to;
    const caller = userAgent.restoreDialog(a);
    try {
      this.join('b', userAgent.restoreDialog(b, trunk === undefined ? undefined : credentialsOf?.(trunk)));
    } catch (thrown) {
      // Nobody else would tell the caller.
      void caller.bye();
      throw thrown;
    }
    this.join('a', caller);
  }

  #keep(): void {
    if (this.state === 'answered') this.context.keep(this);
  }

  #newLeg(label: Label, party: CallPlan['from'], source: string): Leg {
    return new Leg({ label, tag: tagOf(this.id, label), party, source });
  }

  /** Headers of every message to a party: who speaks with whom (RFC 7989). */
  headersTo(label: Label, sessionId?: string): ExtraHeaders {
    const leg = this.legs[label];
    return this.headersFor(leg, this.legs[otherLabel(label)], sessionId);
  }

  /** The same for a party that is about to come, or that is told of another one, or of another conversation. */
  headersFor(
    { label, uuid, hasMoved }: Leg,
    other = this.legs[otherLabel(label)],
    sessionId = this.plan.sessionId,
  ): ExtraHeaders {
    const conversation = hasMoved || sessionId !== this.plan.sessionId ? sessionId : undefined;
    if (uuid !== sessionId) return { 'session-id': sessionIdHeader(sessionId, uuid, conversation) };
    other.uuid ??= newUuid();
    return { 'session-id': sessionIdHeader(other.uuid, sessionId, conversation) };
  }

  /** The recording, as long as the media runs where it can be recorded. */
  get wanted(): CallRecording | undefined {
    return this.media.anchored ? this.recording : undefined;
  }

  /** Offers the call to the callee. */
  async begin(): Promise<void> {
    const { plan, context, id } = this;
    const { from, to, dialled, attached } = plan;
    context.journal(createdEvent(id, plan));
    if (attached !== undefined) context.journal({ type: 'data.attached', call: id, ...attached });
    this.log.info({ from: from.number, to: to.number, dialled }, 'call created');
    if (isOneParty(targetsOf(plan))) this.#journalDecision();
    await this.#setup?.begin();
  }

  #journalDecision(): void {
    const { record, reason } = this.plan.decision;
    this.context.journal(decidedEvent(this.id, this.plan.decision));
    this.log.info({ record, reason }, 'recording decided');
  }

  /** One of several places has answered. */
  choose(target: CallTarget): void {
    const { to, route, decision } = target;
    const isDecided = isOneParty([...targetsOf(this.plan), target]);
    this.plan = { ...this.plan, to, route, decision };
    this.legs.b.party = to;
    this.legs.b.srtp = undefined;
    this.legs.b.source = route.peer.address;
    if (isDecided) return;
    this.#journalDecision();
    this.recording = decision.record ? this.newRecording() : undefined;
  }

  /** A leg has its dialog. */
  join(label: Label, dialog: Dialog): void {
    const [left, lost] = GONE[label];
    this.legs[label].dialog = dialog;
    dialog.onEnd = ({ by }) => this.release(label, 200, by === 'timeout' ? lost : left);
  }

  /** In the place of a party that leaves comes another one, with the media that reaches it. The leg that has left is returned. */
  replaceParty(newcomer: Leg, media: CallMedia): Leg {
    const { label, dialog, party } = newcomer;
    const left = this.legs[label];
    detach(left);
    this.legs = { ...this.legs, [label]: newcomer };
    this.plan = label === 'a' ? { ...this.plan, from: party } : { ...this.plan, to: party };
    this.media = media;
    if (dialog !== undefined) this.join(label, dialog);
    relayInDialog(this);
    return left;
  }

  /** The caller has been told that the call is answered. */
  answer(): void {
    this.state = 'answered';
    const to = this.plan.hunt && this.plan.to;
    this.context.journal({ type: 'call.answered', call: this.id, to });
    this.log.info('call answered');
    warnOfKeysInClear(this);
    relayInDialog(this);
    this.#endWatch = watchParties(this, this.context.probeMs);
    this.#keep();
  }

  /** Offer and answer are through. */
  onAnswered(): void {
    this.#setup = undefined;
    // The capture runs since the answer; that it is on the disk must not hold up the call.
    if (this.wanted !== undefined) void this.wanted.start(this.media);
    // Whoever took the call in the end is recorded, and nobody that was asked before is.
    else if (this.recording?.state === 'starting') void recordLate(this, this.recording);
    // It was anchored for the sake of another place, which did not answer.
    else if (this.media.anchored && this.recording === undefined) void setDirectInTurn(this);
  }

  /** Another party has come: it is recorded for its sake, unless the recording goes on anyway. */
  onPartyReplaced(decision: RecordingDecision | undefined): void {
    const state = this.recording?.state;
    if (state !== undefined && state !== 'stopped' && state !== 'failed') return;
    if (decision === undefined) return void setDirectInTurn(this);
    this.plan = { ...this.plan, decision };
    this.#journalDecision();
    this.recording = this.newRecording();
    void recordLate(this, this.recording);
  }

  /** The leg that this dialog belongs to, while it rings too. */
  legOf(dialog: Dialog): Label | undefined {
    const { a, b } = this.legs;
    if (a.dialog === dialog) return 'a';
    if (b.dialog === dialog) return 'b';
    return a.dialog === undefined && dialog.callId === this.#setup?.callId ? 'a' : undefined;
  }

  /** Ends the call on every leg that is still up, and its recording. Later calls of it do nothing. */
  release(by: Label | 'switch', status: number, reason: string): void {
    if (this.state === 'released') return;
    const answered = this.state === 'answered';
    this.state = 'released';
    this.#endWatch?.();
    if (!answered) this.#setup?.end(status, reason);
    this.transfer?.end();
    this.context.forget(this);
    this.farewell = Promise.all([this.#hangUp('a'), this.#hangUp('b')]);
    this.recording?.stop(reason);
    this.context.journal({ type: 'call.released', call: this.id, by, status, reason, answered });
    this.log.info({ by, status, reason }, 'call released');
    const held = [this.media, ...this.leftBehind.splice(0)];
    void Promise.all(held.map((media) => this.#releaseMedia(media))).then(() =>
      this.context.onReleased(this),
    );
  }

  #hangUp(label: Label): Promise<unknown> | undefined {
    const { dialog } = this.legs[label];
    return dialog?.state === 'confirmed' ? dialog.bye(this.headersTo(label)) : undefined;
  }

  async #releaseMedia(media: CallMedia): Promise<void> {
    try {
      await media.release();
    } catch (thrown) {
      this.log.warn(`the media server did not release the call: ${messageOf(thrown)}`);
    }
  }

  /** A recording of this call that has not begun. @param agent whose party is the agent; as decided when left out */
  newRecording(
    agent: Label = agentSide(this.plan) === 'source' ? 'a' : 'b',
    recording: string = uuidv7(),
  ): CallRecording {
    const { id, legs, plan, log, context } = this;
    const journal = (event: EventBody) => {
      context.journal(event);
      this.#keep();
    };
    const { sessionId } = plan;
    const terms = termsOf({ plan, call: id, recording, agent: legs[agent].party });
    const onFailed = () => this.#endUnlessOptional();
    return new CallRecording({
      id: recording,
      call: id,
      sessionId,
      legs,
      agent,
      terms,
      onFailed,
      journal,
      log,
    });
  }

  /** No recording, no call. */
  #endUnlessOptional(): void {
    if (this.plan.decision.mandatory) this.release('switch', 503, UNRECORDED);
  }
}
