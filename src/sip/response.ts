// Responses made from the request that they answer (RFC 3261 section 8.2.6).
import {
  type Headers,
  type NameAddr,
  NOTHING,
  type Params,
  type SipRequest,
  type SipResponse,
  type Via,
} from './message.ts';
import { emptyParams, emptyRecord } from './scan.ts';

const REASONS: Record<number, string> = {
  100: 'Trying',
  180: 'Ringing',
  181: 'Call Is Being Forwarded',
  182: 'Queued',
  183: 'Session Progress',
  200: 'OK',
  202: 'Accepted',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Moved Temporarily',
  305: 'Use Proxy',
  380: 'Alternative Service',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  410: 'Gone',
  412: 'Conditional Request Failed',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Unsupported URI Scheme',
  420: 'Bad Extension',
  421: 'Extension Required',
  422: 'Session Interval Too Small',
  423: 'Interval Too Brief',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  482: 'Loop Detected',
  483: 'Too Many Hops',
  484: 'Address Incomplete',
  485: 'Ambiguous',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  489: 'Bad Event',
  491: 'Request Pending',
  493: 'Undecipherable',
  500: 'Server Internal Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Server Time-out',
  505: 'Version Not Supported',
  513: 'Message Too Large',
  600: 'Busy Everywhere',
  603: 'Decline',
  604: 'Does Not Exist Anywhere',
  606: 'Not Acceptable',
};

/** What a status means when it is not in the table: its class (RFC 3261 section 8.1.3.2). */
const CLASSES = ['Progress', 'OK', 'Redirected', 'Request Failed', 'Server Failed', 'Declined'];

/** The standard reason phrase of a status, 100 to 699. */
export function reasonPhrase(status: number): string {
  return REASONS[status] ?? CLASSES[Math.floor(status / 100) - 1] ?? 'Unknown';
}

export interface MakeResponseOptions {
  reason?: string | undefined;
  /** The tag for To, used unless the request has one there already. */
  toTag?: string;
  headers?: Record<string, string>;
  body?: { type: string; bytes: Buffer | string } | undefined;
}

/**
 * A response with the headers that it must share with its request, copied, so that neither shows later changes of the
 * other. A provisional or 2xx response to INVITE, SUBSCRIBE or REFER carries the Record-Route (section 12.1.1).
 */
export function makeResponse(
  request: SipRequest,
  status: number,
  options: MakeResponseOptions = {},
): SipResponse {
  const { body } = options;
  const headers = sharedHeaders(request, options.toTag);
  const recordRoute = request.headers['record-route'];
  if (recordRoute !== undefined && formsDialog(request.method, status)) {
    headers['record-route'] = recordRoute.map(copyNameAddr);
  }
  if (body !== undefined) headers['content-type'] = body.type;
  Object.assign(headers, options.headers);
  return {
    version: '2.0',
    status,
    reason: options.reason ?? reasonPhrase(status),
    headers,
    body: bytesOfBody(body?.bytes),
  };
}

function sharedHeaders({ headers }: SipRequest, toTag: string | undefined): Headers {
  const to = copyNameAddr(headers.to);
  if (toTag !== undefined && !to.params['tag']) to.params['tag'] = toTag;
  const shared = emptyRecord();
  shared['via'] = headers.via.map(copyVia);
  shared['from'] = copyNameAddr(headers.from);
  shared['to'] = to;
  shared['call-id'] = headers['call-id'];
  shared['cseq'] = { ...headers.cseq };
  return shared as Headers;
}

function bytesOfBody(bytes: Buffer | string | undefined): Buffer {
  if (bytes === undefined) return NOTHING;
  return typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : Buffer.from(bytes);
}

function formsDialog(method: string, status: number): boolean {
  return (
    status > 100 && status < 300 && (method === 'INVITE' || method === 'SUBSCRIBE' || method === 'REFER')
  );
}

/** A copy that shares nothing with its original. */
export function copyNameAddr(nameAddr: NameAddr): NameAddr {
  const { name, uri, params } = nameAddr;
  return { name, uri, params: copyParams(params) };
}

/** A copy that shares nothing with its original. */
export function copyVia(via: Via): Via {
  const { version, protocol, host, port, params } = via;
  return { version, protocol, host, port, params: copyParams(params) };
}

function copyParams(params: Params): Params {
  const copy = emptyParams();
  for (const name in params) copy[name] = params[name] as string | null;
  return copy;
}
