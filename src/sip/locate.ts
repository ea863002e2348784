// From a URI to the address and port that a request goes to (RFC 3263, as far as numeric hosts and plain names go).
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { Uri } from './message.ts';
import { askedFor, defaultPort, protocolNamed, unbracketed } from './protocol.ts';
import { parseUri } from './uri.ts';
import type { Peer, Protocol } from './user-agent-types.ts';

/** Why there is no address, for the log and the 503. */
export interface NoAddress {
  reason: string;
}

/** Finds the addresses of a name, asynchronously. `dns.lookup` unless a test gives its own. */
export type Lookup = (host: string, done: (error: Error | null, address: string) => void) => void;

/** In milliseconds. A name server that is silent must not hold a call for longer. */
const LOOKUP_LIMIT_MS = 4000;
/** The resolver of the system has four threads; a flood of names must not queue up behind them. */
const MOST_LOOKUPS = 32;
const MOST_REMEMBERED = 1000;
const REMEMBER_MS = 30_000;
/** A failure is remembered for as long as requests are retransmitted in quick succession. */
const REMEMBER_FAILURE_MS = 2000;

type Answer = string | NoAddress;

/** Resolves the host names of URIs; remembers addresses for half a minute. */
export class Locator {
  readonly #lookup: Lookup;
  readonly #limit: number;
  readonly #running = new Map<string, Promise<Answer>>();
  readonly #known = new Map<string, { answer: Answer; until: number }>();
  readonly #abandon = new Set<() => void>();

  constructor(options: { lookup?: Lookup; limitMs?: number } = {}) {
    this.#lookup = options.lookup ?? ((host, done) => lookup(host, (error, address) => done(error, address)));
    this.#limit = options.limitMs ?? LOOKUP_LIMIT_MS;
  }

  /** Where a request to `text` goes; the reason when it can go nowhere. Never rejects. */
  async locate(text: string): Promise<Peer | NoAddress> {
    const uri = parseUri(text);
    if (uri === undefined || uri.scheme === 'tel') return { reason: 'the URI names no host' };
    const protocol = protocolOf(uri);
    if (protocol === undefined) return { reason: 'the transport of the URI is not supported' };
    const host = unbracketed(uri.params['maddr'] ?? uri.host);
    const answer = await this.#address(host);
    if (typeof answer !== 'string') return answer;
    return askedFor(uri.host, { protocol, address: answer, port: uri.port ?? defaultPort(protocol) });
  }

  #address(host: string): Promise<Answer> | Answer {
    if (isIP(host) !== 0) return host;
    const known = this.#known.get(host);
    if (known !== undefined && known.until > Date.now()) return known.answer;
    return this.#running.get(host) ?? this.#ask(host);
  }

  #ask(host: string): Promise<Answer> | Answer {
    if (this.#running.size >= MOST_LOOKUPS) return { reason: 'too many names are being looked up' };
    const asking = new Promise<Answer>((resolve) => {
      let settled = false;
      const settle = (answer: Answer) => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        this.#abandon.delete(abandon);
        this.#running.delete(host);
        this.#remember(host, answer);
        resolve(answer);
      };
      const timer = setTimeout(() => settle({ reason: `no address for ${host} in time` }), this.#limit);
      const abandon = () => settle({ reason: 'closed' });
      this.#abandon.add(abandon);
      this.#lookup(host, (error, address) => settle(error ? { reason: `no address for ${host}` } : address));
    });
    this.#running.set(host, asking);
    return asking;
  }

  #remember(host: string, answer: Answer): void {
    if (this.#known.size >= MOST_REMEMBERED) this.#known.clear();
    const remember = typeof answer === 'string' ? REMEMBER_MS : REMEMBER_FAILURE_MS;
    this.#known.set(host, { answer, until: Date.now() + remember });
  }

  /** Answers everybody who waits; leaves no timer behind. */
  close(): void {
    for (const abandon of [...this.#abandon]) abandon();
  }
}

/** `sips` means TLS, with `transport=tcp` too; it is not to be had over UDP (RFC 3261 section 26.2.2, RFC 5630 section 3.1.3). */
function protocolOf({ scheme, params }: Uri): Protocol | undefined {
  if (scheme !== 'sips') return protocolNamed(params['transport']);
  const named = protocolNamed(params['transport'] ?? 'tls');
  return named === undefined || named === 'udp' ? undefined : 'tls';
}
