// One trunk at work: its hosts, its numbers, its credentials, and our registration there.
import { createHmac } from 'node:crypto';
import type { TrunkConfig } from '../config.ts';
import { inboundOf, readTrunkHost } from '../config-trunk.ts';
import { GrecError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { hostOf } from '../sip/compose.ts';
import { askedFor, transportParams } from '../sip/protocol.ts';
import { newCallId } from '../sip/transaction-keys.ts';
import { formatUri } from '../sip/uri.ts';
import type { Credentials, OutgoingRequestOptions, Peer, UserAgent } from '../sip/user-agent.ts';
import { numberPattern, numberPatternProblem, type Pattern } from './strategy/pattern.ts';
import { TrunkHost } from './trunk-host.ts';
import { TrunkRegistration } from './trunk-registration.ts';

/** OPTIONS is sent four times over UDP in this time, in milliseconds. */
const PATIENCE_MS = 5000;
/** How long a stopping switch waits for the answer to the REGISTER that takes its registration back, in milliseconds. */
const FAREWELL_MS = 1000;

export class Trunk {
  readonly config: TrunkConfig;
  readonly hosts: readonly TrunkHost[];
  readonly password: string | undefined;
  /** Who calls this user at our address has it from the registrar: nobody guesses 128 bits. */
  readonly line: string | undefined;
  readonly #out: readonly Pattern[];
  readonly #in: readonly Pattern[];
  #registration: TrunkRegistration | undefined;
  #userAgent: UserAgent | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** All REGISTERs of one life have one Call-ID (RFC 3261 section 10.2.4). */
  readonly #callId = newCallId();
  #cseq = 0;

  /** @throws GrecError CONFIG_INVALID */
  constructor(config: TrunkConfig, password: string | undefined, log: Logger) {
    this.config = config;
    this.password = password;
    this.hosts = config.host.map((written) => new TrunkHost(config.name, peerOf(config, written), log));
    this.#out = readPatterns(config, 'numbers-out');
    this.#in = readPatterns(config, 'numbers-in');
    this.line = config.register ? lineOf(config, password) : undefined;
    if (this.line === undefined) return;
    this.#registration = new TrunkRegistration({
      trunk: config.name,
      hosts: this.hosts,
      expires: config['register-expires'],
      contactUser: this.line,
      send: (host, expires) => this.#register(host, expires),
      log,
    });
  }

  start(userAgent: UserAgent): void {
    this.#userAgent = userAgent;
    this.#registration?.start();
    if (this.config.qualify === 0) return;
    const ask = () => {
      for (const host of this.hosts) void this.#ask(host);
    };
    ask();
    this.#timer = setInterval(ask, this.config.qualify * 1000).unref();
  }

  /** @param keepsLine what is registered stays: another one takes it over */
  async stop(keepsLine = false): Promise<void> {
    clearInterval(this.#timer);
    await this.#registration?.stop(keepsLine);
  }

  get credentials(): Credentials | undefined {
    const { username } = this.config;
    return username === undefined || this.password === undefined
      ? undefined
      : { username, password: this.password };
  }

  takes(way: ReturnType<typeof inboundOf>[number]): boolean {
    return inboundOf(this.config).includes(way);
  }

  hasAddress(address: string): boolean {
    return this.hosts.some(({ peer }) => peer.address === address);
  }

  /** Whether a call to `number` may go out by it. */
  allowsOut(number: string): boolean {
    return this.#out.some((pattern) => pattern.matches(number));
  }

  /** Whether a call from it may reach `number`. */
  allowsIn(number: string): boolean {
    return this.#in.some((pattern) => pattern.matches(number));
  }

  get state(): TrunkRegistration['state'] | undefined {
    return this.#registration?.state;
  }

  /** The URI of a user there: at its domain, or at the host. */
  uriOf(user: string, { peer }: TrunkHost): string {
    const { domain } = this.config;
    const params = transportParams(peer.protocol);
    const at =
      domain === undefined
        ? { host: hostOf(peer.address), port: peer.port }
        : { host: domain, port: undefined };
    return formatUri({ scheme: 'sip', user, ...at, params, headers: undefined });
  }

  async #register(host: TrunkHost, expires: number) {
    const { domain, username = '' } = this.config;
    const address = `sip:${domain ?? `${hostOf(host.peer.address)}:${host.peer.port}`}`;
    const account = this.uriOf(username, host);
    const response = await this.#send(host, 'REGISTER', address, account, {
      callId: this.#callId,
      cseq: this.#cseq + 1,
      contactUser: this.line,
      headers: { expires: `${expires}` },
      patienceMs: expires === 0 ? FAREWELL_MS : this.config.timeout * 1000,
    });
    this.#cseq = response.headers.cseq.seq;
    return response;
  }

  async #ask(host: TrunkHost): Promise<void> {
    const { username, qualify } = this.config;
    const uri = `sip:${this.config.domain ?? hostOf(host.peer.address)}`;
    const from = username === undefined ? undefined : this.uriOf(username, host);
    const patienceMs = Math.min(PATIENCE_MS, qualify * 1000);
    const { status } = await this.#send(host, 'OPTIONS', uri, from, {
      headers: { accept: 'application/sdp' },
      patienceMs,
    });
    host.noteAnswer(status);
  }

  #send(
    { peer }: TrunkHost,
    method: 'OPTIONS' | 'REGISTER',
    uri: string,
    account: string | undefined,
    options: Partial<OutgoingRequestOptions>,
  ) {
    const userAgent = this.#userAgent;
    if (userAgent === undefined) throw new GrecError('INTERNAL', 'a trunk before the user agent listens');
    const [local] = userAgent.listening;
    const from = { uri: account ?? `sip:${hostOf(local?.address ?? '')}` };
    const to = { uri: account ?? uri };
    return userAgent.request({ method, uri, from, to, peer, credentials: this.credentials, ...options });
  }
}

function peerOf({ port, transport, domain, 'tls-name': name = domain }: TrunkConfig, written: string): Peer {
  const read = readTrunkHost(written);
  const address = read?.host ?? written;
  return askedFor(name ?? address, { protocol: transport, address, port: read?.port ?? port });
}

function readPatterns(config: TrunkConfig, key: 'numbers-in' | 'numbers-out'): Pattern[] {
  return config[key].map((text) => {
    const problem = numberPatternProblem(text);
    if (problem === undefined) return numberPattern(text);
    throw new GrecError('CONFIG_INVALID', `trunk ${config.name}: ${key}: "${text}": ${problem}`, {
      hint: 'man grec-strategy.5 says how patterns of numbers are written',
    });
  });
}

/** The same after each restart, so that a registration of before still leads here. */
function lineOf({ name, username }: TrunkConfig, password: string | undefined): string {
  const key = `${username}\n${password}`;
  return createHmac('sha256', key).update(`grec line ${name}`).digest('hex').slice(0, 32);
}
