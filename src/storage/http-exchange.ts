// One request to a storage by HTTP (RFC 9110) and its answer: streamed both ways, with limits, no redirection followed.
import { readFileSync } from 'node:fs';
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pipeline, type Readable } from 'node:stream';
import { GrecError, messageOf, systemCode } from '../errors.ts';

/** Slower than this a transfer is as good as dead: bytes in a second. */
const SLOWEST = 8192;
/** What an answer may have that does not tell its length. */
const UNTOLD_BYTES = 1 << 30;
/** What a timer can hold. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const MOST_TEXT_BYTES = 64 << 10;
const LONGEST_REASON = 300;

export interface HttpPlace {
  url: string;
  /** Certificates of authorities, in place of the system's. */
  ca?: string | undefined;
  /** Seconds without a byte. */
  timeout: number;
}

export interface Sent {
  method: string;
  /** As it stands on the wire, encoded, with its query. */
  path: string;
  headers: Record<string, string>;
  body?: { size: number; open(): Readable };
}

export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: IncomingMessage;
}

/** Requests to one server, over connections that are kept. */
export class HttpExchange {
  readonly origin: URL;
  readonly #place: HttpPlace;
  readonly #agent: HttpAgent;
  readonly #ca: Buffer | undefined;
  readonly #open = new Set<() => void>();
  #isClosed = false;

  /** @throws GrecError CONFIG_INVALID when the certificates cannot be read */
  constructor(place: HttpPlace) {
    this.#place = place;
    this.origin = new URL(place.url);
    this.#ca = place.ca === undefined ? undefined : readAuthorities(place.ca);
    const options = { keepAlive: true, maxSockets: 8 };
    this.#agent = this.origin.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /**
   * Sends a request; its answer's body must be read or destroyed.
   * @throws GrecError STORAGE_UNREACHABLE; what reading the body throws
   */
  async send(sent: Sent): Promise<Answer> {
    try {
      return await this.#once(sent, this.#agent);
    } catch (thrown) {
      // A kept connection that the server had closed meanwhile says nothing about the request.
      if (!(thrown instanceof StaleConnection)) throw thrown;
      return await this.#once(sent, undefined);
    }
  }

  /** The same for an answer of a few words. */
  async ask(sent: Sent): Promise<Answer & { text: string }> {
    const answer = await this.send(sent);
    return { ...answer, text: await readText(answer.body) };
  }

  close(): void {
    this.#isClosed = true;
    for (const end of this.#open) end();
    this.#agent.destroy();
  }

  /** @param agent undefined: over a connection of its own */
  #once({ method, path, headers, body }: Sent, agent: HttpAgent | undefined): Promise<Answer> {
    if (this.#isClosed) throw unreachable('grec-procd stops');
    let failure: Error | undefined;
    const source = body?.open().on('error', (error) => {
      failure = error;
    });
    const request = this.origin.protocol === 'https:' ? httpsRequest : httpRequest;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const outgoing = request(this.origin, {
      agent: agent ?? false,
      ca: this.#ca,
      method,
      path,
      headers: { ...headers, 'content-length': String(body?.size ?? 0) },
    });
    const patience = this.#watch(outgoing, body?.size ?? 0);
    outgoing.on('response', (incoming) => {
      const { statusCode: status = 0, headers: received } = incoming;
      patience.allow(Number(received['content-length'] ?? UNTOLD_BYTES));
      // It has answered before it had all: nobody waits for the rest.
      incoming.on('end', () => outgoing.writableFinished || outgoing.destroy());
      resolve({ status, headers: received, body: incoming });
    });
    outgoing.on('error', (error) => {
      const isStale = outgoing.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(systemCode(error) ?? '');
      reject(failure ?? (isStale ? new StaleConnection() : unreachable(wordsOf(error))));
    });
    if (source === undefined) outgoing.end();
    // Either's error ends the other one, and is told above.
    else pipeline(source, outgoing, () => undefined);
    return promise;
  }

  /** Until it is over it can be broken off by {@link close}. */
  #watch(outgoing: ClientRequest, bytes: number): Patience {
    const stop = () => void outgoing.destroy(new Error('grec-procd stops'));
    this.#open.add(stop);
    outgoing.on('close', () => this.#open.delete(stop));
    return new Patience(outgoing, this.#place.timeout, bytes);
  }
}

class StaleConnection extends Error {}

/** Ends a request that stands still, or goes on for ever. */
class Patience {
  readonly #outgoing: ClientRequest;
  readonly #timeout: number;
  #limit: NodeJS.Timeout | undefined;

  /** @param timeout in seconds @param bytes that are to be sent */
  constructor(outgoing: ClientRequest, timeout: number, bytes: number) {
    this.#outgoing = outgoing;
    this.#timeout = timeout;
    outgoing.setTimeout(timeout * 1000, () => outgoing.destroy(new Error(`not a byte for ${timeout} s`)));
    outgoing.on('close', () => clearTimeout(this.#limit));
    this.allow(bytes);
  }

  /** From now on so many may still be transferred. */
  allow(bytes: number): void {
    clearTimeout(this.#limit);
    const ms = Math.min((this.#timeout + bytes / SLOWEST) * 1000, LONGEST_TIMER_MS);
    const why = `${bytes} bytes not done after ${Math.round(ms / 1000)} s`;
    this.#limit = setTimeout(() => this.#outgoing.destroy(new Error(why)), ms);
  }
}

function readAuthorities(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (thrown) {
    throw new GrecError('CONFIG_INVALID', `the certificates ${file} cannot be read: ${messageOf(thrown)}`, {
      hint: 'they must be readable for the user that runs grec-procd',
      cause: thrown,
    });
  }
}

export function unreachable(why: string): GrecError {
  return new GrecError('STORAGE_UNREACHABLE', why, {
    hint: 'nothing is lost: recordings stay in the archive, and are copied when the storage takes them',
  });
}

function wordsOf(error: Error): string {
  // Several addresses were tried: each has its own reason.
  if (error instanceof AggregateError && error.errors.length > 0)
    return [...new Set(error.errors.map(messageOf))].join('; ');
  return error.message || systemCode(error) || 'the connection failed';
}

/** A short text; of a long one the beginning. @throws GrecError STORAGE_UNREACHABLE */
export async function readText(body: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      pieces.push(piece);
      size += piece.length;
      // Leaving the loop closes the connection.
      if (size > MOST_TEXT_BYTES) break;
    }
  } catch (thrown) {
    throw unreachable(messageOf(thrown));
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** It is able later, perhaps: 423 is a lock, 425 and 429 ask for patience. */
const PASSING = new Set([408, 423, 425, 429]);
/** It refuses this file, not us. */
const OF_THE_FILE = new Set([400, 409, 411, 412, 413, 414, 415, 416, 417, 422, 431, 451]);

/**
 * What a status that is no success means.
 * @param said in the answer's own words
 */
export function refusalOf(what: string, { status, headers }: Pick<Answer, 'status' | 'headers'>, said = '') {
  const words = said === '' ? '' : `: ${said.slice(0, LONGEST_REASON)}`;
  const message = `${what}: the storage answered ${status}${redirection(status, headers)}${words}`;
  if (OF_THE_FILE.has(status)) return new GrecError('STORAGE_REJECTED', message, { hint: REJECTED });
  const isPassing = PASSING.has(status) || (status >= 500 && status !== 501 && status !== 507);
  return isPassing ? unreachable(message) : new GrecError('STORAGE_REFUSED', message, { hint: REFUSED });
}

const REJECTED = 'the storage does not take this file: look at its limits and its log';
const REFUSED = 'look at its address and credentials in the configuration, and at its log and free space';

function redirection(status: number, { location }: Answer['headers']): string {
  if (status < 300 || status > 399) return '';
  const target = location === undefined ? null : URL.parse(location, 'http://relative');
  const host = target?.host && target.host !== 'relative' ? ` to ${target.host}` : '';
  return `, a redirection${host}, which is not followed`;
}
