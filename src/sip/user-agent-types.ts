// The user agent as its users see it: the interfaces of the switch and the test phones (RFC 3261 sections 8, 12-15).
import type { Logger } from '../log.ts';
import type { AuthHeader, NameAddr, SipRequest, SipResponse } from './message.ts';
import type { StoredDialog } from './stored-dialog.ts';

export type { StoredDialog } from './stored-dialog.ts';

export type Protocol = 'udp' | 'tcp' | 'tls';

/** Where bytes go to, or came from. `address` is a numeric IP address without brackets. */
export interface Peer {
  protocol: Protocol;
  address: string;
  port: number;
  /** TLS: the name that the peer's certificate has to show; its address when left out (RFC 5922 section 7). */
  name?: string;
}

/** Who we are in TLS, and whom we believe. All texts are PEM. */
export interface TlsIdentity {
  /** The chain: our certificate first. */
  certificate: string;
  key: string;
  /** The authorities that vouch for others; those that Node knows when left out. */
  ca?: string | undefined;
  /** Whoever connects must show a certificate. */
  verifyClients: boolean;
  /** Whom we connect to must show a certificate with its name. */
  verifyServers: boolean;
}

/** The way a message came: its peer, our own address at which it arrived, and a name that is the same for one connection. */
export interface Flow {
  peer: Peer;
  local: Peer;
  id: string;
}

/** A body with its Content-Type. */
export interface Body {
  type: string;
  bytes: Buffer | string;
}

/** Headers to add to a message, by lower-case name; values as they stand on the wire. CR and LF are refused. */
export type ExtraHeaders = Record<string, string>;

export interface ResponseOptions {
  reason?: string;
  headers?: ExtraHeaders;
  body?: Body;
  /** For WWW-Authenticate: one header each (RFC 3261 section 7.3.1). */
  challenges?: AuthHeader[];
}

export interface Refusal extends ResponseOptions {
  status: number;
}

export interface Credentials {
  username: string;
  password: string;
}

export interface UserAgentOptions {
  listen: { protocol: Protocol; host: string; port: number }[];
  /** Needed to listen on TLS and to connect by it. */
  tls?: TlsIdentity | undefined;
  log: Logger;
  /** For Server and User-Agent. */
  product: string;
  /** A new call: a valid INVITE without To tag. 100 has been sent. */
  onInvite(invite: IncomingInvite): void;
  /** Any other request outside a dialog (REGISTER, OPTIONS, MESSAGE …); ACK and CANCEL never come here. */
  onRequest(request: IncomingRequest): void;
  /**
   * Looks at each request outside a dialog (ACK and CANCEL excepted) before any state is made of it. What it returns is sent
   * once and forgotten: a stranger costs no memory, and a false source address earns its victim one answer (RFC 3261
   * sections 8.2.7 and 26.3.2.4). What it ignores is not answered at all.
   */
  admit?(request: SipRequest, flow: Flow): Refusal | 'ignore' | undefined;
  /**
   * True for who may have requests to its own address and port sent over a connection that it has opened (RFC 5923).
   * Others on the same address could take them from it: a trunk, not a phone behind NAT.
   */
  mayAlias?(flow: Flow): boolean;
  /** The connection that has taken the place of one that has ended: the same phone of `uri`, registered again. */
  successorOf?(flow: Flow, uri: string): Flow | undefined;
  timers?: Partial<Timers>;
  limits?: Partial<Limits>;
  /**
   * How long turns of the event loop last at least while messages come densely, in milliseconds: none of them is read before, and
   * all of them together. Without it nothing waits.
   */
  restMs?: number;
  /** The methods that it takes, as Allow says them; RFC 3261's, PRACK and UPDATE when left out. */
  allow?: string;
  sessionTimer?: SessionTimerPolicy;
}

/** Session timers (RFC 4028) that a user agent asks for and agrees to, in seconds. */
export interface SessionTimerPolicy {
  /** The interval that it asks for; none of its own accord when left out. */
  expires?: number;
  /** The least that it agrees to; 90 when left out. */
  minSe?: number;
}

/** A session timer in force. */
export interface SessionTimerState {
  seconds: number;
  /** Who keeps the session alive. */
  refresher: 'us' | 'peer';
}

/** What strangers may make a user agent hold. */
export interface Limits {
  /** Requests under way or just answered; further ones are answered 503. */
  transactions: number;
  /** TCP and TLS connections, in all and from one address. */
  connections: number;
  connectionsPerAddress: number;
  /** What may wait for a TCP peer that does not read, in bytes. */
  writeBufferBytes: number;
  /** The most bytes of one message. */
  messageBytes: number;
  /** How long a TCP connection may be silent, in milliseconds: more than a registration lasts. */
  idleMs: number;
  /** How long a message may take from its first byte to its last, and a new connection to its first message, in milliseconds. */
  messageMs: number;
  /** How long connecting may take, TLS handshake included, in milliseconds. */
  connectMs: number;
  /** How long a TLS handshake may take that another one begins, in milliseconds. */
  handshakeMs: number;
}

/** RFC 3261 table 4, in milliseconds. */
export interface Timers {
  t1: number;
  t2: number;
  t4: number;
}

export interface UserAgent {
  /** The addresses as bound (port 0 resolved). */
  readonly listening: Peer[];
  readonly counters: Record<string, number>;
  /** Another certificate for every connection to come; those that are open stay. @throws GrecError TLS_UNUSABLE, and nothing changes */
  useTls(identity: TlsIdentity): void;
  /** Sends a request outside any dialog and resolves with its final response; never rejects (408, 503, and 500 for what cannot be written, are made here). */
  request(options: OutgoingRequestOptions): Promise<SipResponse>;
  /** Places a call. Exactly one of onAccepted and onRejected is called, once. */
  invite(options: OutgoingInviteOptions): OutgoingInvite;
  /** The dialog of that name, as a Replaces header gives it (RFC 3891): the tags as we see them. */
  findDialog(callId: string, localTag: string, remoteTag: string): Dialog | undefined;
  /** Takes up a confirmed dialog of an earlier life, as {@link Dialog.store} told it, which keeps no credentials. */
  restoreDialog(stored: StoredDialog, credentials?: Credentials): Dialog;
  /** Whether the connection of a flow is still there; UDP's always is. */
  isOpen(flow: Flow): boolean;
  close(): Promise<void>;
}

export interface OutgoingRequestOptions {
  method: string;
  /** The Request-URI. */
  uri: string;
  from: { uri: string; name?: string | undefined };
  to: { uri: string; name?: string | undefined };
  /** Where to send it; by default the host and port of the Request-URI, which must then be numeric. */
  peer?: Peer;
  /** Send over the connection of this flow when it is still open (RFC 5626 in spirit; registrations over TCP and TLS). */
  flow?: Flow;
  callId?: string | undefined;
  /** The first CSeq number; 1 when left out. */
  cseq?: number | undefined;
  headers?: ExtraHeaders;
  body?: Body;
  /** Answers a 401 or 407 once, with these. */
  credentials?: Credentials | undefined;
  /** Gives up, with a 408 made here, when nothing at all has come for so long, in milliseconds; by default after 64*T1. */
  patienceMs?: number | undefined;
  /** The user part of a Contact at our own address, when one is to be added. An INVITE has one in any case. */
  contactUser?: string | undefined;
}

export interface OutgoingInviteOptions extends Omit<OutgoingRequestOptions, 'method'> {
  /** A provisional response other than 100. */
  onProvisional?(response: SipResponse, progress?: Progress): void;
  /** The first 2xx. ACK is sent by calling `ack`, which must happen once; with a body when the 2xx carried an offer. */
  onAccepted(response: SipResponse, dialog: Dialog, ack: (body?: Body, headers?: ExtraHeaders) => void): void;
  /** Final response >= 300, or 408/503 made here. */
  onRejected(response: SipResponse): void;
}

/** Where a provisional response belongs, and what it asks for (RFC 3261 section 12.1.2, RFC 3262). */
export interface Progress {
  /** Its early dialog, one for each branch of a fork; undefined when it has no To tag. */
  readonly dialog: Dialog | undefined;
  /**
   * There when the response was sent reliably and carries an offer: call it once, with the answer. Any other reliable
   * response has its PRACK sent by the user agent.
   */
  readonly prack: ((answer: Body | undefined) => Promise<SipResponse>) | undefined;
}

export interface OutgoingInvite {
  readonly callId: string;
  readonly localTag: string;
  /**
   * Sends CANCEL when a provisional response has come, or as soon as it comes. A 2xx that wins the race is ACKed and BYEd here;
   * onRejected is called all the same, with a 487 made here.
   * @param reason the value of a Reason header (RFC 3326)
   */
  cancel(reason?: string): void;
}

export interface IncomingRequest {
  readonly message: SipRequest;
  readonly flow: Flow;
  respond(status: number, options?: ResponseOptions): void;
}

/** A response to an INVITE. */
export interface InviteResponseOptions extends ResponseOptions {
  /** A provisional response is sent reliably when the caller can (RFC 3262); one who insists gets them all so. */
  reliable?: boolean;
  /**
   * The name of a branch, when the INVITE is forked behind us: each has an early dialog of its own with its own To tag,
   * as if the caller saw the fork itself. The branch without a name is `''`.
   */
  branch?: string;
}

export interface IncomingInvite extends IncomingRequest {
  /** Our tag, the same in every response of this INVITE but those of named branches. */
  readonly localTag: string;
  respond(status: number, options?: InviteResponseOptions): void;
  /**
   * Answers 2xx, creates the dialog and sends the 2xx again until its ACK comes (RFC 3261 section 13.3.1.4). While a
   * description that was sent reliably has no PRACK, the 2xx waits for it (RFC 3262 section 3).
   */
  accept(options?: InviteResponseOptions & { status?: number }): Dialog;
  /** The early dialog that a provisional response has made, by branch. */
  early(branch?: string): Dialog | undefined;
  /**
   * A PRACK with a description: the answer to the offer that we sent reliably (200 is enough), or an offer, which the 200
   * must answer. Without a handler an answer gets 200 and an offer 488; a bare PRACK never comes here.
   */
  onPrack: ((prack: IncomingRequest, branch: string) => void) | undefined;
  /** Called when CANCEL came (487 has been sent), or when the caller is gone. Set before anything is answered. */
  onCancel: (() => void) | undefined;
}

/** `early`: made by a provisional response; its INVITE has no final one yet. */
export type DialogState = 'early' | 'confirmed' | 'terminated';

/** A dialog (RFC 3261 section 12). Handlers are properties; set them in the callback that hands the dialog over. */
export interface Dialog {
  readonly id: string;
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly remote: NameAddr;
  readonly state: DialogState;
  /** Who sent the INVITE: we are the caller when we did. */
  readonly role: 'caller' | 'callee';
  /** The last description that we gave in it. */
  readonly localDescription: Body | undefined;
  readonly sessionTimer: SessionTimerState | undefined;
  /** A confirmed dialog as JSON, for another life of the user agent. */
  store(): StoredDialog;
  /** True when the peer has said that it takes requests of this method (Allow). */
  allows(method: string): boolean;
  /** True when the peer has said that it speaks this extension (Supported). */
  supports(tag: string): boolean;
  /** The ACK of our 2xx, with its body (the answer, when our 2xx carried the offer). */
  onAck: ((ack: SipRequest) => void) | undefined;
  /** A re-INVITE. Answer it with `respond`; a 2xx is retransmitted until its ACK, which goes to `onAck`. */
  onReinvite: ((request: IncomingRequest) => void) | undefined;
  /** An UPDATE with an offer (RFC 3311); without a handler it is refused with 488. One without is answered here. */
  onUpdate: ((request: IncomingRequest) => void) | undefined;
  /** Any other request in the dialog but BYE, ACK, CANCEL and PRACK. Without a handler it is answered 405 (or 501); OPTIONS 200. */
  onRequest: ((request: IncomingRequest) => void) | undefined;
  /** The dialog is over: BYE came (200 has been sent), or our 2xx was never acknowledged, or a request got 408/481. Once. */
  onEnd: ((end: DialogEnd) => void) | undefined;
  /** Sends a request in the dialog; resolves with the final response, never rejects. */
  request(method: string, options?: { headers?: ExtraHeaders; body?: Body }): Promise<SipResponse>;
  /**
   * Sends a re-INVITE; on 2xx, `ack` must be called once. A non-2xx is acknowledged here. While another INVITE is under
   * way in the dialog, the response is a 491 made here (RFC 3261 section 14.1). With `patience`, a party that does not
   * answer loses nothing but this request; otherwise its dialog ends (section 12.2.1.2).
   */
  reinvite(options: { headers?: ExtraHeaders; body?: Body; patience?: Patience }): Promise<{
    response: SipResponse;
    ack: (body?: Body) => void;
  }>;
  /**
   * Sends UPDATE, which may change the session before the call is answered (RFC 3311). While an offer is open in the
   * dialog, one with an offer is answered with a 491 made here.
   */
  update(options: { headers?: ExtraHeaders; body?: Body }): Promise<SipResponse>;
  /**
   * Sends BYE; the dialog is terminated at once. onEnd is not called. A 2xx that still lacks its ACK gets one first; a
   * 2xx of ours is given the time for its ACK (RFC 3261 section 15).
   */
  bye(headers?: ExtraHeaders): Promise<SipResponse>;
}

/** How long a re-INVITE that the session does not depend on may be worked on. */
export interface Patience {
  /** Milliseconds until it is cancelled. */
  giveUpAfterMs: number;
}

export interface DialogEnd {
  by: 'remote' | 'timeout';
  /** The BYE, when there was one. */
  request: SipRequest | undefined;
}
