// What happens within a call: its two dialogs are joined, and requests carried from one to the other.

import type { FeatureCodes } from '../feature-codes.ts';
import { KNOWN_METHODS } from '../sip/compose.ts';
import type { SipMessage } from '../sip/message.ts';
import type { Body, ExtraHeaders, IncomingRequest } from '../sip/user-agent.ts';
import type { Call } from './call.ts';
import { isAgent } from './leg.ts';
import {
  type Feature,
  featureCodesOf,
  readDtmf,
  readRecordButton,
  requestByPhone,
} from './phone-requests.ts';
import { passRefusal, refuse, relayReinvite, relayUpdate, type Side } from './relay-offer.ts';
import { receiveRefer } from './transfer.ts';

/** What a party may send within a call. */
export const ALLOW_IN_CALL = 'INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, NOTIFY, REFER';

/** Requests that concern only the parties: their bodies pass untouched. */
const CARRIED = new Set(['INFO', 'MESSAGE', 'NOTIFY']);
/** Headers without which the body or its purpose would not be understood (RFC 3261 section 20, RFC 6086, RFC 6665). */
const CARRIED_HEADERS = [
  'accept',
  'content-disposition',
  'content-encoding',
  'content-language',
  'date',
  'event',
  'info-package',
  'mime-version',
  'recv-info',
  'subject',
  'subscription-state',
];
const DEFAULT_MAX_FORWARDS = 70;

/** Joins the two dialogs of an answered call. */
export function relayInDialog(call: Call): void {
  const { a, b } = call.legs;
  if (a.dialog !== undefined && b.dialog !== undefined)
    joinDialogs(call, { leg: a, dialog: a.dialog }, { leg: b, dialog: b.dialog });
}

/** Carries from here on what comes in either dialog, early ones too. */
export function joinDialogs(call: Call, one: Side, other: Side): void {
  carry(call, one, other);
  carry(call, other, one);
}

function carry(call: Call, near: Side, far: Side): void {
  near.dialog.onReinvite = (request) => void relayReinvite(call, near, far, request);
  near.dialog.onUpdate = (request) => void relayUpdate(call, near, far, request);
  let codes: FeatureCodes<Feature> | undefined;
  near.dialog.onRequest = (request) => {
    if (request.message.method === 'REFER') return void receiveRefer(call, near, request);
    if (request.message.method === 'INFO') {
      codes ??= featureCodesOf(call, near.leg);
      if (takeInfo(call, near, far, request, codes)) return;
    }
    relayRequest(call, near, far, request).catch((thrown: unknown) => refuse(call, near, request, thrown));
  };
}

/** @returns whether an agent's INFO was meant for the switch: its record button, or a digit that may be of a feature code */
function takeInfo(
  call: Call,
  near: Side,
  far: Side,
  request: IncomingRequest,
  codes: FeatureCodes<Feature>,
): boolean {
  if (!isAgent(near.leg)) return false;
  const operation = readRecordButton(request.message);
  const digit = operation === undefined ? readDtmf(request.message) : undefined;
  if (operation !== undefined) requestByPhone(call, near.leg, operation, 'record button');
  else if (digit !== undefined) codes.dial(digit, () => void passDigit(call, far, request));
  else return false;
  // A digit that is held back cannot wait for the other party's answer.
  request.respond(200, { headers: call.headersTo(near.leg.label) });
  return true;
}

async function passDigit(call: Call, far: Side, { message }: IncomingRequest): Promise<void> {
  const headers = { ...call.headersTo(far.leg.label), ...carriedHeaders(message) };
  const { status } = await far.dialog.request('INFO', { headers, body: bodyOf(message) });
  if (status >= 300) call.log.info({ status, to: far.leg.label }, 'a DTMF digit was not accepted');
}

async function relayRequest(call: Call, near: Side, far: Side, request: IncomingRequest): Promise<void> {
  const { message } = request;
  const { method, headers } = message;
  const own = call.headersTo(near.leg.label);
  const allow = { ...own, allow: ALLOW_IN_CALL };
  if (method === 'OPTIONS') return request.respond(200, { headers: allow });
  if (!CARRIED.has(method)) return request.respond(KNOWN_METHODS.has(method) ? 405 : 501, { headers: allow });
  const maxForwards = (headers['max-forwards'] ?? DEFAULT_MAX_FORWARDS) - 1;
  if (maxForwards < 0) return request.respond(483, { headers: own });
  const response = await far.dialog.request(method, {
    headers: {
      ...call.headersTo(far.leg.label),
      ...carriedHeaders(message),
      'max-forwards': String(maxForwards),
    },
    body: bodyOf(message),
  });
  if (response.status >= 300) return passRefusal(call, near, request, response);
  const { status, reason } = response;
  request.respond(status, {
    reason,
    headers: { ...own, ...carriedHeaders(response) },
    body: bodyOf(response),
  });
}

function carriedHeaders({ headers }: SipMessage): ExtraHeaders {
  const carried: ExtraHeaders = {};
  for (const name of CARRIED_HEADERS) {
    const value = headers[name];
    if (typeof value === 'string') carried[name] = value;
  }
  return carried;
}

function bodyOf({ headers, body }: SipMessage): Body | undefined {
  const type = headers['content-type'];
  return body.length > 0 && typeof type === 'string' ? { type, bytes: body } : undefined;
}
