// The SIP message model: the shapes of the `sip` package, typed and closed (RFC 3261 section 7).

/** Parameters of a header or URI: lower-case names; null for a parameter without a value. No prototype. */
export type Params = Record<string, string | null>;

/** A URI taken apart (RFC 3261 section 19.1, RFC 3966 for tel). `host` keeps the brackets of an IPv6 address. */
export interface Uri {
  scheme: 'sip' | 'sips' | 'tel';
  /** User part with escapes resolved; for tel the number. Undefined when there is none. */
  user: string | undefined;
  /** Deprecated, and kept only so that a URI prints as it came (RFC 3261 section 19.1.1). */
  password?: string;
  host: string;
  port: number | undefined;
  params: Params;
  /** What stands behind `?`, undecoded; undefined when there is none. */
  headers: string | undefined;
}

export interface NameAddr {
  /** Display name as it stood, quotes included; undefined when there is none. */
  name: string | undefined;
  /** The URI as it stood, without angle brackets. */
  uri: string;
  params: Params;
}

export interface Via {
  version: string;
  /** Upper case: UDP, TCP, TLS. */
  protocol: string;
  host: string;
  port: number | undefined;
  params: Params;
}

export interface CSeq {
  seq: number;
  method: string;
}

/** A challenge or credentials: `scheme` and its parameters, values as they stood (quotes included). */
export type AuthHeader = { scheme: string } & Record<string, string>;

/** The headers that are taken apart; every other header is a string, repeated ones joined with `, `. */
export interface ParsedHeaders {
  via: Via[];
  from: NameAddr;
  to: NameAddr;
  'call-id': string;
  cseq: CSeq;
  contact?: NameAddr[] | '*';
  route?: NameAddr[];
  'record-route'?: NameAddr[];
  'content-length'?: number;
  'max-forwards'?: number;
  expires?: number;
  'www-authenticate'?: AuthHeader[];
  'proxy-authenticate'?: AuthHeader[];
  authorization?: AuthHeader[];
  'proxy-authorization'?: AuthHeader[];
}

/** The body of a message without one; all share it, for it has no byte to change. */
export const NOTHING: Buffer = Buffer.alloc(0);

export type OtherHeaders = Record<string, unknown>;

export type Headers = ParsedHeaders & OtherHeaders;

interface MessageBase {
  version: string;
  headers: Headers;
  /** The body, byte for byte; empty when there is none. */
  body: Buffer;
}

export interface SipRequest extends MessageBase {
  method: string;
  uri: string;
}

export interface SipResponse extends MessageBase {
  status: number;
  reason: string;
}

export type SipMessage = SipRequest | SipResponse;

export function isRequest(message: SipMessage): message is SipRequest {
  return 'method' in message;
}
