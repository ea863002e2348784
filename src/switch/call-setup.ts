// A call on its way from INVITE to answer: who is asked, and what the caller hears of it (RFC 3261 section 13).
import type { SipResponse } from '../sip/message.ts';
import { supports } from '../sip/option-tags.ts';
import type { Body, Dialog, IncomingInvite, Progress } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import { CallEarly } from './call-early.ts';
import { type CallTarget, huntOf, targetsOf, UNRECORDED } from './call-model.ts';
import { callOut } from './call-out.ts';
import { Hunt } from './hunt.ts';
import { passesEarlyMedia, weigh } from './hunt-plan.ts';
import { failureStatus, phrase, statusForCaller } from './response-mapping.ts';
import { sdpOf } from './sdp-body.ts';
import { SetupMedia } from './setup-media.ts';
import { afterRedirection } from './shown-caller.ts';
import { isForbidden, srtpRequired } from './srtp-policy.ts';

type Ack = (body?: Body) => void;

/** How often one call may be sent on before it is given up. */
const MOST_REDIRECTIONS = 5;

export class CallSetup {
  readonly #call: Call;
  readonly #invite: IncomingInvite;
  #outgoing: Hunt<CallTarget> | undefined;
  #ringTimer: NodeJS.Timeout | undefined;
  /** Responses of the callee are handled one after the other, though each may wait for the media server. */
  #queue: Promise<void> = Promise.resolve();
  /** The offer as the caller made it; undefined when the INVITE had none. */
  readonly #offer: Buffer | undefined;
  readonly #early: CallEarly;
  readonly #media: SetupMedia;
  /** Places where it was tried, and how often it was sent on. */
  readonly #tried = new Set<string>();
  #redirections = 0;

  constructor(call: Call, invite: IncomingInvite) {
    this.#call = call;
    this.#invite = invite;
    this.#offer = sdpOf(invite.message);
    this.#media = new SetupMedia(call, this.#offer, (step) => this.#enqueue(step));
    call.legs.a.described = this.#offer;
    call.legs.a.offered = this.#offer;
    this.#early = new CallEarly({
      call,
      invite,
      isOffered: this.#offer !== undefined,
      isHunting: !passesEarlyMedia(huntOf(call.plan)),
      media: this.#media,
      isPending: () => this.#isOffered(),
    });
  }

  /** Of the caller's dialog. */
  get callId(): string {
    return this.#invite.message.headers['call-id'];
  }

  /** Offers the call to the callee. */
  async begin(): Promise<void> {
    const call = this.#call;
    this.#invite.onCancel = () => call.release('a', 487, 'cancelled by the caller');
    if (isForbidden(call.context, call.legs.a, this.#offer))
      return call.release('switch', 488, srtpRequired().message);
    const offer = this.#offer && (await this.#media.offerToCallee(this.#offer));
    const hunt = huntOf(call.plan);
    const permitted = hunt.rounds.map((round) => round.filter((target) => this.#isPermitted(target)));
    const rounds = permitted.filter(({ length }) => length > 0);
    if (rounds.length === 0) call.release('switch', 503, UNRECORDED);
    if (this.#isOver()) return;
    const body = offer && call.legs.b.tell(offer);
    const { local } = this.#invite.flow;
    for (const { route } of targetsOf(call.plan)) this.#tried.add(route.uri);
    const mayOfferEarly = call.plan.hunt === undefined && supports(this.#invite.message, '100rel');
    this.#outgoing = new Hunt({
      ...hunt,
      rounds,
      passesEarlyMedia: passesEarlyMedia(hunt),
      weigh: (target, response) => weigh(hunt, target, response),
      place: (target, handlers) => callOut(call, target, { local, body, mayOfferEarly }, handlers),
      onProvisional: (target, response, progress) =>
        this.#enqueue(() => this.#onProvisional(target, response, progress)),
      redirect: (target, response) => this.#redirect(target, response),
      onAccepted: (target, response, dialog, ack) => {
        this.#choose(target);
        this.#onAccepted(response, dialog, ack);
      },
      onRejected: (response) => this.#onRejected(response),
    });
    this.#ringTimer = setTimeout(() => call.release('switch', 480, 'no answer'), call.context.ringTimeoutMs);
  }

  /** Without a media server the call is not offered where it must be recorded. */
  #isPermitted({ decision }: CallTarget): boolean {
    return this.#media.loss === undefined || !decision.mandatory;
  }

  /** The call ends before it is answered: the caller is told, whoever is asked is asked no more. */
  end(status: number, reason: string): void {
    clearTimeout(this.#ringTimer);
    const { legs } = this.#call;
    const headers = this.#call.headersTo('a');
    if (legs.b.dialog === undefined) this.#outgoing?.cancel();
    // After CANCEL the 487 has been sent.
    if (legs.a.dialog !== undefined || status === 487) return;
    this.#invite.respond(failureStatus(status), { reason: phrase(reason), headers });
  }

  /** One of several places has answered: who the callee is, and whether the call is recorded, is known from here on. */
  #choose(target: CallTarget): void {
    const call = this.#call;
    if (call.plan.hunt === undefined && this.#redirections === 0) return;
    const { recording } = call;
    call.choose(target);
    const { loss } = this.#media;
    if (loss !== undefined && call.recording !== recording) call.recording?.fail(loss);
  }

  #enqueue(step: () => Promise<void>): void {
    this.#queue = this.#queue.then(step).catch((thrown: unknown) => {
      this.#call.log.error({ err: thrown }, 'call set-up failed');
      this.#call.release('switch', 500, 'internal error');
    });
  }

  async #onProvisional(
    { route }: CallTarget,
    response: SipResponse,
    progress: Progress | undefined,
  ): Promise<void> {
    if (response.status === 100 || !this.#isOffered()) return;
    const { plan, legs } = this.#call;
    // Of several trunks another one may ring than the first.
    if (passesEarlyMedia(huntOf(plan))) legs.b.source = route.peer.address;
    await this.#early.carry(response, progress);
  }

  /** A callee that sends the call on: to where it may, and not for ever. */
  #redirect(target: CallTarget, response: SipResponse): CallTarget[][] {
    const { plan, context, log } = this.#call;
    const { targetOf } = plan;
    if (targetOf === undefined || response.status >= 400 || this.#redirections >= MOST_REDIRECTIONS)
      return [];
    const places = context.redirect?.(target.route, response) ?? [];
    const fresh = places.filter(({ route }) => !this.#tried.has(route.uri));
    this.#redirections += fresh.length > 0 ? 1 : 0;
    for (const { route } of fresh) this.#tried.add(route.uri);
    log.info({ by: target.to.number, to: fresh.map(({ number }) => number) }, 'redirected');
    const numbers = [...new Set(fresh.map(({ number }) => number))];
    const shownAt = (to: string) => {
      const step = { from: target.to.number, to, status: response.status, place: numbers.indexOf(to) + 1 };
      return afterRedirection(target.shown ?? plan.shown, step, this.#invite.flow.local);
    };
    const targets = fresh.map(({ route, number }) => ({
      ...targetOf(route, number),
      shown: shownAt(number),
    }));
    const permitted = targets.filter((one) => this.#isPermitted(one));
    // The phones of one number ring together.
    return [...Map.groupBy(permitted, ({ to }) => to.number).values()];
  }

  #onAccepted(response: SipResponse, dialog: Dialog, ack: Ack): void {
    clearTimeout(this.#ringTimer);
    this.#call.join('b', dialog);
    this.#enqueue(async () => {
      this.#call.legs.b.learn(response);
      const branch = this.#early.branchOf(response);
      const sdp = sdpOf(response);
      if (branch.isAgreed) this.#answerBare(ack, branch.name);
      else if (this.#offer === undefined && sdp !== undefined)
        await this.#answerWithOffer(sdp, ack, branch.name);
      else await this.#answerWithAnswer(sdp ?? branch.answer, ack, branch.name);
    });
  }

  /** The usual case: INVITE carried the offer, the callee's 200 the answer, or a provisional response did before. */
  async #answerWithAnswer(sdp: Buffer | undefined, ack: Ack, branch: string): Promise<void> {
    const isUsable = sdp !== undefined && this.#offer !== undefined;
    const answer = isUsable ? await this.#media.answerToCaller(sdp, this.#call.wanted?.metadata) : undefined;
    ack();
    if (this.#isOver()) return;
    this.#acceptCaller(answer, branch);
    this.#call.onAnswered();
  }

  /** The descriptions were exchanged while it rang. */
  #answerBare(ack: Ack, branch: string): void {
    ack();
    if (this.#isOver()) return;
    this.#acceptCaller(undefined, branch);
    this.#call.onAnswered();
  }

  /** The INVITE carried no offer: the callee's 200 does, and the caller's ACK brings the answer (RFC 3261 13.2.1). */
  async #answerWithOffer(sdp: Buffer, ack: Ack, branch: string): Promise<void> {
    const offer = await this.#media.offerToCaller(sdp);
    if (this.#isOver()) return ack();
    const dialog = this.#acceptCaller(offer, branch);
    dialog.onAck = (message) => {
      // Later ACKs are those of re-INVITEs, which bring no answer.
      dialog.onAck = undefined;
      const answer = sdpOf(message);
      if (answer === undefined) {
        ack();
        return this.#call.release('switch', 488, 'the caller gave no answer');
      }
      void this.#settle(() => this.#takeLateAnswer(answer, sdp, ack));
    };
  }

  /** A re-INVITE that comes at once waits until the callee has its ACK. */
  #settle(step: () => Promise<void>): Promise<void> {
    const { exchange } = this.#call;
    const settled = exchange.run(
      () => new Promise<void>((resolve) => this.#enqueue(() => step().finally(resolve))),
    );
    exchange.settle();
    return settled;
  }

  async #takeLateAnswer(answer: Buffer, offered: Buffer, ack: Ack): Promise<void> {
    const { legs, wanted } = this.#call;
    ack(legs.b.tell(await this.#media.answerToCallee(answer, offered, wanted?.metadata)));
    if (!this.#isOver()) this.#call.onAnswered();
  }

  #acceptCaller(sdp: Buffer | undefined, branch: string): Dialog {
    const call = this.#call;
    const body = sdp && call.legs.a.tell(sdp);
    const dialog = this.#invite.accept({ headers: call.headersTo('a'), body, branch });
    call.join('a', dialog);
    call.answer();
    this.#media.offerPending();
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
