// What happens within an answered call: re-INVITEs and INFO are carried from one leg to the other.
import { GrecError, messageOf } from '../errors.ts';
import { audioOf, directionOf } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import type { SipResponse } from '../sip/message.ts';
import type { Dialog, IncomingRequest } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import type { FeatureCodes } from './feature-codes.ts';
import type { Leg } from './leg.ts';
import {
  type Feature,
  featureCodesOf,
  isAgent,
  readDtmf,
  readRecordButton,
  requestByPhone,
} from './phone-requests.ts';
import { statusForCaller } from './response-mapping.ts';
import { hasForeignBody, sdpOf } from './sdp-body.ts';

/** Requests that concern only the parties: their bodies pass untouched. */
const CARRIED = new Set(['INFO', 'MESSAGE']);
/** The description was at fault, or the media server has not the means. */
const REFUSALS = new Set<string>(['NG_REFUSED', 'SDP_INVALID']);
/** What a party may send within a call. */
export const ALLOW_IN_CALL = 'INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE';

/** Joins the two dialogs of an answered call. */
export function relayInDialog(call: Call): void {
  for (const [near, far] of [
    [call.legs.a, call.legs.b],
    [call.legs.b, call.legs.a],
  ] as const) {
    if (near.dialog === undefined) continue;
    near.dialog.onReinvite = (request) => void relayReinvite(call, near, far, request);
    const codes = featureCodesOf(call, near);
    near.dialog.onRequest = (request) => {
      if (isAgent(near) && request.message.method === 'INFO' && takeInfo(call, near, far, request, codes))
        return;
      relayRequest(call, far, request).catch((thrown: unknown) => refuse(call, request, thrown));
    };
  }
}

/** @returns whether an agent's INFO was meant for the switch: its record button, or a digit that may be of a feature code */
function takeInfo(
  call: Call,
  near: Leg,
  far: Leg,
  request: IncomingRequest,
  codes: FeatureCodes<Feature>,
): boolean {
  const operation = readRecordButton(request.message);
  const digit = operation === undefined ? readDtmf(request.message) : undefined;
  if (operation !== undefined) requestByPhone(call, near, operation, 'record button');
  else if (digit !== undefined) codes.dial(digit, () => void passDigit(call, far, request));
  else return false;
  // A digit that is held back cannot wait for the other party's answer.
  request.respond(200, { headers: call.headers });
  return true;
}

async function passDigit(call: Call, far: Leg, { message }: IncomingRequest): Promise<void> {
  const type = String(message.headers['content-type']);
  const { status } = (await far.dialog?.request('INFO', {
    headers: call.headers,
    body: { type, bytes: message.body },
  })) ?? { status: 481 };
  if (status >= 300) call.log.info({ status, to: far.label }, 'a DTMF digit was not accepted');
}

async function relayReinvite(call: Call, near: Leg, far: Leg, request: IncomingRequest): Promise<void> {
  if (hasForeignBody(request.message))
    return request.respond(415, { headers: { accept: 'application/sdp' } });
  // One exchange at a time across the whole call: two would cross in the media server (RFC 3261 section 14.1).
  if (call.exchange.isBusy) return request.respond(491);
  const { dialog: nearDialog } = near;
  const { dialog: farDialog } = far;
  if (nearDialog === undefined || farDialog === undefined) return request.respond(481);
  await call.exchange.run(async () => {
    try {
      const offer = sdpOf(request.message);
      if (offer === undefined) await relayWithoutOffer(call, near, far, nearDialog, farDialog, request);
      else await relayOffer(call, near, far, farDialog, request, offer);
    } catch (thrown) {
      refuse(call, request, thrown);
    }
  });
}

/** What cannot be carried costs its request alone: what the media server cannot take is no fault of ours. */
function refuse(call: Call, request: IncomingRequest, thrown: unknown): void {
  const isRefused = thrown instanceof GrecError && REFUSALS.has(thrown.code);
  const { method } = request.message;
  if (isRefused) call.log.warn({ method }, `refused: ${messageOf(thrown)}`);
  else call.log.error({ err: thrown, method }, `not carried: ${messageOf(thrown)}`);
  request.respond(isRefused ? 488 : 500, { headers: call.headers });
}

async function relayOffer(
  call: Call,
  near: Leg,
  far: Leg,
  farDialog: Dialog,
  request: IncomingRequest,
  offer: Buffer,
): Promise<void> {
  const body = far.tell(await call.media.offer(near.label, offer));
  const { response, ack } = await farDialog.reinvite({ headers: call.headers, body });
  if (response.status >= 300) {
    await takeBack(call, near);
    return passRefusal(call, request, response);
  }
  ack();
  const answer = sdpOf(response);
  const answerBody = answer && near.tell(await call.media.answer(far.label, answer));
  near.described = offer;
  far.described = answer ?? far.described;
  request.respond(200, { headers: call.headers, body: answerBody });
  journalHold(call, near, offer);
}

/** The far party has refused: the near one keeps what was agreed before (RFC 3261 section 14.1), the media server too. */
async function takeBack(call: Call, near: Leg): Promise<void> {
  const before = near.described;
  if (before === undefined || !call.media.anchored) return;
  await call.media.offer(near.label, before).catch((thrown: unknown) => {
    call.log.warn(`the media server did not take the offer back: ${messageOf(thrown)}`);
  });
}

function passRefusal(call: Call, request: IncomingRequest, response: SipResponse): void {
  const { status, reason } = statusForCaller(response);
  request.respond(status, { reason, headers: call.headers });
}

/** A re-INVITE without offer asks the far party for one; the answer comes with the near party's ACK. */
async function relayWithoutOffer(
  call: Call,
  near: Leg,
  far: Leg,
  nearDialog: Dialog,
  farDialog: Dialog,
  request: IncomingRequest,
): Promise<void> {
  const { response, ack } = await farDialog.reinvite({ headers: call.headers });
  if (response.status >= 300) return passRefusal(call, request, response);
  const offer = sdpOf(response);
  if (offer === undefined) {
    ack();
    return request.respond(500, { headers: call.headers });
  }
  const offered = await call.media.offer(far.label, offer).catch((thrown: unknown) => {
    ack();
    throw thrown;
  });
  const body = near.tell(offered);
  const acknowledged = new Promise<Buffer | undefined>((resolve) => {
    nearDialog.onAck = (message) => {
      nearDialog.onAck = undefined;
      resolve(sdpOf(message));
    };
  });
  request.respond(200, { headers: call.headers, body });
  const answer = await acknowledged;
  far.described = offer;
  near.described = answer ?? near.described;
  const carried = answer && (await call.media.answer(near.label, answer).catch(() => undefined));
  ack(carried && far.tell(carried));
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

async function relayRequest(call: Call, far: Leg, request: IncomingRequest): Promise<void> {
  const { method, headers, body } = request.message;
  if (method === 'OPTIONS')
    return request.respond(200, { headers: { ...call.headers, allow: ALLOW_IN_CALL } });
  if (!CARRIED.has(method))
    return request.respond(405, { headers: { ...call.headers, allow: ALLOW_IN_CALL } });
  if (far.dialog === undefined) return request.respond(481);
  const type = headers['content-type'];
  const carried = body.length > 0 && typeof type === 'string' ? { type, bytes: body } : undefined;
  const response = await far.dialog.request(method, { headers: call.headers, body: carried });
  if (response.status >= 300) return passRefusal(call, request, response);
  request.respond(response.status, { reason: response.reason, headers: call.headers });
}
