// SRTP between the parties of a call: what each is offered, and when the media server has to stand between (RFC 4568, RFC 8643).
import type { SettingDefaults, SrtpWord } from '../dn-settings.ts';
import { GrecError } from '../errors.ts';
import type { NgOffer } from '../ng/request.ts';
import { isCrypto } from '../sdp/crypto.ts';
import { audioOf, isSecure } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import type { SessionDescription } from '../sdp/session-description.ts';
import type { Call } from './call.ts';
import type { CallContext, CallParty, Legs } from './call-model.ts';
import { policyOf } from './dn-policy.ts';
import type { DnStore } from './dn-store.ts';
import type { Leg } from './leg.ts';
import type { Trunks } from './trunks.ts';

/** What a description speaks: plain RTP, SRTP, or plain RTP with keys, which leaves the choice. */
export type Spoken = 'plain' | 'srtp' | 'either';

/** @returns undefined when there is no description, or no audio in it */
export function spokenIn(sdp: Buffer | undefined): Spoken | undefined {
  const parsed = sdp && parseSdp(sdp);
  const audio = parsed?.ok ? audioOf(parsed.sdp) : undefined;
  if (audio === undefined) return undefined;
  if (isSecure(audio)) return 'srtp';
  return audio.attributes.some(isCrypto) ? 'either' : 'plain';
}

/** What the media server is told of the party that gets an offer. */
const TOLD: Record<SrtpWord, Pick<NgOffer, 'transport protocol' | 'OSRTP'>> = {
  pass: {},
  off: { 'transport protocol': 'RTP/AVP', OSRTP: ['off'] },
  offer: { 'transport protocol': 'RTP/AVP', OSRTP: ['offer'] },
  require: { 'transport protocol': 'RTP/SAVP' },
};

export function towards(word: SrtpWord): Pick<NgOffer, 'transport protocol' | 'OSRTP'> {
  return TOLD[word];
}

/** What may be offered as it is to a party of which this is said. */
const AS_IT_IS: Record<SrtpWord, readonly Spoken[]> = {
  pass: ['plain', 'srtp', 'either'],
  off: ['plain'],
  offer: ['either'],
  require: ['srtp'],
};

type Words = Pick<CallContext, 'srtpOf'>;
type Speaker = Pick<Leg, 'party'> & Partial<Pick<Leg, 'srtp' | 'described'>>;

export function wordOf({ srtpOf }: Words, { srtp, party }: Speaker): SrtpWord {
  return srtp ?? srtpOf?.(party) ?? 'pass';
}

/** Of several of whom one will answer: what the most careful of them wants. */
export function strictest({ srtpOf }: Words, parties: readonly CallParty[]): SrtpWord | undefined {
  const words = parties.map((party) => srtpOf?.(party) ?? 'pass');
  return (['require', 'offer', 'pass', 'off'] as const).find((word) => words.includes(word));
}

/**
 * True when the parties cannot be shown each other's descriptions: one is to be offered something else than the other offers, or
 * leaves the choice to one that could choose plain RTP.
 * @param offer of `from`; undefined when it makes none, and `to` will
 */
export function isConverted(context: Words, from: Speaker, offer: Buffer | undefined, to: Speaker): boolean {
  const [offerer, answerer] = [wordOf(context, from), wordOf(context, to)];
  if (offerer === 'pass' && answerer === 'pass') return false;
  const spoken = spokenIn(offer);
  if (spoken === undefined) return true;
  return !AS_IT_IS[answerer].includes(spoken) || (offerer === 'require' && spoken === 'either');
}

/** True when a call must not go direct: see {@link isConverted}. */
export function mustStayAnchored(context: Words, { a, b }: Legs): boolean {
  return isConverted(context, a, a.described, b) || isConverted(context, b, b.described, a);
}

/**
 * True when keys are agreed with a party: its direct peer would have to be told each time that one changes, so it is left with the
 * media server once it is there.
 */
export function hasKeys({ described }: Pick<Leg, 'described'>): boolean {
  return described?.includes('a=crypto:') === true && spokenIn(described) !== 'plain';
}

/**
 * The offer of a party as the media server may take it: where SRTP is required, plain lines beside it are refused.
 * @throws GrecError SDP_INVALID when nothing else is offered
 */
export function asRequired(sdp: SessionDescription, word: SrtpWord): SessionDescription {
  if (word !== 'require') return sdp;
  const isPlain = ({ protocol }: SessionDescription['media'][number]) => /^RTP\/AVPF?$/i.test(protocol);
  const media = sdp.media.map((one) =>
    isPlain(one) && !one.attributes.some(isCrypto) ? { ...one, port: 0 } : one,
  );
  const secured = { ...sdp, media };
  if (audioOf(secured) === undefined) throw srtpRequired();
  return secured;
}

export function srtpRequired(): GrecError {
  return new GrecError('SDP_INVALID', 'SRTP is required, and plain RTP is offered', {
    hint: 'switch SRTP on in the telephone, or set srtp to another value than require (man grec-dn)',
  });
}

/** True for an offer that the policy forbids, whoever it goes to. */
export function isForbidden(context: Words, from: Speaker, sdp: Buffer | undefined): boolean {
  if (wordOf(context, from) !== 'require') return false;
  const parsed = sdp && parseSdp(sdp);
  if (parsed === undefined || !parsed.ok) return false;
  try {
    asRequired(parsed.sdp, 'require');
    return false;
  } catch {
    return true;
  }
}

/** What is said of SRTP with a party: its DN, or whoever is logged in there, its trunk, or the defaults. */
export function srtpSaidOf(
  { dn, trunk }: CallParty,
  { store, trunks, defaults }: { store: DnStore; trunks: Trunks; defaults?: SettingDefaults | undefined },
): SrtpWord {
  if (trunk !== undefined) return trunks.find(trunk)?.config.srtp ?? 'pass';
  const known = dn === undefined ? undefined : store.dn(dn);
  if (known === undefined) return 'pass';
  const login = store.logins.at(known.number);
  return policyOf(known, login && store.dn(login.agent), defaults).srtp;
}

/** Keys that went over anything but TLS are known to whoever read them on their way (RFC 4568 section 8). */
export function warnOfKeysInClear({ legs, local, plan, log }: Call): void {
  const ways = [
    [legs.a, local.protocol],
    [legs.b, plan.route.peer.protocol],
  ] as const;
  for (const [leg, protocol] of ways) {
    if (protocol === 'tls' || !hasKeys(leg)) continue;
    log.warn(
      { event: 'srtp-keys-in-clear', party: leg.party.number, protocol, hint: 'let it signal by TLS' },
      'the keys of SRTP went in clear: whoever reads the signalling can hear the call',
    );
  }
}
