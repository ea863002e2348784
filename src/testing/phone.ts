// A test phone with real SIP and RTP: registers, calls, answers, holds, and keeps what it hears (RFC 3261, 3264, 3550).
import { GrecError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { SipResponse } from '../sip/message.ts';
import type {
  ExtraHeaders,
  IncomingInvite,
  Peer,
  Protocol,
  TlsIdentity,
  UserAgent,
} from '../sip/user-agent.ts';
import { createUserAgent } from '../sip/user-agent.ts';
import { headerOf, type PhoneCall, TestCall } from './phone-call.ts';
import { openPhoneMedia } from './phone-media.ts';

export type { CallEnd, CallOutcome, PhoneCall } from './phone-call.ts';

export interface PhoneOptions {
  /** User part of its address, and its user name at the registrar. */
  number: string;
  password?: string;
  registrar: { host: string; port: number; protocol: Protocol };
  /** Its own address, for SIP and RTP; numeric. */
  listenHost: string;
  /** For a registrar on TLS. */
  tls?: TlsIdentity;
  log: Logger;
  /** Upper case, by preference; PCMU and PCMA when left out. */
  encodings?: readonly string[];
  behaviour?: PhoneBehaviour;
}

/** What it does when it is called. */
export interface PhoneBehaviour {
  /** Rings so long before it answers, milliseconds; 0 when left out. */
  ringMs?: number;
  /** Refuses with this status instead of answering. */
  refuseWith?: number;
}

export interface Phone {
  readonly number: string;
  /** Its own address of record, such as `sip:7001@127.0.0.1`. */
  readonly uri: string;
  /** Where it listens: `sip:7001@127.0.0.1:40112`, to be called without a registrar. */
  readonly contact: string;
  /** Registers, or renews it. @returns the final response: 200, 401 after a wrong password, 408 without an answer … */
  register(expires?: number): Promise<SipResponse>;
  unregister(): Promise<SipResponse>;
  /** Calls a number at its registrar, or any SIP URI with a numeric host. `headers` go into the INVITE. */
  call(target: string, headers?: ExtraHeaders): Promise<PhoneCall>;
  /** The next call that comes, or one that has come and was not asked for yet. */
  nextCall(): Promise<PhoneCall>;
  /** Hangs up all calls, frees all ports. Does not unregister. */
  close(): Promise<void>;
}

/** A phone that listens on a port of its own. @throws GrecError PORT_UNUSABLE when the address is none of this machine */
export async function createPhone(options: PhoneOptions): Promise<Phone> {
  const phone = new TestPhone(options);
  await phone.open();
  return phone;
}

class TestPhone implements Phone {
  readonly number: string;
  readonly uri: string;
  readonly #options: PhoneOptions;
  readonly #calls = new Set<TestCall>();
  readonly #waitingCalls: PhoneCall[] = [];
  readonly #takers: ((call: PhoneCall) => void)[] = [];
  #agent: UserAgent | undefined;

  constructor(options: PhoneOptions) {
    this.#options = options;
    this.number = options.number;
    this.uri = `sip:${options.number}@${bracket(options.registrar.host)}`;
  }

  async open(): Promise<void> {
    const { listenHost, registrar, tls, log } = this.#options;
    this.#agent = await createUserAgent({
      listen: [{ protocol: registrar.protocol, host: listenHost, port: 0 }],
      tls,
      log: log.child({ phone: this.number }),
      product: 'grec-test-phone',
      allow: 'INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, NOTIFY',
      onInvite: (invite) => void this.#ring(invite),
      onRequest: (request) => request.respond(request.message.method === 'OPTIONS' ? 200 : 405),
    });
  }

  get contact(): string {
    const [local] = this.#userAgent.listening;
    const { protocol } = this.#options.registrar;
    const transport = protocol === 'udp' ? '' : `;transport=${protocol}`;
    return `sip:${this.number}@${bracket(this.#options.listenHost)}:${local?.port}${transport}`;
  }

  register(expires = 300): Promise<SipResponse> {
    const { host, port } = this.#options.registrar;
    return this.#userAgent.request({
      method: 'REGISTER',
      uri: `sip:${bracket(host)}:${port}`,
      from: { uri: this.uri },
      to: { uri: this.uri },
      peer: this.#registrarPeer,
      headers: { contact: `<${this.contact}>`, expires: `${expires}` },
      ...this.#credentials,
    });
  }

  unregister(): Promise<SipResponse> {
    return this.register(0);
  }

  async call(target: string, headers: ExtraHeaders = {}): Promise<PhoneCall> {
    const { registrar, listenHost, encodings } = this.#options;
    const isUri = target.includes(':');
    const uri = isUri ? target : `sip:${target}@${bracket(registrar.host)}:${registrar.port}`;
    const media = await openPhoneMedia(listenHost);
    const call = new TestCall({
      direction: 'outgoing',
      callId: '',
      remoteUri: uri,
      media,
      encodings: encodings ?? DEFAULT_ENCODINGS,
      cancel: () => outgoing.cancel(),
    });
    this.#keep(call);
    const outgoing = this.#userAgent.invite({
      uri,
      from: { uri: this.uri },
      to: { uri },
      ...(isUri ? {} : { peer: this.#registrarPeer }),
      headers,
      body: call.offer(),
      ...this.#credentials,
      onProvisional: (response) => call.progress(response),
      onAccepted: (response, dialog, ack) => {
        call.sessionId = headerOf(response, 'session-id');
        call.attach(dialog);
        call.takeDescription(response);
        ack();
        call.succeed();
      },
      onRejected: ({ status, reason }) => call.fail(status, reason),
    });
    call.callId = outgoing.callId;
    return call;
  }

  nextCall(): Promise<PhoneCall> {
    const call = this.#waitingCalls.shift();
    if (call !== undefined) return Promise.resolve(call);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#calls].map((call) => call.hangup()));
    await Promise.all([...this.#calls].map((call) => call.media.close()));
    await this.#agent?.close();
  }

  /** An INVITE came: ring, then answer or refuse. */
  async #ring(invite: IncomingInvite): Promise<void> {
    const { ringMs = 0, refuseWith } = this.#options.behaviour ?? {};
    const { headers } = invite.message;
    let timer: NodeJS.Timeout | undefined;
    let isCancelled = false;
    let call: TestCall | undefined;
    // Set before anything else happens: CANCEL may come while the ports are opened.
    invite.onCancel = () => {
      isCancelled = true;
      clearTimeout(timer);
      call?.fail(487, 'Request Terminated');
    };
    const media = await openPhoneMedia(this.#options.listenHost);
    call = new TestCall({
      direction: 'incoming',
      callId: headers['call-id'],
      remoteUri: headers.from.uri,
      media,
      encodings: this.#options.encodings ?? DEFAULT_ENCODINGS,
      cancel: () => refuse(invite, timer, 480),
    });
    call.sessionId = headerOf(invite.message, 'session-id');
    this.#keep(call);
    this.#hand(call);
    if (isCancelled) return call.fail(487, 'Request Terminated');
    invite.respond(180);
    const taken = call;
    timer = setTimeout(() => {
      if (refuseWith === undefined) this.#answer(invite, taken);
      else {
        invite.respond(refuseWith);
        taken.fail(refuseWith, 'refused');
      }
    }, ringMs);
  }

  #answer(invite: IncomingInvite, call: TestCall): void {
    const body = call.answer(invite.message);
    if (body === undefined) {
      invite.respond(488);
      return call.fail(488, 'Not Acceptable Here');
    }
    call.attach(invite.accept({ body }));
  }

  #hand(call: PhoneCall): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#waitingCalls.push(call);
    else taker(call);
  }

  #keep(call: TestCall): void {
    this.#calls.add(call);
  }

  get #userAgent(): UserAgent {
    if (this.#agent === undefined) throw new GrecError('INTERNAL', `phone ${this.number} is not open`);
    return this.#agent;
  }

  get #registrarPeer(): Peer {
    const { host, port, protocol } = this.#options.registrar;
    return { protocol, address: host, port };
  }

  get #credentials() {
    const { number, password } = this.#options;
    return password === undefined ? {} : { credentials: { username: number, password } };
  }
}

const DEFAULT_ENCODINGS = ['PCMU', 'PCMA'];

function refuse(invite: IncomingInvite, timer: NodeJS.Timeout | undefined, status: number): void {
  clearTimeout(timer);
  invite.respond(status);
}

/** An IPv6 address as URIs carry it. */
function bracket(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
