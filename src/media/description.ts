// What the media server takes from a party's session description, and what it makes of it for the other party (RFC 3264).
import { BlockList, isIP, isIPv6 } from 'node:net';
import { GrecError } from '../errors.ts';
import { hasFlag, type NgAnswer, type NgOffer } from '../ng/request.ts';
import { withProtocol } from '../sdp/crypto.ts';
import { audioOf, mediaAddress, redirectAudio, rtpFormats } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import { printSdp } from '../sdp/print.ts';
import { connectionTo } from '../sdp/redirect.ts';
import { selectFormats } from '../sdp/select-formats.ts';
import type { Attribute, MediaDescription, SessionDescription } from '../sdp/session-description.ts';
import type { Format } from '../spool/segment.ts';
import type { Leg, Remote } from './io/engine.ts';

export interface Description {
  sdp: SessionDescription;
  /** Where the party wants its media, and where its own is expected from. */
  remote: Remote;
  /** What the party wants to receive, so what the other one sends. */
  formats: Format[];
  /** The line that carries the call. */
  audio: MediaDescription;
}

/**
 * Reads the description in an ng request.
 * @param addresses our own media addresses, one of which must be of the party's family
 * @throws GrecError SDP_INVALID with the reason
 */
export function readDescription(request: NgOffer | NgAnswer, addresses: readonly string[]): Description {
  const parsed = parseSdp(request.sdp);
  if (!parsed.ok) throw refused(parsed.reason);
  const { sdp } = parsed;
  const audio = audioOf(sdp);
  if (audio === undefined) throw refused('it has no active audio over RTP');
  const place = mediaAddress(sdp, audio);
  if (place === undefined) throw refused('no c= line covers its audio');
  const [, alsoFrom] = request['received-from'] ?? [];
  const isSignalling = hasFlag(request, 'SIP-source-address');
  const host = request['media address'] ?? (isSignalling ? alsoFrom : undefined) ?? place.address;
  checkHost(host, addresses);
  const remote: Remote = { address: canonical(host), rtpPort: place.rtpPort, rtcpPort: place.rtcpPort };
  if (alsoFrom !== undefined && isIP(alsoFrom) !== 0) remote.alsoFrom = canonical(alsoFrom);
  return { sdp: choose(request, sdp), remote, formats: rtpFormats(audio), audio };
}

/** What the other party is shown of an offer: the encodings that the controller leaves in it. */
function choose({ command, codec }: NgOffer | NgAnswer, sdp: SessionDescription): SessionDescription {
  if (command !== 'offer' || codec === undefined) return sdp;
  const { strip = [], mask = [], except = [], offer: first = [] } = codec;
  const chosen = selectFormats(sdp, { strip: [...strip, ...mask], except, first });
  if (chosen === undefined) throw refused('none of its encodings is left by the codec flags');
  return chosen;
}

function checkHost(host: string, addresses: readonly string[]): void {
  if (isIP(host) === 0) throw refused(`its address ${host} is not numeric`);
  if (!addresses.some((address) => isReachable(host, address)))
    throw refused(`nothing may be sent to its address ${host}`);
  if (addressFor(isIPv6(host), addresses) === undefined) {
    const own = addresses.join(' and ');
    throw refused(`its address ${host} and the media server's, ${own}, are of different families`);
  }
}

/** Our address of a family. */
export function addressFor(isV6: boolean, addresses: readonly string[]): string | undefined {
  return addresses.find((address) => isIPv6(address) === isV6);
}

const MULTICAST = new BlockList();
MULTICAST.addSubnet('224.0.0.0', 3, 'ipv4');
MULTICAST.addSubnet('ff00::', 8, 'ipv6');
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
// What IPv6 makes of IPv4 would pass both.
LOOPBACK.addSubnet('::ffff:0:0', 96, 'ipv6');

/** Neither groups, nor services of this machine that listen on loopback because they trust who reaches them. */
function isReachable(host: string, address: string): boolean {
  const family = isIPv6(host) ? 'ipv6' : 'ipv4';
  if (MULTICAST.check(host, family)) return false;
  return !LOOPBACK.check(host, family) || LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** The one text form in which sockets show an address too. */
function canonical(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address.split('%', 1)[0]}]/`).hostname.slice(1, -1) : address;
}

function refused(reason: string): GrecError {
  return new GrecError('SDP_INVALID', `the session description cannot be used: ${reason}`, {
    hint: 'the party must offer or accept one audio line over RTP or SRTP with a numeric address',
  });
}

/**
 * The description for the other party, which sends to its own `leg`, over a protocol and with keys of its own.
 * @param replace `origin`: the address of the o= line is ours too, so that it is of the party's family, and hides the other's
 */
export function describeFor(
  leg: Leg,
  { sdp }: Description,
  { protocol, attributes }: { protocol: string; attributes: readonly Attribute[] },
  replace: readonly string[] = [],
): string {
  const moved = redirectAudio(sdp, leg);
  const redirected = withProtocol(moved, audioOf(moved), protocol, attributes);
  if (!replace.includes('origin')) return printSdp(redirected);
  return printSdp({ ...redirected, origin: { ...redirected.origin, ...connectionTo(leg.address) } });
}
