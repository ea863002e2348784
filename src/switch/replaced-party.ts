// An INVITE with Replaces: who sends it takes the place of a party in an answered call (RFC 3891).
import { GrecError, messageOf } from '../errors.ts';
import type { SipRequest } from '../sip/message.ts';
import type { Dialog, IncomingInvite } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import type { CallParty } from './call-model.ts';
import type { Label, Leg } from './leg.ts';
import { LegExchange } from './leg-exchange.ts';
import type { RecordingDecision } from './recording-decision.ts';
import { sdpOf } from './sdp-body.ts';
import { newLegFor } from './transfer-model.ts';

/** The answer of the new party did not come. */
const NO_ANSWER = 'it described no media';

/** Brings `party` into the call in the place of that leg. Never rejects: who invites is told. */
export async function takePlace(
  call: Call,
  label: Label,
  invite: IncomingInvite,
  party: CallParty,
): Promise<void> {
  const leaves = call.legs[label];
  if (call.state !== 'answered' || call.transfer !== undefined) return invite.respond(491);
  const comes = newLegFor(call, leaves, party, invite.flow.peer.address);
  comes.learn(invite.message);
  const decision = call.context.decide?.(party, label);
  const need = { isRecorded: decision !== undefined, isMandatory: decision?.mandatory === true };
  const exchange = new LegExchange(call, comes, need);
  call.transfer = { end: () => exchange.abandon() };
  try {
    await bringIn(exchange, call, comes, invite);
  } catch (thrown) {
    exchange.abandon();
    call.log.info({ by: party.number }, `not replaced: ${messageOf(thrown)}`);
    if (comes.dialog === undefined) invite.respond(statusOf(thrown), { headers: call.headersFor(comes) });
    else await comes.dialog.bye(call.headersFor(comes));
    return;
  } finally {
    call.transfer = undefined;
  }
  if (call.state === 'answered') tell(call, leaves, party, decision);
  await leaves.dialog?.bye();
}

async function bringIn(exchange: LegExchange, call: Call, comes: Leg, invite: IncomingInvite): Promise<void> {
  let isGone = false;
  invite.onCancel = () => {
    isGone = true;
  };
  const accept = (sdp: Buffer): Dialog | undefined => {
    if (isGone || call.state !== 'answered') return undefined;
    const dialog = invite.accept({ headers: call.headersFor(comes), body: comes.tell(sdp) });
    comes.dialog = dialog.state === 'confirmed' ? dialog : undefined;
    return comes.dialog;
  };
  const offer = sdpOf(invite.message);
  if (offer !== undefined) return exchange.takeOffer(offer, (answer) => accept(answer) !== undefined);
  const dialog = accept(await exchange.offer());
  if (dialog === undefined) throw new GrecError('MEDIA_NOT_MOVED', 'it has gone');
  const answer = await answerOf(dialog);
  if (answer === undefined) throw new GrecError('MEDIA_NOT_MOVED', NO_ANSWER);
  await exchange.takeAnswer(answer, () => {});
}

/** The answer in the ACK. */
function answerOf(dialog: Dialog): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    dialog.onAck = (ack: SipRequest) => {
      dialog.onAck = undefined;
      resolve(sdpOf(ack));
    };
    dialog.onEnd = () => resolve(undefined);
  });
}

function statusOf(thrown: unknown): number {
  return thrown instanceof GrecError && (thrown.code === 'NG_REFUSED' || thrown.code === 'SDP_INVALID')
    ? 488
    : 503;
}

function tell(
  call: Call,
  { label, party: by, held }: Leg,
  to: CallParty,
  decision: RecordingDecision | undefined,
): void {
  const { journal } = call.context;
  if (held) journal({ type: 'call.retrieved', call: call.id, label });
  journal({ type: 'call.transferred', call: call.id, label, how: 'replaced', by, to });
  journal({ type: 'party.left', call: call.id, label, party: by });
  journal({ type: 'party.joined', call: call.id, label, party: to });
  call.onPartyReplaced(decision);
}
