// Before the answer: what the caller hears of a callee that rings, speaks already, or is several (RFC 3261 section 13.2,
// RFC 3262, RFC 3311).
import type { SipResponse } from '../sip/message.ts';
import type { IncomingInvite, IncomingRequest, Progress } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import { joinDialogs } from './in-dialog.ts';
import { sdpOf } from './sdp-body.ts';
import type { SetupMedia } from './setup-media.ts';

export interface CallEarlyOptions {
  call: Call;
  invite: IncomingInvite;
  /** The INVITE carried an offer. */
  isOffered: boolean;
  /** Several places are asked: each may ring, none may speak before it answers. */
  isHunting: boolean;
  media: SetupMedia;
  /** The call may still ring. */
  isPending(): boolean;
}

const RINGING = { status: 180, reason: 'Ringing' };

type Given = Progress | undefined;

/** A branch of a callee that has said something, by its To tag. */
interface Branch {
  /** Its name towards the caller. */
  name: string;
  /** Its answer as it came last. */
  answer: Buffer | undefined;
  /** Its own offer has been answered: nothing is left to describe. */
  isAgreed: boolean;
}

export class CallEarly {
  readonly #options: CallEarlyOptions;
  readonly #branches = new Map<string, Branch>();
  /** By branch towards the caller: what becomes of the answer in its PRACK. */
  #awaited: Map<string, (prack: IncomingRequest) => Promise<void>> | undefined;

  constructor(options: CallEarlyOptions) {
    this.#options = options;
    options.invite.onPrack = (prack, branch) => void this.#onPrack(prack, branch);
  }

  /** The branch that a response of the callee belongs to. */
  branchOf(response: SipResponse): Branch {
    const tag = this.#options.isHunting ? '' : (response.headers.to.params['tag'] ?? '');
    const known = this.#branches.get(tag);
    if (known !== undefined) return known;
    // The first one is the call as the caller knows it; a fork behind it shows in further early dialogs.
    const name = this.#branches.size === 0 ? '' : tag;
    const branch: Branch = { name, answer: undefined, isAgreed: false };
    this.#branches.set(tag, branch);
    return branch;
  }

  /** Carries a provisional response to the caller. */
  async carry(response: SipResponse, progress: Given): Promise<void> {
    const { call, isHunting, isPending } = this.#options;
    if (!isHunting) call.legs.b.learn(response);
    const branch = this.branchOf(response);
    const sdp = sdpOf(response);
    const body = sdp === undefined || isHunting ? undefined : await this.#describe(sdp, branch, progress);
    if (!isPending()) return;
    if (call.state === 'setup') call.context.journal({ type: 'call.ringing', call: call.id });
    call.state = 'ringing';
    const { status, reason } = isHunting ? RINGING : response;
    this.#options.invite.respond(status, {
      reason,
      headers: call.headersTo('a'),
      body: body && call.legs.a.tell(body),
      // Early media that is not heard of is not heard.
      reliable: body !== undefined,
      branch: branch.name,
    });
    this.#join(branch.name, progress);
  }

  /** What the caller is shown of a description in a provisional response. */
  async #describe(sdp: Buffer, branch: Branch, progress: Given): Promise<Buffer | undefined> {
    const { isOffered, media } = this.#options;
    if (isOffered) {
      branch.answer = sdp;
      return media.answerToCaller(sdp);
    }
    // An offer that is not sent reliably is no offer: there would be no way to answer it (RFC 3262 section 5).
    const prack = progress?.prack;
    if (prack === undefined) return undefined;
    const offer = await media.offerToCaller(sdp);
    this.#awaited ??= new Map();
    this.#awaited.set(branch.name, (request) => this.#answerEarly(request, branch, sdp, prack));
    return offer;
  }

  async #answerEarly(
    request: IncomingRequest,
    branch: Branch,
    offered: Buffer,
    prack: NonNullable<Progress['prack']>,
  ): Promise<void> {
    const { call, media } = this.#options;
    const answer = sdpOf(request.message);
    if (answer === undefined) return request.respond(200, { headers: call.headersTo('a') });
    const body = call.legs.b.tell(await media.answerToCallee(answer, offered));
    branch.isAgreed = true;
    request.respond(200, { headers: call.headersTo('a') });
    await prack(body);
  }

  async #onPrack(request: IncomingRequest, branch: string): Promise<void> {
    const { call, invite } = this.#options;
    const awaited = this.#awaited?.get(branch);
    this.#awaited?.delete(branch);
    if (awaited !== undefined) {
      await awaited(request).catch((thrown: unknown) => {
        call.log.error({ err: thrown }, 'an early answer was not carried');
        request.respond(500);
      });
      return;
    }
    // A new offer in a PRACK is an UPDATE to the callee, whose own PRACK has long been answered.
    const update = invite.early(branch)?.onUpdate;
    if (update === undefined) request.respond(488);
    else update(request);
  }

  /** Requests in the early dialogs go from one to the other. */
  #join(branch: string, progress: Given): void {
    const { call, invite, isHunting } = this.#options;
    const near = invite.early(branch);
    const far = progress?.dialog;
    if (near === undefined || far === undefined || isHunting) return;
    joinDialogs(call, { leg: call.legs.a, dialog: near }, { leg: call.legs.b, dialog: far });
  }
}
