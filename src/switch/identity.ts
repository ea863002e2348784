// Who is calling: the trunk by its address, a DN by digest; nobody else (RFC 3261 section 22).
import type { TrunkConfig } from '../config.ts';
import { createChallenger, DIGEST_ALGORITHMS, type DigestAlgorithm } from '../sip/digest.ts';
import type { AuthHeader, SipRequest } from '../sip/message.ts';
import { unquote } from '../sip/scan.ts';
import { parseUri } from '../sip/uri.ts';
import type { IncomingRequest, Peer } from '../sip/user-agent.ts';
import type { Dn } from './dn.ts';
import type { DnStore } from './dn-store.ts';
import { Guesses } from './guesses.ts';

export interface RefusedIdentity {
  kind: 'refused';
  status: number;
  reason: string;
  challenges: AuthHeader[] | undefined;
  counter: string;
  /** A wrong password: which user's, and how often its source has failed of late. */
  guess?: { user: string; reason: string; failures: number };
  /** It is not to be answered at all. */
  isIgnored?: true;
}

export type Identity = { kind: 'dn'; dn: Dn } | { kind: 'trunk'; trunk: TrunkConfig } | RefusedIdentity;

/** What a phone with the right password mends by itself: its nonce is too old, was used, or is of an earlier life of the switch. */
const STALE = new Set(['stale', 'replay', 'forged-nonce']);
/** Only these come from who holds a nonce of ours, hence has received it: nobody can fail in another one's name. */
const GUESSES = new Set(['wrong', 'unknown-user']);

export interface IdentifyOptions {
  store: DnStore;
  realm: string;
  /** Algorithms of digest that are taken, strongest first; by default all. */
  algorithms?: readonly DigestAlgorithm[];
  now(): number;
}

/** Authenticates requests. One for the life of the switch: it holds the key of the nonces. */
export class Identifier {
  readonly #store: DnStore;
  readonly #realm: string;
  readonly #algorithms: readonly DigestAlgorithm[];
  readonly #challenger: ReturnType<typeof createChallenger>;
  readonly #guesses = new Guesses({ now: () => performance.now() });
  readonly #now: () => number;

  constructor({ store, realm, algorithms = DIGEST_ALGORITHMS, now }: IdentifyOptions) {
    this.#store = store;
    this.#realm = realm;
    this.#algorithms = algorithms;
    this.#now = now;
    this.#challenger = createChallenger({ realm, algorithms, now });
  }

  /** Who sent a new call: a DN by its credentials, a trunk by its address. Credentials are looked at first. */
  identifyCaller(
    { message, flow }: Pick<IncomingRequest, 'message' | 'flow'>,
    trunks: readonly TrunkConfig[],
  ): Identity {
    const trunk = trunks.find(({ host }) => host === flow.peer.address);
    if (trunk !== undefined && message.headers.authorization === undefined) return { kind: 'trunk', trunk };
    return this.authenticate(message, userOf(message.headers.from.uri), flow.peer);
  }

  /** Demands credentials of the DN `number`: the one that the request claims to speak for. */
  authenticate(request: SipRequest, number: string | undefined, peer: Peer): Identity {
    const header = request.headers.authorization?.find(
      ({ scheme, realm }) => scheme.toLowerCase() === 'digest' && realm?.replaceAll('"', '') === this.#realm,
    );
    const challenged = { number, from: peer.address };
    if (header === undefined) return this.#challenge('auth-challenged', challenged);
    const user = unquote(header['username'] ?? '');
    const isRegistered = () => this.#isRegistered(user, peer);
    if (this.#guesses.isSilent(peer.address, user, isRegistered)) return IGNORED;
    const result = this.#challenger.verify({
      header,
      method: request.method,
      requestUri: request.uri,
      from: peer.address,
      ha1: (username, algorithm) => this.#ha1(username, algorithm),
    });
    if (!result.ok) return this.#fail(result.reason, user, challenged);
    this.#guesses.succeed(peer.address, user);
    const dn = this.#store.dn(result.username);
    if (dn !== undefined && dn.number === number) return { kind: 'dn', dn };
    return refusal(403, 'Not Your Number', 'auth-wrong-number');
  }

  #fail(reason: string, user: string, challenged: { number: string | undefined; from: string }): Identity {
    const refused = this.#challenge(`auth-${reason}`, { ...challenged, stale: STALE.has(reason) });
    if (!GUESSES.has(reason)) return refused;
    return { ...refused, guess: { user, reason, failures: this.#guesses.fail(challenged.from, user) } };
  }

  #isRegistered(user: string, { address, port }: Peer): boolean {
    return this.#store
      .registrations(user, this.#now())
      .some((registration) => registration.address === address && registration.port === port);
  }

  #ha1(username: string, algorithm: DigestAlgorithm): string | undefined {
    return this.#store.ha1(username, algorithm, this.#realm);
  }

  #challenge(
    counter: string,
    { number, from, stale = false }: { number: string | undefined; from: string; stale?: boolean },
  ): RefusedIdentity {
    const algorithms = this.#algorithmsOf(number);
    const challenges = this.#challenger.challenges({ stale, from, algorithms });
    return { ...refusal(401, 'Unauthorized', counter), challenges };
  }

  /** A DN whose password was set before there was SHA-256 has a hash of MD5 alone: a phone must not choose the other one. */
  #algorithmsOf(number: string | undefined): readonly DigestAlgorithm[] {
    if (number === undefined) return this.#algorithms;
    const known = this.#algorithms.filter((algorithm) => this.#ha1(number, algorithm) !== undefined);
    return known.length === 0 ? this.#algorithms : known;
  }
}

const IGNORED: Identity = { ...refusal(401, 'Unauthorized', 'auth-silenced'), isIgnored: true };

function refusal(status: number, reason: string, counter: string): RefusedIdentity {
  return { kind: 'refused', status, reason, challenges: undefined, counter };
}

/** The user part of a SIP or tel URI, or undefined. */
export function userOf(uri: string): string | undefined {
  return parseUri(uri)?.user;
}
