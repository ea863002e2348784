// The controlling side of the ng protocol: requests over UDP, sent again under the same cookie until answered.
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { BencodeDict } from './bencode.ts';
import { decodeNg, encodeNg, LARGEST_DATAGRAM_BYTES } from './message.ts';
import { type NgEvent, type NgOk, readNgEvent, readNgReply } from './reply.ts';
import { type NgRequest, requestDict } from './request.ts';

export interface NgClientOptions {
  /** Numeric address of the media server. */
  host: string;
  port: number;
  /** How long one request may take, in milliseconds. */
  timeoutMs: number;
  log: Logger;
  /** Wait before the first retransmission, doubled before each further one; 100 ms when left out. */
  retransmitMs?: number;
  /** What the media server tells unasked; once, however often it was sent. */
  onEvent?(event: NgEvent): void;
}

export interface NgCounters {
  requests: number;
  retransmissions: number;
  replies: number;
  /** Late, unasked for or unreadable. */
  dropped: number;
  timeouts: number;
  /** ICMP: nothing listens there. */
  unreachable: number;
}

export interface NgClient {
  readonly counters: Readonly<NgCounters>;
  /**
   * Sends a request and resolves with the reply that grants it.
   * @param timeoutMs how long it may take, when not as long as others
   * @throws GrecError NG_TIMEOUT (no reply in time, or nothing listens there), NG_REFUSED (the peer's reason)
   */
  request(request: NgRequest, timeoutMs?: number): Promise<NgOk>;
  /** Ends every request under way with NG_TIMEOUT and closes the socket. */
  close(): Promise<void>;
}

interface Pending {
  command: string;
  datagram: Buffer;
  /** Transmissions that may have met no listener. */
  unreachable: number;
  /** The last transmission is counted there already. */
  isSuspect: boolean;
  retransmit: NodeJS.Timeout | undefined;
  deadline: NodeJS.Timeout;
  resolve(reply: NgOk): void;
  reject(error: GrecError): void;
}

const MOST_HEARD = 1000;
const FIRST_RETRANSMISSION_MS = 100;
/** One may be the trace of a server that is just starting again. */
const UNREACHABLE_LIMIT = 2;

/**
 * Opens a client bound to one media server; the socket is connected, so that only this peer is heard.
 * @throws GrecError PORT_UNUSABLE when no socket can be had, or the address cannot be reached at all
 */
export async function createNgClient(options: NgClientOptions): Promise<NgClient> {
  const socket = createSocket(isIPv6(options.host) ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(options.port, options.host, resolve);
    });
  } catch (thrown) {
    socket.close();
    throw new GrecError(
      'PORT_UNUSABLE',
      `cannot reach the media server at ${place(options)}: ${messageOf(thrown)}`,
      {
        hint: 'check [media] server in the configuration',
        cause: thrown,
      },
    );
  }
  socket.removeAllListeners('error');
  return new Client(socket, options);
}

function place({ host, port }: { host: string; port: number }): string {
  return `udp:${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

class Client implements NgClient {
  readonly counters: NgCounters = {
    requests: 0,
    retransmissions: 0,
    replies: 0,
    dropped: 0,
    timeouts: 0,
    unreachable: 0,
  };
  readonly #socket: Socket;
  readonly #options: NgClientOptions;
  readonly #pending = new Map<string, Pending>();
  /** Tells this client's cookies from those of an earlier one on the same port. */
  readonly #prefix = randomBytes(6).toString('hex');
  /** Cookies of events. */
  readonly #heard = new Set<string>();
  #serial = 0;
  #closed = false;

  constructor(socket: Socket, options: NgClientOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('message', (bytes) => this.#receive(bytes));
    socket.on('error', (error) => this.#sendFailed(error));
  }

  request(request: NgRequest, timeoutMs = this.#options.timeoutMs): Promise<NgOk> {
    const cookie = `${this.#prefix}_${++this.#serial}`;
    const datagram = encodeNg(cookie, requestDict(request));
    if (this.#closed) return Promise.reject(this.#timeout(request.command, 'the client is closed'));
    if (datagram.length > LARGEST_DATAGRAM_BYTES) {
      return Promise.reject(new GrecError('NG_REFUSED', `${request.command} does not fit into a datagram`));
    }
    this.counters.requests++;
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => this.#expire(cookie, timeoutMs), timeoutMs);
      const { command } = request;
      this.#pending.set(cookie, {
        command,
        datagram,
        unreachable: 0,
        isSuspect: false,
        retransmit: undefined,
        deadline,
        resolve,
        reject,
      });
      this.#send(cookie, this.#options.retransmitMs ?? FIRST_RETRANSMISSION_MS);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const cookie of [...this.#pending.keys()]) {
      const pending = this.#take(cookie);
      pending?.reject(this.#timeout(pending.command, 'the client was closed'));
    }
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }

  #send(cookie: string, waitMs: number): void {
    const pending = this.#pending.get(cookie);
    if (pending === undefined) return;
    pending.isSuspect = false;
    this.#socket.send(pending.datagram, (error) => {
      if (error !== null && error !== undefined) this.#sendFailed(error);
    });
    pending.retransmit = setTimeout(() => {
      this.counters.retransmissions++;
      this.#send(cookie, waitMs * 2);
    }, waitMs);
  }

  #receive(bytes: Buffer): void {
    const decoded = decodeNg(bytes);
    if (decoded.ok && this.#receiveEvent(decoded.cookie, decoded.dict)) return;
    const reply = decoded.ok ? readNgReply(decoded.dict) : undefined;
    const pending = decoded.ok && reply !== undefined ? this.#take(decoded.cookie) : undefined;
    if (pending === undefined || reply === undefined) {
      this.counters.dropped++;
      return;
    }
    this.counters.replies++;
    if (reply.result !== 'error') return pending.resolve(reply);
    const reason = `the media server refused ${pending.command}: ${reply['error-reason']}`;
    pending.reject(new GrecError('NG_REFUSED', reason));
  }

  #receiveEvent(cookie: string, dict: BencodeDict): boolean {
    const event = readNgEvent(dict);
    if (event === undefined) return false;
    if (this.#heard.has(cookie)) return true;
    if (this.#heard.size >= MOST_HEARD) this.#heard.clear();
    this.#heard.add(cookie);
    this.#options.onEvent?.(event);
    return true;
  }

  /** A connected UDP socket learns by ICMP that nothing listens; not which datagram met that. */
  #sendFailed(error: Error): void {
    if (systemCode(error) !== 'ECONNREFUSED') {
      this.#options.log.warn({ peer: place(this.#options) }, `ng: ${messageOf(error)}`);
      return;
    }
    this.counters.unreachable++;
    for (const [cookie, pending] of [...this.#pending]) {
      if (!pending.isSuspect) pending.unreachable++;
      pending.isSuspect = true;
      if (pending.unreachable < UNREACHABLE_LIMIT) continue;
      this.#take(cookie);
      pending.reject(this.#timeout(pending.command, `nothing listens on ${place(this.#options)}`));
    }
  }

  #expire(cookie: string, timeoutMs: number): void {
    const pending = this.#take(cookie);
    if (pending === undefined) return;
    this.counters.timeouts++;
    pending.reject(
      this.#timeout(pending.command, `no reply from ${place(this.#options)} within ${timeoutMs} ms`),
    );
  }

  #take(cookie: string): Pending | undefined {
    const pending = this.#pending.get(cookie);
    if (pending === undefined) return undefined;
    this.#pending.delete(cookie);
    clearTimeout(pending.deadline);
    clearTimeout(pending.retransmit);
    return pending;
  }

  #timeout(command: string, why: string): GrecError {
    return new GrecError('NG_TIMEOUT', `the media server did not answer ${command}: ${why}`, {
      hint: `is grec-mediad running there? [media] server in the configuration names ${place(this.#options)}`,
    });
  }
}
