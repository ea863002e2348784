// What happens within an answered call: re-INVITEs and INFO are carried from one leg to the other.
import { messageOf } from '../errors.ts';
import { audioOf, directionOf } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import type { Dialog, IncomingRequest } from '../sip/user-agent.ts';
import type { Call, Leg } from './call.ts';
import { hasForeignBody, sdpOf, withSdp } from './sdp-body.ts';

/** Requests that concern only the parties: their bodies pass untouched. */
const CARRIED = new Set(['INFO', 'MESSAGE']);
const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE';

/** Joins the two dialogs of an answered call. */
export function relayInDialog(call: Call): void {
  const relay = { busy: false };
  for (const [near, far] of [
    [call.legs.a, call.legs.b],
    [call.legs.b, call.legs.a],
  ] as const) {
    if (near.dialog === undefined) continue;
    near.dialog.onReinvite = (request) => void relayReinvite(call, near, far, request, relay);
    near.dialog.onRequest = (request) => void relayRequest(call, far, request);
  }
}

async function relayReinvite(
  call: Call,
  near: Leg,
  far: Leg,
  request: IncomingRequest,
  relay: { busy: boolean },
): Promise<void> {
  if (hasForeignBody(request.message))
    return request.respond(415, { headers: { accept: 'application/sdp' } });
  // One exchange at a time across the whole call: two would cross in the media server (RFC 3261 section 14.1).
  if (relay.busy) return request.respond(491);
  if (near.dialog === undefined || far.dialog === undefined) return request.respond(481);
  relay.busy = true;
  try {
    const offer = sdpOf(request.message);
    if (offer === undefined) await relayWithoutOffer(call, near, far, near.dialog, far.dialog, request);
    else await relayOffer(call, near, far, far.dialog, request, offer);
  } catch (thrown) {
    call.log.error({ err: thrown }, `re-INVITE failed: ${messageOf(thrown)}`);
    request.respond(500);
  } finally {
    relay.busy = false;
  }
}

async function relayOffer(
  call: Call,
  near: Leg,
  far: Leg,
  farDialog: Dialog,
  request: IncomingRequest,
  offer: Buffer,
): Promise<void> {
  const body = withSdp(await call.media.offer(near.label, offer));
  const { response, ack } = await farDialog.reinvite({ headers: call.headers, body });
  if (response.status >= 300)
    return request.respond(response.status, { reason: response.reason, headers: call.headers });
  ack();
  const answer = sdpOf(response);
  const answerBody = answer && withSdp(await call.media.answer(far.label, answer));
  request.respond(200, { headers: call.headers, body: answerBody });
  journalHold(call, near, offer);
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
  if (response.status >= 300)
    return request.respond(response.status, { reason: response.reason, headers: call.headers });
  const offer = sdpOf(response);
  if (offer === undefined) {
    ack();
    return request.respond(500, { headers: call.headers });
  }
  const offered = await call.media.offer(far.label, offer).catch((thrown: unknown) => {
    ack();
    throw thrown;
  });
  const body = withSdp(offered);
  const acknowledged = new Promise<Buffer | undefined>((resolve) => {
    nearDialog.onAck = (message) => resolve(sdpOf(message));
  });
  request.respond(200, { headers: call.headers, body });
  const answer = await acknowledged;
  const carried = answer && (await call.media.answer(near.label, answer).catch(() => undefined));
  ack(carried && withSdp(carried));
}

function journalHold(call: Call, near: Leg, offer: Buffer): void {
  const parsed = parseSdp(offer);
  const audio = parsed.ok ? audioOf(parsed.sdp) : undefined;
  if (!parsed.ok || audio === undefined) return;
  const direction = directionOf(audio, parsed.sdp);
  const isHeld = direction === 'sendonly' || direction === 'inactive';
  if (isHeld === call.held[near.label]) return;
  call.held[near.label] = isHeld;
  call.context.journal({ type: isHeld ? 'call.held' : 'call.retrieved', call: call.id, label: near.label });
}

async function relayRequest(call: Call, far: Leg, request: IncomingRequest): Promise<void> {
  const { method, headers, body } = request.message;
  if (method === 'OPTIONS') return request.respond(200, { headers: { ...call.headers, allow: ALLOW } });
  if (!CARRIED.has(method)) return request.respond(405, { headers: { ...call.headers, allow: ALLOW } });
  if (far.dialog === undefined) return request.respond(481);
  const type = headers['content-type'];
  const carried = body.length > 0 && typeof type === 'string' ? { type, bytes: body } : undefined;
  const response = await far.dialog.request(method, { headers: call.headers, body: carried });
  request.respond(response.status, { reason: response.reason, headers: call.headers });
}
