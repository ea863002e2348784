// The headers that we put into messages: Via, Contact, and those that a user adds (RFC 3261 sections 8.1.1 and 20).
import { GrecError } from '../errors.ts';
import type { Channel } from './channel.ts';
import { scanContact, scanMaxForwards, scanNameAddrs, scanUint32 } from './decode-headers.ts';
import type { Headers, NameAddr, SipRequest, Uri, Via } from './message.ts';
import { isStream, transportParams } from './protocol.ts';
import { emptyParams, quote, Scanner } from './scan.ts';
import { newBranch } from './transaction-keys.ts';
import { formatUri, parseUri } from './uri.ts';
import type { Body, ExtraHeaders, Peer } from './user-agent-types.ts';

/** What every user agent of this kind understands; a user that takes more says so. */
export const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE';

/** The methods that have a name in an RFC: others are answered 501, these 405. */
export const KNOWN_METHODS = new Set(
  'INVITE ACK BYE CANCEL OPTIONS REGISTER INFO MESSAGE UPDATE PRACK REFER NOTIFY SUBSCRIBE PUBLISH'.split(
    ' ',
  ),
);

/** Headers that belong to the protocol's own machinery. */
const OURS = new Set(['via', 'from', 'to', 'call-id', 'cseq', 'content-length', 'record-route']);

export function hostOf(address: string): string {
  return address.includes(':') ? `[${address.split('%')[0]}]` : address;
}

/**
 * A Via of ours; `rport` asks for the answer at the port that we send from (RFC 3581), `alias` says that requests to our
 * address may come back over the connection (RFC 5923).
 */
export function topVia(channel: Channel): Via {
  const { protocol, address, port } = channel.local;
  const params = emptyParams();
  params['branch'] = newBranch();
  params['rport'] = null;
  if (isStream(protocol)) params['alias'] = null;
  return {
    version: '2.0',
    protocol: protocol.toUpperCase(),
    host: hostOf(address),
    port,
    params,
  };
}

/**
 * The Contact at which we take requests of a dialog.
 * @param isSecure the dialog is one of SIPS, which every request of it must stay (RFC 3261 section 12.1.1, RFC 5630 section 5)
 */
export function contactAt(user: string | undefined, local: Peer, isSecure = false): NameAddr {
  const { address, port, protocol } = local;
  const host = hostOf(address);
  const uri: Uri = isSecure
    ? { scheme: 'sips', user, host, port, params: emptyParams(), headers: undefined }
    : { scheme: 'sip', user, host, port, params: transportParams(protocol), headers: undefined };
  return { name: undefined, uri: formatUri(uri), params: emptyParams() };
}

/** True when what a request asks for, or the way back to its sender, is SIPS. */
export function isSecure({ uri, headers }: SipRequest): boolean {
  const { contact, 'record-route': recordRoute } = headers;
  const first = recordRoute?.[0] ?? (contact === '*' ? undefined : contact?.[0]);
  return isSips(uri) || (first !== undefined && isSips(first.uri));
}

export function isSips(uri: string): boolean {
  return uri.slice(0, 5).toLowerCase() === 'sips:';
}

/** The user part of a URI as text; undefined when there is none. */
export function userOf(uri: string): string | undefined {
  return parseUri(uri)?.user;
}

/** An address with a tag, or without one. */
export function nameAddr(uri: string, name: string | undefined, tag?: string): NameAddr {
  const params = emptyParams();
  if (tag !== undefined) params['tag'] = tag;
  return { name: name === undefined || name === '' ? undefined : quoted(name), uri, params };
}

function quoted(name: string): string {
  if (name.length > 1 && name.startsWith('"') && name.endsWith('"')) return name;
  return quote(name);
}

/**
 * Adds a user's headers and body to a request.
 * @throws GrecError SIP_INVALID for a header that is ours to write, or one that is malformed
 */
export function addTo(request: SipRequest, headers: ExtraHeaders | undefined, body: Body | undefined): void {
  for (const name in headers) request.headers[name] = parsed(name, headers[name] as string);
  if (body === undefined) return;
  request.headers['content-type'] = body.type;
  request.body = typeof body.bytes === 'string' ? Buffer.from(body.bytes, 'utf8') : body.bytes;
}

function parsed(name: string, value: string): unknown {
  if (OURS.has(name)) throw new GrecError('SIP_INVALID', `the header ${name} cannot be given`);
  const read = READERS.get(name);
  const result = read === undefined ? value : read(new Scanner(value));
  if (result === undefined) throw new GrecError('SIP_INVALID', `malformed ${name}: ${JSON.stringify(value)}`);
  return result;
}

const READERS = new Map<string, (scanner: Scanner) => unknown>([
  ['contact', scanContact],
  ['route', scanNameAddrs],
  ['expires', scanUint32],
  ['max-forwards', scanMaxForwards],
]);

/** Fresh headers of a request outside any dialog. */
export function newHeaders(
  method: string,
  from: NameAddr,
  to: NameAddr,
  callId: string,
  seq: number,
): Headers {
  return { via: [], 'max-forwards': 70, from, to, 'call-id': callId, cseq: { seq, method } };
}
