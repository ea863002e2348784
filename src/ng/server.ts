// The media server's side of the ng protocol: each request handled once, however often it is sent.
import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { BencodableDict } from './bencode.ts';
import { decodeNg, encodeNg, LARGEST_DATAGRAM_BYTES } from './message.ts';
import type { NgEvent, NgReply } from './reply.ts';
import { ReplyCache } from './reply-cache.ts';
import { type NgRequest, readNgRequest } from './request.ts';

/** Where a request came from. */
export interface NgSource {
  address: string;
  port: number;
}

export interface NgServerOptions {
  /** Numeric address to listen on. */
  host: string;
  /** 0 for any free one. */
  port: number;
  log: Logger;
  /** What throws or rejects becomes an error reply with its message. */
  handle(request: NgRequest, from: NgSource): NgReply | Promise<NgReply>;
}

export interface NgServerCounters {
  requests: number;
  /** Sent again by their client; answered from the cache or by the reply that is still being made. */
  retransmissions: number;
  /** Datagrams without a cookie or a port to answer to, and replies, which are never answered: two servers would answer each other for ever. */
  dropped: number;
  /** Requests with a cookie that cannot be understood; answered with an error. */
  invalid: number;
  /** Requests whose handler refused or failed. */
  errors: number;
  /** Requests beyond what may be under way at once. */
  overloaded: number;
}

export interface NgServer {
  readonly port: number;
  readonly counters: Readonly<NgServerCounters>;
  /** Tells a controller something unasked, three times: it does not answer. */
  tell(to: NgSource, event: NgEvent): void;
  /** Closes the socket; requests still under way stay unanswered. */
  close(): Promise<void>;
}

/**
 * Listens for ng requests.
 * @throws GrecError PORT_IN_USE, PORT_UNUSABLE
 */
export async function createNgServer(options: NgServerOptions): Promise<NgServer> {
  const socket = createSocket({ type: isIPv6(options.host) ? 'udp6' : 'udp4' });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(options.port, options.host, resolve);
    });
  } catch (thrown) {
    socket.close();
    throw explain(options, thrown);
  }
  socket.removeAllListeners('error');
  return new Server(socket, options);
}

function explain({ host, port }: NgServerOptions, thrown: unknown): GrecError {
  const place = `udp:${isIPv6(host) ? `[${host}]` : host}:${port}`;
  if (systemCode(thrown) === 'EADDRINUSE') {
    return new GrecError('PORT_IN_USE', `another process listens on ${place} already`, {
      hint: 'stop it, or give [mediad] ng another port',
      cause: thrown,
    });
  }
  return new GrecError('PORT_UNUSABLE', `cannot listen on ${place}: ${messageOf(thrown)}`, {
    hint: '[mediad] ng must name an address of this machine and a port that this user may use',
    cause: thrown,
  });
}

const EVENT_TIMES_MS = [0, 100, 300];

class Server implements NgServer {
  readonly counters: NgServerCounters = {
    requests: 0,
    retransmissions: 0,
    dropped: 0,
    invalid: 0,
    errors: 0,
    overloaded: 0,
  };
  readonly port: number;
  readonly #socket: Socket;
  readonly #options: NgServerOptions;
  readonly #cache = new ReplyCache();
  /** Tells the events of this life from those of another one. */
  readonly #prefix = randomBytes(6).toString('hex');
  #events = 0;
  #closed = false;

  constructor(socket: Socket, options: NgServerOptions) {
    this.#socket = socket;
    this.#options = options;
    this.port = socket.address().port;
    socket.on('message', (bytes, from) => void this.#receive(bytes, from));
    socket.on('error', (error) => options.log.warn(`ng: ${messageOf(error)}`));
  }

  tell({ address, port }: NgSource, event: NgEvent): void {
    const datagram = encodeNg(`event_${this.#prefix}_${++this.#events}`, { ...event });
    for (const afterMs of EVENT_TIMES_MS)
      setTimeout(() => {
        if (!this.#closed) this.#socket.send(datagram, port, address, () => undefined);
      }, afterMs).unref();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }

  async #receive(bytes: Buffer, from: RemoteInfo): Promise<void> {
    // Port 0 is a legal source (RFC 768) that cannot be answered: Node throws on sending to it.
    if (from.port === 0) {
      this.counters.dropped++;
      return;
    }
    const decoded = decodeNg(bytes);
    if (!decoded.ok) {
      if (decoded.cookie === undefined) this.counters.dropped++;
      else this.#refuse(decoded.cookie, decoded.reason, from);
      return;
    }
    const { cookie, dict } = decoded;
    if (dict.command === undefined && dict.result !== undefined) {
      this.counters.dropped++;
      return;
    }
    const read = readNgRequest(dict);
    if (!read.ok) return this.#refuse(cookie, read.reason, from);
    await this.#serve(cookie, read.request, from);
  }

  async #serve(cookie: string, request: NgRequest, from: RemoteInfo): Promise<void> {
    // Joined it is one string; a template would be kept in its parts.
    const key = [from.address, from.port, cookie].join(' ');
    const known = this.#cache.find(key);
    if (known !== undefined) {
      this.counters.retransmissions++;
      if (known.reply !== undefined) this.#send(Buffer.from(known.reply, 'latin1'), from);
      return;
    }
    const entry = this.#cache.open(key);
    if (entry === undefined) {
      this.counters.overloaded++;
      return;
    }
    this.counters.requests++;
    const reply = encodeReply(cookie, await this.#handle(request, from));
    this.#cache.settle(entry, reply);
    this.#send(reply, from);
  }

  async #handle(request: NgRequest, from: RemoteInfo): Promise<NgReply> {
    try {
      const reply = await this.#options.handle(request, { address: from.address, port: from.port });
      if (reply.result === 'error') this.counters.errors++;
      return reply;
    } catch (thrown) {
      this.counters.errors++;
      const isExpected = thrown instanceof GrecError && thrown.code !== 'INTERNAL';
      if (!isExpected)
        this.#options.log.error({ err: thrown, command: request.command }, 'ng handler failed');
      return { result: 'error', 'error-reason': messageOf(thrown) };
    }
  }

  #refuse(cookie: string, reason: string, from: RemoteInfo): void {
    this.counters.invalid++;
    this.#send(encodeReply(cookie, { result: 'error', 'error-reason': reason }), from);
  }

  #send(reply: Buffer, to: RemoteInfo): void {
    if (this.#closed) return;
    this.#socket.send(reply, to.port, to.address, (error) => {
      if (error !== null && error !== undefined) this.#options.log.debug(`ng: ${messageOf(error)}`);
    });
  }
}

/** A reply that cannot be sent, by its size or by a value of the handler's, becomes an error that can. */
function encodeReply(cookie: string, reply: NgReply): Buffer {
  try {
    const bytes = encodeNg(cookie, reply as unknown as BencodableDict);
    if (bytes.length <= LARGEST_DATAGRAM_BYTES) return bytes;
    return encodeNg(cookie, { result: 'error', 'error-reason': 'the reply does not fit into a datagram' });
  } catch (thrown) {
    return encodeNg(cookie, { result: 'error', 'error-reason': `no reply: ${messageOf(thrown)}` });
  }
}
