// Offers within a call, by re-INVITE or UPDATE: carried from one leg to the other through the call's media
// (RFC 3261 section 14, RFC 3311, RFC 6337).
import { GrecError, messageOf } from '../errors.ts';
import { audioOf, directionOf } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import type { SipResponse } from '../sip/message.ts';
import type { Body, Dialog, ExtraHeaders, IncomingRequest } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import { hearSession } from './conversation.ts';
import type { Leg } from './leg.ts';
import { statusForCaller } from './response-mapping.ts';
import { hasForeignBody, sdpOf } from './sdp-body.ts';
import { isConverted, isForbidden, srtpRequired } from './srtp-policy.ts';

/** A leg with its dialog, which may be early yet. */
export interface Side {
  leg: Leg;
  dialog: Dialog;
}

/** The description was at fault, or the media server has not the means. */
const REFUSALS = new Set<string>(['NG_REFUSED', 'SDP_INVALID']);

export function relayReinvite(call: Call, near: Side, far: Side, request: IncomingRequest): Promise<void> {
  return inTurn(call, near, request, async () => {
    const offer = sdpOf(request.message);
    if (offer === undefined) await relayWithoutOffer(call, near, far, request);
    else await relayOffer(call, near, far, request, offer);
  });
}

/** An UPDATE with an offer; it changes a session before it is answered, too. */
export function relayUpdate(call: Call, near: Side, far: Side, request: IncomingRequest): Promise<void> {
  return inTurn(call, near, request, async () => {
    const offer = sdpOf(request.message);
    const isPossible = far.dialog.state === 'confirmed' || far.dialog.allows('UPDATE');
    if (offer !== undefined && isPossible) await relayOffer(call, near, far, request, offer);
    else request.respond(488, { headers: call.headersTo(near.leg.label) });
  });
}

/**
 * One exchange at a time across the whole call: two would cross in the media server (RFC 3261 section 14.1). One that only has
 * to reach its end, such as the answer that an ACK has brought, is waited for.
 */
async function inTurn(
  call: Call,
  near: Side,
  request: IncomingRequest,
  relay: () => Promise<void>,
): Promise<void> {
  if (hasForeignBody(request.message))
    return request.respond(415, { headers: { accept: 'application/sdp' } });
  if (isRefresh(near, request)) {
    answerRefresh(call, near, request);
    // What is agreed already may be the answer to an offer of the other party, given meanwhile: this party holds no longer now.
    return journalHold(call, near.leg, sdpOf(request.message) ?? Buffer.alloc(0));
  }
  if (call.exchange.isBusy) return request.respond(491);
  await call.exchange.run(() => relay().catch((thrown: unknown) => refuse(call, near, request, thrown)));
}

/** Byte for byte what is agreed already: the party only shows that it is there (RFC 4028 section 7.4). */
function isRefresh({ leg, dialog }: Side, { message }: IncomingRequest): boolean {
  const offer = sdpOf(message);
  return (
    offer !== undefined && leg.described?.equals(offer) === true && dialog.localDescription !== undefined
  );
}

function answerRefresh(call: Call, { leg, dialog }: Side, request: IncomingRequest): void {
  request.respond(200, { headers: call.headersTo(leg.label), body: dialog.localDescription });
}

/** What cannot be carried costs its request alone: what the media server cannot take is no fault of ours. */
export function refuse(call: Call, near: Side, request: IncomingRequest, thrown: unknown): void {
  const isRefused = thrown instanceof GrecError && REFUSALS.has(thrown.code);
  const { method } = request.message;
  if (isRefused) call.log.warn({ method }, `refused: ${messageOf(thrown)}`);
  else call.log.error({ err: thrown, method }, `not carried: ${messageOf(thrown)}`);
  request.respond(isRefused ? 488 : 500, { headers: call.headersTo(near.leg.label) });
}

async function relayOffer(
  call: Call,
  near: Side,
  far: Side,
  request: IncomingRequest,
  offer: Buffer,
): Promise<void> {
  if (isForbidden(call.context, near.leg, offer)) throw srtpRequired();
  if (!call.media.anchored && isConverted(call.context, near.leg, offer, far.leg)) throw notAgreed();
  const heard = hearSession(call, near.leg, request.message);
  const body = far.leg.tell(await call.media.offer(near.leg.label, offer));
  const headers = call.headersTo(far.leg.label, heard.sessionId);
  const { response, ack } = await pass(far, request, { headers, body });
  if (response.status >= 300) {
    await takeBack(call, near.leg);
    return passRefusal(call, near, request, response);
  }
  ack();
  heard.take();
  const answer = sdpOf(response);
  const answerBody = answer && near.leg.tell(await call.media.answer(far.leg.label, answer));
  near.leg.described = offer;
  near.leg.offered = offer;
  far.leg.described = answer ?? far.leg.described;
  request.respond(200, { headers: call.headersTo(near.leg.label), body: answerBody });
  journalHold(call, near.leg, offer);
}

function notAgreed(): GrecError {
  return new GrecError(
    'SDP_INVALID',
    'the other party is to be offered other SRTP than that, and the media is direct',
  );
}

/** By UPDATE what came by UPDATE, when the far party takes it: a re-INVITE may ask a person first. */
async function pass(
  { dialog }: Side,
  { message }: IncomingRequest,
  offer: { headers: ExtraHeaders; body: Body },
) {
  const isUpdate = dialog.state === 'early' || (message.method === 'UPDATE' && dialog.allows('UPDATE'));
  if (isUpdate) return { response: await dialog.update(offer), ack: () => {} };
  return dialog.reinvite(offer);
}

/** The far party has refused: the near one keeps what was agreed before (RFC 3261 section 14.1), the media server too. */
async function takeBack(call: Call, near: Leg): Promise<void> {
  const before = near.described;
  if (before === undefined || !call.media.anchored) return;
  await call.media.offer(near.label, before).catch((thrown: unknown) => {
    call.log.warn(`the media server did not take the offer back: ${messageOf(thrown)}`);
  });
}

export function passRefusal(call: Call, near: Side, request: IncomingRequest, response: SipResponse): void {
  const { status, reason } = statusForCaller(response);
  request.respond(status, { reason, headers: call.headersTo(near.leg.label) });
}

/** A re-INVITE without offer asks the far party for one; the answer comes with the near party's ACK. */
async function relayWithoutOffer(call: Call, near: Side, far: Side, request: IncomingRequest): Promise<void> {
  const heard = hearSession(call, near.leg, request.message);
  const { response, ack } = await far.dialog.reinvite({
    headers: call.headersTo(far.leg.label, heard.sessionId),
  });
  if (response.status >= 300) return passRefusal(call, near, request, response);
  heard.take();
  const headers = call.headersTo(near.leg.label);
  const offer = sdpOf(response);
  if (offer === undefined) {
    ack();
    return request.respond(500, { headers });
  }
  const offered = await call.media.offer(far.leg.label, offer).catch((thrown: unknown) => {
    ack();
    throw thrown;
  });
  const acknowledged = new Promise<Buffer | undefined>((resolve) => {
    near.dialog.onAck = (message) => {
      near.dialog.onAck = undefined;
      // At once: what comes right behind the ACK is looked at before any promise is.
      call.exchange.settle();
      resolve(sdpOf(message));
    };
  });
  request.respond(200, { headers, body: near.leg.tell(offered) });
  const answer = await acknowledged;
  far.leg.described = offer;
  far.leg.offered = offer;
  near.leg.described = answer ?? near.leg.described;
  const carried = answer && (await call.media.answer(near.leg.label, answer).catch(() => undefined));
  ack(carried && far.leg.tell(carried));
}

function journalHold(call: Call, near: Leg, offer: Buffer): void {
  const parsed = parseSdp(offer);
  const audio = parsed.ok ? audioOf(parsed.sdp) : undefined;
  if (!parsed.ok || audio === undefined) return;
  const direction = directionOf(audio, parsed.sdp);
  const isHeld = direction === 'sendonly' || direction === 'inactive';
  if (isHeld === near.held) return;
  near.held = isHeld;
  call.context.journal({ type: isHeld ? 'call.held' : 'call.retrieved', call: call.id, label: near.label });
}
