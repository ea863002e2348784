// Whether two parties can send media to each other without the media server between them.
import { BlockList, isIPv6 } from 'node:net';
import { audioOf, mediaAddress } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import type { Legs } from './call-model.ts';
import type { Leg } from './leg.ts';

const PRIVATE = new BlockList();
PRIVATE.addSubnet('10.0.0.0', 8, 'ipv4');
PRIVATE.addSubnet('172.16.0.0', 12, 'ipv4');
PRIVATE.addSubnet('192.168.0.0', 16, 'ipv4');
PRIVATE.addSubnet('100.64.0.0', 10, 'ipv4');
PRIVATE.addSubnet('169.254.0.0', 16, 'ipv4');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addSubnet('fe80::', 10, 'ipv6');

/** False when a party is behind NAT, as its description shows, or the two speak different versions of IP. */
export function mayGoDirect(legs: Legs): boolean {
  const [one, other] = [placeOf(legs.a), placeOf(legs.b)];
  if (one === undefined || other === undefined) return false;
  if (isIPv6(one) !== isIPv6(other)) return false;
  return !isBehindNat(legs.a, one) && !isBehindNat(legs.b, other);
}

function placeOf({ described }: Leg): string | undefined {
  const parsed = described && parseSdp(described);
  const audio = parsed?.ok ? audioOf(parsed.sdp) : undefined;
  return parsed?.ok && audio !== undefined ? mediaAddress(parsed.sdp, audio)?.address : undefined;
}

/** It names a private address, and its signalling comes from elsewhere. */
function isBehindNat({ source }: Leg, address: string): boolean {
  return (
    address !== source && PRIVATE.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') && !isPrivate(source)
  );
}

function isPrivate(address: string): boolean {
  return PRIVATE.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
