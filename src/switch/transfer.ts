// Transfers: the switch acts on the REFER of a party itself (RFC 3515, RFC 5589).
//
// Who is transferred stays in the call as it is until the target has answered and media is agreed with it; then the
// transferor's leg leaves. A transferor that hangs up meanwhile leaves the other party waiting for the outcome.
import { messageOf } from '../errors.ts';
import { ReferSubscription } from '../sip/refer-subscription.ts';
import { parseReferTo } from '../sip/refer-to.ts';
import { parseUri } from '../sip/uri.ts';
import type { Dialog, IncomingRequest } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import { ConsultedTarget, findConsultation } from './consultation.ts';
import type { Leg } from './leg.ts';
import { LegExchange } from './leg-exchange.ts';
import type { Side } from './relay-offer.ts';
import { NotTransferred, type TransferTarget } from './transfer-model.ts';
import { CalledTarget, planTransfer } from './transfer-target.ts';

/** A REFER of a party within its call. */
export async function receiveRefer(call: Call, near: Side, request: IncomingRequest): Promise<void> {
  const headers = call.headersTo(near.leg.label);
  const referTo = parseReferTo(request.message.headers['refer-to']);
  const refuse = (status: number, reason?: string) =>
    request.respond(status, { headers, ...(reason === undefined ? {} : { reason }) });
  if (referTo === undefined) return refuse(400, 'Bad Refer-To');
  if (referTo.method !== 'INVITE') return refuse(403, 'Only Calls Are Referred');
  if (call.state !== 'answered' || call.transfer !== undefined) return refuse(491);
  const number = parseUri(referTo.uri)?.user ?? '';
  const consulted = referTo.replaces && findConsultation(call, near.leg, referTo.replaces);
  if (referTo.replaces !== undefined && consulted === undefined) return refuse(481);
  // Two calls that are sent into each other would wait for each other.
  if (consulted?.call.transfer !== undefined) return refuse(491);
  const transfer = new Transfer(call, near);
  try {
    if (consulted !== undefined && consulted.call.state === 'answered') {
      transfer.begin(request);
      return await transfer.run(new ConsultedTarget(call, near.leg, consulted));
    }
    const plan = await planTransfer(call, near.leg, number);
    // The strategy may have taken its time.
    if (near.dialog.state !== 'confirmed') return refuse(481);
    if ('status' in plan) {
      transfer.end();
      return refuse(plan.status, plan.reason);
    }
    transfer.begin(request);
    // It rings there already: one call for it is enough.
    consulted?.call.release('switch', 487, 'the consultation became a transfer');
    await transfer.run(new CalledTarget(call, near.leg, plan, request.message));
  } catch (thrown) {
    call.log.error({ err: thrown }, `transfer failed: ${messageOf(thrown)}`);
    transfer.fail(500, 'internal error');
  }
}

class Transfer {
  readonly #call: Call;
  readonly #transferor: Leg;
  readonly #dialog: Dialog;
  #subscription: ReferSubscription | undefined;
  #target: TransferTarget | undefined;
  #isOver = false;
  /** The transferor has hung up and trusts that all goes well. */
  #isAlone = false;

  constructor(call: Call, { leg, dialog }: Side) {
    this.#call = call;
    this.#transferor = leg;
    this.#dialog = dialog;
    call.transfer = this;
  }

  begin(request: IncomingRequest): void {
    const call = this.#call;
    this.#subscription = new ReferSubscription(this.#dialog, request, call.headersTo(this.#transferor.label));
    this.#dialog.onEnd = () => {
      this.#isAlone = true;
      call.log.info('the transferor has hung up before the outcome');
    };
  }

  async run(target: TransferTarget): Promise<void> {
    const call = this.#call;
    this.#target = target;
    call.log.info({ how: target.how, to: target.leg.party.number }, 'transfer');
    const exchange = new LegExchange(call, target.leg, target);
    try {
      const offer = await exchange.offer();
      const { answer, acknowledge } = await target.ask(offer, (status) => this.#subscription?.report(status));
      if (this.#isOver) throw new NotTransferred(487, 'the call is over');
      await exchange.takeAnswer(answer, acknowledge);
    } catch (thrown) {
      exchange.abandon();
      await target.leave();
      const status = thrown instanceof NotTransferred ? thrown.status : 503;
      return this.fail(status, messageOf(thrown));
    }
    // The call has ended with the new party in it: nobody hangs up the old one but we.
    if (this.#isOver) return void (await this.#dialog.bye());
    await this.#succeed(target);
  }

  async #succeed(target: TransferTarget): Promise<void> {
    const call = this.#call;
    this.#isOver = true;
    call.transfer = undefined;
    target.join();
    const { label, party: by } = this.#transferor;
    const { how, consultation } = target;
    const { party: to } = target.leg;
    const { journal } = call.context;
    if (this.#transferor.held) journal({ type: 'call.retrieved', call: call.id, label });
    journal({ type: 'call.transferred', call: call.id, label, how, by, to, consultation });
    journal({ type: 'party.left', call: call.id, label, party: by });
    journal({ type: 'party.joined', call: call.id, label, party: to });
    call.onPartyReplaced(target.decision);
    this.#subscription?.report(200);
    await this.#subscription?.told;
    await this.#dialog.bye();
  }

  /** What was goes on, as far as it is still there. */
  fail(status: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const call = this.#call;
    call.transfer = undefined;
    call.log.info({ status, reason }, 'transfer failed');
    this.#subscription?.report(status);
    if (this.#isAlone) return call.release('switch', status, `transfer failed: ${reason}`);
    if (call.state === 'answered') call.join(this.#transferor.label, this.#dialog);
  }

  /** The call ends, or no transfer has begun. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#call.transfer = undefined;
    this.#subscription?.report(487);
    void this.#target?.leave();
  }
}
