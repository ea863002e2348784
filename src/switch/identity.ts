// Who is calling: the trunk by its address, a DN by digest; nobody else (RFC 3261 section 22).
import type { TrunkConfig } from '../config.ts';
import { createChallenger } from '../sip/digest.ts';
import type { SipRequest } from '../sip/message.ts';
import { parseUri } from '../sip/uri.ts';
import type { IncomingRequest } from '../sip/user-agent.ts';
import type { Dn } from './dn.ts';
import type { DnStore } from './dn-store.ts';

export type Identity =
  | { kind: 'dn'; dn: Dn }
  | { kind: 'trunk'; trunk: TrunkConfig }
  | { kind: 'refused'; status: number; reason: string; challenge: string | undefined; counter: string };

/** What a phone with the right password mends by itself: its nonce is too old, was used, or is of an earlier life of the switch. */
const STALE = new Set(['stale', 'replay', 'forged-nonce']);

export interface IdentifyOptions {
  store: DnStore;
  realm: string;
  now(): number;
}

/** Authenticates requests. One for the life of the switch: it holds the key of the nonces. */
export class Identifier {
  readonly #store: DnStore;
  readonly #realm: string;
  readonly #challenger: ReturnType<typeof createChallenger>;

  constructor({ store, realm, now }: IdentifyOptions) {
    this.#store = store;
    this.#realm = realm;
    this.#challenger = createChallenger({ realm, now });
  }

  /** Who sent a new call: a DN by its credentials, a trunk by its address. Credentials are looked at first. */
  identifyCaller(
    request: Pick<IncomingRequest, 'message' | 'flow'>,
    trunks: readonly TrunkConfig[],
  ): Identity {
    const trunk = trunks.find(({ host }) => host === request.flow.peer.address);
    if (trunk !== undefined && request.message.headers.authorization === undefined)
      return { kind: 'trunk', trunk };
    return this.authenticate(request.message, userOf(request.message.headers.from.uri));
  }

  /** Demands credentials of the DN `number`: the one that the request claims to speak for. */
  authenticate(request: SipRequest, number: string | undefined): Identity {
    const header = request.headers.authorization?.find(
      ({ scheme, realm }) => scheme.toLowerCase() === 'digest' && realm?.replaceAll('"', '') === this.#realm,
    );
    if (header === undefined) return this.#challenge('auth-challenged', false);
    const ha1 = (username: string) => this.#ha1(username);
    const result = this.#challenger.verify({ header, method: request.method, requestUri: request.uri, ha1 });
    if (!result.ok) return this.#challenge(`auth-${result.reason}`, STALE.has(result.reason));
    const dn = this.#store.dn(result.username);
    if (dn !== undefined && dn.number === number) return { kind: 'dn', dn };
    return {
      kind: 'refused',
      status: 403,
      reason: 'Not Your Number',
      challenge: undefined,
      counter: 'auth-wrong-number',
    };
  }

  #ha1(username: string): string | undefined {
    const dn = this.#store.dn(username);
    return dn?.realm === this.#realm ? (dn.ha1 ?? undefined) : undefined;
  }

  #challenge(counter: string, stale: boolean): Identity {
    const challenge = this.#challenger.challenge({ stale });
    return { kind: 'refused', status: 401, reason: 'Unauthorized', challenge, counter };
  }
}

/** The user part of a SIP or tel URI, or undefined. */
export function userOf(uri: string): string | undefined {
  return parseUri(uri)?.user;
}
