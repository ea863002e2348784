// A party of a call on the media server: its tag, its leg, and what it has described.
import { isIPv6 } from 'node:net';
import { GrecError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { microsNow } from '../spool/clock.ts';
import { CopiedTypes } from '../spool/copied-types.ts';
import type { Format } from '../spool/segment.ts';
import { CryptoExchange } from './crypto-exchange.ts';
import type { Description } from './description.ts';
import type { Leg } from './io/engine.ts';

/** A party, which the ng protocol knows by its tag. Its packets arrive at its own leg, whoever else comes and goes. */
export interface CallParty {
  /** Empty until the party has answered, when the offer did not name it. */
  tag: string;
  leg: Leg;
  description: Description | undefined;
  /** The feature codes that it may dial. */
  codes?: readonly string[];
  /** Its telephone events go no further, and into no recording. */
  isDtmfBlocked?: boolean;
  /** The consent tone cannot be played to it, which has been told. */
  isToneRefused?: boolean;
  /** Of what it sends: for recordings without DTMF. */
  copied: CopiedTypes;
  /** Its keys, as it describes them. */
  crypto: CryptoExchange;
  /** Seconds since 1970. */
  created: number;
}

export function newParty(tag: string, leg: Leg): CallParty {
  return {
    tag,
    leg,
    description: undefined,
    copied: new CopiedTypes(),
    crypto: new CryptoExchange(),
    created: secondsNow(),
  };
}

/** The other one of the two. */
export function otherOf(parties: readonly CallParty[], party: CallParty): CallParty {
  const other = parties.find((one) => one !== party);
  if (other === undefined) throw new GrecError('INTERNAL', 'a call has one party only');
  return other;
}

/** A party sends what the other one's description binds (RFC 3264 section 6.1); its own stands in for the rest. */
export function formatsSentBy(party: CallParty, other: CallParty): Format[] {
  const wanted = other.description?.formats ?? [];
  const own = party.description?.formats ?? [];
  const types = new Set(wanted.map(({ payloadType }) => payloadType));
  return [...wanted, ...own.filter(({ payloadType }) => !types.has(payloadType))];
}

/** By what the descriptions of the time call telephone events. */
export function eventTypesOf(parties: readonly CallParty[]): number[] {
  return parties.flatMap(({ description }) =>
    (description?.formats ?? []).flatMap(({ encoding, payloadType }) =>
      encoding === 'TELEPHONE-EVENT' ? [payloadType] : [],
    ),
  );
}

/**
 * Its ports were shown to the party when the call began, and nothing of the other family comes to them.
 * @throws GrecError NG_REFUSED
 */
export function refuseOtherFamily({ address }: Leg, { remote }: Description): void {
  const isHold = /^[0.:]+$/.test(remote.address);
  if (!isHold && isIPv6(address) !== isIPv6(remote.address))
    throw refused(`the party was shown ${address}, and names ${remote.address}: different families`);
}

/** One-way audio that looks like an address that cannot be right is worth a line. */
export function warnOfSilence(parties: readonly CallParty[], log: Logger): void {
  for (const { tag, leg, description } of parties) {
    if (leg.strangers === 0 || leg.rtp.packets > 0) continue;
    log.warn(
      { tag, strangers: leg.strangers, expected: description?.remote.address },
      'no packet came from where the description said, and some from elsewhere',
    );
  }
}

/** Seconds since 1970, by the clock of the packets: a wall clock that is set must not make calls look silent for an hour. */
export function secondsNow(): number {
  return Math.floor(microsNow() / 1e6);
}

export function refused(message: string): GrecError {
  return new GrecError('NG_REFUSED', message);
}
