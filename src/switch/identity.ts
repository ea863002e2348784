// Who is calling: a trunk by its address, its credentials or what we have registered there, a DN by digest; nobody else (RFC 3261 section 22).
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

/** A trunk, as far as calls from and to it are concerned. */
export interface TrunkFacts {
  name: string;
  record: boolean;
}

/** What is asked of the trunks to know who calls. */
export interface TrunkIdentities {
  byAddress(address: string): KnownTrunk | undefined;
  /** By the user part of the contact that we have registered there. */
  byLine(user: string | undefined): KnownTrunk | undefined;
  byUsername(username: string): KnownTrunk | undefined;
  ha1(username: string, algorithm: DigestAlgorithm, realm: string): string | undefined;
}

interface KnownTrunk {
  config: TrunkFacts;
  line: string | undefined;
}

export type Identity =
  | { kind: 'dn'; dn: Dn }
  | { kind: 'trunk'; trunk: TrunkFacts; line?: string | undefined }
  | RefusedIdentity;

/** What a phone with the right password mends by itself: its nonce is too old, was used, or is of an earlier life of the switch. */
const STALE = new Set(['stale', 'replay', 'forged-nonce']);
/** Only these come from who holds a nonce of ours, hence has received it: nobody can fail in another one's name. */
const GUESSES = new Set(['wrong', 'unknown-user']);

export interface IdentifyOptions {
  store: DnStore;
  trunks: TrunkIdentities;
  realm: string;
  /** Algorithms of digest that are taken, strongest first; by default all. */
  algorithms?: readonly DigestAlgorithm[];
  now(): number;
}

/** Authenticates requests. One for the life of the switch: it holds the key of the nonces. */
export class Identifier {
  readonly #store: DnStore;
  readonly #trunks: TrunkIdentities;
  readonly #realm: string;
  readonly #algorithms: readonly DigestAlgorithm[];
  readonly #challenger: ReturnType<typeof createChallenger>;
  readonly #guesses = new Guesses({ now: () => performance.now() });
  readonly #now: () => number;

  constructor({ store, trunks, realm, algorithms = DIGEST_ALGORITHMS, now }: IdentifyOptions) {
    this.#store = store;
    this.#trunks = trunks;
    this.#realm = realm;
    this.#algorithms = algorithms;
    this.#now = now;
    this.#challenger = createChallenger({ realm, algorithms, now });
  }

  /** Who sent a new call. Credentials are looked at before addresses. */
  identifyCaller({ message, flow }: Pick<IncomingRequest, 'message' | 'flow'>): Identity {
    const byLine = this.#trunks.byLine(userOf(message.uri));
    if (byLine !== undefined) return identityOf(byLine);
    const byAddress = this.#trunks.byAddress(flow.peer.address);
    const header = this.#credentialsOf(message);
    if (byAddress !== undefined && header === undefined) return identityOf(byAddress);
    const number = userOf(message.headers.from.uri);
    const identity = this.#verify(message, header, number, flow.peer);
    if (typeof identity !== 'string') return identity;
    const byUsername = this.#store.dn(identity) === undefined ? this.#trunks.byUsername(identity) : undefined;
    return byUsername === undefined ? this.#dnOf(identity, number) : identityOf(byUsername);
  }

  /** Demands credentials of the DN `number`: the one that the request claims to speak for. */
  authenticate(request: SipRequest, number: string | undefined, peer: Peer): Identity {
    const identity = this.#verify(request, this.#credentialsOf(request), number, peer);
    return typeof identity === 'string' ? this.#dnOf(identity, number) : identity;
  }

  #dnOf(username: string, number: string | undefined): Identity {
    const dn = this.#store.dn(username);
    if (dn !== undefined && dn.number === number) return { kind: 'dn', dn };
    return refusal(403, 'Not Your Number', 'auth-wrong-number');
  }

  #credentialsOf(request: SipRequest): AuthHeader | undefined {
    return request.headers.authorization?.find(
      ({ scheme, realm }) => scheme.toLowerCase() === 'digest' && realm?.replaceAll('"', '') === this.#realm,
    );
  }

  /** The user whose password has been shown, or what is to be answered. */
  #verify(
    request: SipRequest,
    header: AuthHeader | undefined,
    number: string | undefined,
    peer: Peer,
  ): string | RefusedIdentity {
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
    return result.username;
  }

  #fail(
    reason: string,
    user: string,
    challenged: { number: string | undefined; from: string },
  ): RefusedIdentity {
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
    if (this.#store.dn(username) === undefined) return this.#trunks.ha1(username, algorithm, this.#realm);
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

const IGNORED: RefusedIdentity = { ...refusal(401, 'Unauthorized', 'auth-silenced'), isIgnored: true };

function refusal(status: number, reason: string, counter: string): RefusedIdentity {
  return { kind: 'refused', status, reason, challenges: undefined, counter };
}

function identityOf({ config, line }: KnownTrunk): Identity {
  return { kind: 'trunk', trunk: config, line };
}

/** The number that a caller has dialled. Who calls what we have registered says in To whom he means. */
export function dialledBy({ uri, headers }: SipRequest, caller: Identity): string | undefined {
  const user = userOf(uri);
  const isLine = caller.kind === 'trunk' && caller.line !== undefined && caller.line === user;
  return isLine ? userOf(headers.to.uri) : user;
}

/** The user part of a SIP or tel URI, or undefined. */
export function userOf(uri: string): string | undefined {
  return parseUri(uri)?.user;
}
