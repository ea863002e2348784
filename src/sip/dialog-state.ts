// The state of a dialog and the requests that follow from it (RFC 3261 sections 12.1 and 12.2): pure, no timers, no sockets.
import { type Headers, type NameAddr, NOTHING, type SipRequest, type SipResponse } from './message.ts';
import { emptyParams } from './scan.ts';
import { formatUri, parseUri } from './uri.ts';

export interface DialogData {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  /** From of our requests, tag included. */
  readonly local: NameAddr;
  /** To of our requests, tag included. */
  readonly remote: NameAddr;
  /** Fixed when the dialog is confirmed: the 2xx may say another one than the provisional responses did (section 13.2.2.4). */
  routeSet: readonly NameAddr[];
  /** The URI at which the peer is reached; a re-INVITE may change it. */
  remoteTarget: string;
  /** The number of our last request. */
  localSeq: number;
  /** The number of the peer's last request; undefined before its first one. */
  remoteSeq: number | undefined;
}

/** The dialog that a response to our INVITE makes (section 12.1.2). The route set is the response's, in reverse. */
export function dialogOfCaller(invite: SipRequest, response: SipResponse): DialogData {
  const { from, to } = response.headers;
  return {
    callId: invite.headers['call-id'],
    localTag: from.params['tag'] ?? '',
    remoteTag: to.params['tag'] ?? '',
    local: invite.headers.from,
    remote: to,
    routeSet: routeSetOfCaller(response),
    remoteTarget: contactOf(response) ?? invite.uri,
    localSeq: invite.headers.cseq.seq,
    remoteSeq: undefined,
  };
}

/** The route set that a response to our INVITE says. */
export function routeSetOfCaller(response: SipResponse): NameAddr[] {
  return [...(response.headers['record-route'] ?? [])].reverse();
}

/** The dialog that our response to an INVITE makes (section 12.1.1). The route set is the request's, in its order. */
export function dialogOfCallee(invite: SipRequest, localTag: string): DialogData {
  const { from, to, cseq } = invite.headers;
  return {
    callId: invite.headers['call-id'],
    localTag,
    remoteTag: from.params['tag'] ?? '',
    local: { ...to, params: withTag(to, localTag) },
    remote: from,
    routeSet: invite.headers['record-route'] ?? [],
    remoteTarget: contactOf(invite) ?? from.uri,
    localSeq: 0,
    remoteSeq: cseq.seq,
  };
}

function withTag(address: NameAddr, tag: string): NameAddr['params'] {
  return Object.assign(emptyParams(), address.params, { tag });
}

/** The URI of the one Contact of a message, or undefined. */
export function contactOf(message: SipRequest | SipResponse): string | undefined {
  const contact = message.headers.contact;
  return contact === undefined || contact === '*' ? undefined : contact[0]?.uri;
}

/** A request within the dialog (section 12.2.1.1), without its Via and Contact. */
export function requestInDialog(dialog: DialogData, method: string, seq: number): SipRequest {
  const { uri, route } = aim(dialog);
  const headers: Headers = {
    via: [],
    'max-forwards': 70,
    from: dialog.local,
    to: dialog.remote,
    'call-id': dialog.callId,
    cseq: { seq, method },
  };
  if (route.length > 0) headers.route = route;
  return { version: '2.0', method, uri, headers, body: NOTHING };
}

/** Request-URI and Route: a first route without `lr` is a strict router, which wants to stand in the Request-URI. */
function aim(dialog: DialogData): { uri: string; route: NameAddr[] } {
  const [first, ...rest] = dialog.routeSet;
  if (first === undefined) return { uri: dialog.remoteTarget, route: [] };
  const uri = parseUri(first.uri);
  if (uri === undefined || 'lr' in uri.params)
    return { uri: dialog.remoteTarget, route: [...dialog.routeSet] };
  const target: NameAddr = { name: undefined, uri: dialog.remoteTarget, params: emptyParams() };
  return { uri: asRequestUri(first.uri), route: [...rest, target] };
}

/** A URI without what a Request-URI may not hold: `method` and headers (section 19.1.1). */
function asRequestUri(text: string): string {
  const uri = parseUri(text);
  if (uri === undefined || (uri.headers === undefined && !('method' in uri.params))) return text;
  const params = Object.assign(Object.create(null), uri.params);
  delete params.method;
  return formatUri({ ...uri, params, headers: undefined });
}

/** The URI of the next hop of a request (section 8.1.2): its first loose route, else its Request-URI. */
export function nextHop(request: SipRequest): string {
  const first = request.headers.route?.[0];
  if (first === undefined) return request.uri;
  const uri = parseUri(first.uri);
  return uri !== undefined && 'lr' in uri.params ? first.uri : request.uri;
}
