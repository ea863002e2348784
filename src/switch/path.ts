// The proxies through which a phone registered, and through which calls to it must go (RFC 3327).
import { hostOf } from '../sip/compose.ts';
import { scanNameAddrs } from '../sip/decode-headers.ts';
import type { NameAddr, SipRequest } from '../sip/message.ts';
import { defaultPort, isStream } from '../sip/protocol.ts';
import { Scanner } from '../sip/scan.ts';
import { parseUri } from '../sip/uri.ts';
import type { Peer } from '../sip/user-agent.ts';
import type { Registration } from './dn-store.ts';

const MOST_PROXIES = 8;
/** Characters; it goes into every call to the phone. */
const LONGEST_PATH = 1024;

/**
 * The Path of a REGISTER as it stood, null when it came without one; undefined when it cannot be followed: malformed, too
 * long, or with a proxy that does no loose routing (RFC 3327 section 4).
 */
export function pathOf({ headers }: SipRequest): string | null | undefined {
  const path = headers['path'];
  if (path === undefined) return null;
  if (typeof path !== 'string' || path.length > LONGEST_PATH) return undefined;
  const proxies = proxiesOf(path);
  const isUsable = proxies !== undefined && proxies.length <= MOST_PROXIES && proxies.every(isLooseRouter);
  return isUsable ? path : undefined;
}

function proxiesOf(path: string): NameAddr[] | undefined {
  return scanNameAddrs(new Scanner(path));
}

function isLooseRouter({ uri }: NameAddr): boolean {
  const parsed = parseUri(uri);
  return parsed !== undefined && parsed.scheme !== 'tel' && 'lr' in parsed.params;
}

/**
 * Where a call to a contact goes first: to the source of its REGISTER, and nowhere else, whatever its Path says. The port
 * from which a proxy opened its connection takes none, so a new one goes to the port that the Path names.
 */
export function firstHop({ path, protocol, address, port }: Registration): Peer {
  const source: Peer = { protocol, address, port };
  const [first] = (path && proxiesOf(path)) || [];
  if (first === undefined || !isStream(protocol)) return source;
  const uri = parseUri(first.uri);
  if (uri?.host !== hostOf(address)) return source;
  return { protocol, address, port: uri.port ?? defaultPort(protocol) };
}
