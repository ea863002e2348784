// What the controller says of the protocol towards a party, as rtpengine has it: "transport protocol", SDES and OSRTP flags.
import { GrecError } from '../errors.ts';
import type { NgOffer } from '../ng/request.ts';
import { SRTP_SUITES, type SrtpSuite } from '../rtp/srtp-suite.ts';
import { isCrypto } from '../sdp/crypto.ts';
import { isSecure } from '../sdp/offer-answer.ts';
import type { MediaDescription } from '../sdp/session-description.ts';
import type { Offered } from './crypto-exchange.ts';

/** How the other party is offered its audio. */
export interface Outgoing {
  protocol: string;
  kind: Offered;
  suites: readonly SrtpSuite[];
}

const PROTOCOLS = ['RTP/AVP', 'RTP/AVPF', 'RTP/SAVP', 'RTP/SAVPF'];
const OFF = new Set(['off', 'no', 'disable']);

/**
 * Without a word of the controller what was offered is passed on as it was: SRTP with keys of our own, plain RTP with or without.
 * @throws GrecError NG_REFUSED for a protocol that is not spoken here, or SRTP without a suite
 */
export function outgoingProtocol(request: NgOffer, audio: MediaDescription): Outgoing {
  const wanted = request['transport protocol']?.toUpperCase();
  const protocol = wanted ?? audio.protocol;
  if (wanted !== undefined && !PROTOCOLS.includes(wanted))
    throw new GrecError(
      'NG_REFUSED',
      `the transport protocol ${JSON.stringify(wanted.slice(0, 40))} is not spoken here`,
      {
        hint: `one of ${PROTOCOLS.join(', ')}`,
      },
    );
  const suites = suitesFor(words(request, 'SDES'));
  const isSrtp = isSecure({ ...audio, protocol });
  if (isSrtp && suites.length === 0)
    throw new GrecError('NG_REFUSED', 'SRTP is wanted, and every suite of it is switched off');
  if (isSrtp) return { protocol, kind: 'srtp', suites };
  const isEither = suites.length > 0 && isChoiceOffered(request, audio);
  return { protocol, kind: isEither ? 'either' : 'plain', suites };
}

/** RTP/AVP with keys: asked for, or passed on. */
function isChoiceOffered(request: NgOffer, audio: MediaDescription): boolean {
  const said = words(request, 'OSRTP');
  if (said.some((word) => OFF.has(word))) return false;
  if (said.includes('offer')) return true;
  return request['transport protocol'] === undefined && audio.attributes.some(isCrypto);
}

/** Of a flag that rtpengine takes as a list of its own (`SDES: [off]`) and among the flags (`SDES-off`). */
function words(request: NgOffer, name: 'SDES' | 'OSRTP'): string[] {
  const prefix = `${name}-`;
  const flags = (request.flags ?? []).filter((flag) => flag.startsWith(prefix));
  return [...(request[name] ?? []), ...flags.map((flag) => flag.slice(prefix.length))];
}

/** `off`; `no-SUITE` for each that is not wanted, or `only-SUITE` for those that are. */
function suitesFor(said: readonly string[]): readonly SrtpSuite[] {
  if (said.some((word) => OFF.has(word))) return [];
  const only = said.filter((word) => word.startsWith('only-')).map((word) => word.slice('only-'.length));
  return SRTP_SUITES.filter(({ name }) => !said.includes(`no-${name}`)).filter(
    ({ name }) => only.length === 0 || only.includes(name),
  );
}
