// What the parties of a call dial as telephone events (RFC 4733): told to the controller, or kept from the other party.
import type { NgAnswer, NgOffer } from '../ng/request.ts';
import { type CallParty, eventTypesOf } from './call-party.ts';

const FEATURE_CODE = /^[0-9A-D*#]{1,8}$/;
const MOST_CODES = 16;

/** What a party may dial that is for the controller alone; once told, it stays. */
export function takeCodes(party: CallParty, request: NgOffer | NgAnswer): void {
  const codes = (request['feature-codes'] ?? [])
    .filter((code) => FEATURE_CODE.test(code))
    .slice(0, MOST_CODES);
  if (codes.length > 0) party.codes ??= codes;
}

/** To be called again whenever the descriptions, the codes or what is blocked have changed. */
export function watchEvents(
  parties: readonly CallParty[],
  onCode: (party: CallParty, code: string) => void,
): void {
  blockEvents(parties);
  const types = eventTypesOf(parties);
  for (const party of parties)
    if (party.codes !== undefined) party.leg.watchCodes(party.codes, types, (code) => onCode(party, code));
}

/** As each party's `isDtmfBlocked` says. */
export function blockEvents(parties: readonly CallParty[]): void {
  const types = eventTypesOf(parties);
  for (const { leg, isDtmfBlocked } of parties)
    if (isDtmfBlocked !== undefined) leg.blockEvents(isDtmfBlocked ? types : undefined);
}
