// Who a party is, as From, To and P-Asserted-Identity say (RFC 3261 section 20, RFC 3325).
import type { NameAddr, SipMessage } from '../sip/message.ts';
import { parseNameAddr } from '../sip/name-addr.ts';
import { parseUri } from '../sip/uri.ts';
import type { CapturedParty } from './call-facts.ts';

const LONGEST_TEXT = 256;

export function partyOf({ name, uri }: NameAddr): CapturedParty {
  const parsed = parseUri(uri);
  const shown = plainName(name);
  return {
    number: clip(parsed?.user ?? parsed?.host ?? uri),
    uri: clip(uri),
    ...(shown === '' ? {} : { name: clip(shown) }),
  };
}

/** The identity that the network vouches for: it goes before a From that is anonymous or the phone's own idea. */
export function assertedParty({ headers }: SipMessage): CapturedParty | undefined {
  const header = headers['p-asserted-identity'];
  if (typeof header !== 'string' || header.length > 4096) return undefined;
  // A SIP and a tel URI may stand side by side; the first one tells enough.
  const end = header.indexOf('>');
  const first = parseNameAddr(header) ?? parseNameAddr(header.slice(0, end + 1));
  return first && partyOf(first);
}

function plainName(name: string | undefined): string {
  const text = name ?? '';
  return (text.startsWith('"') ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : text).trim();
}

function clip(text: string): string {
  return text.slice(0, LONGEST_TEXT);
}
