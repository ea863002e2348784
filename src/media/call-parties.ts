// The two parties of a call on the media server: each has a leg for the life of the call, whoever speaks there.
import { isIPv6 } from 'node:net';
import type { NgOffer } from '../ng/request.ts';
import { CopiedTypes } from '../spool/copied-types.ts';
import { type CallParty, newParty, refused } from './call-party.ts';
import { CryptoExchange } from './crypto-exchange.ts';
import { addressFor, type Description } from './description.ts';
import type { Leg, Shard } from './io/engine.ts';
import type { PortPool } from './port-pool.ts';

/** Where their legs may be. */
export interface Places {
  /** Our media addresses, bound and shown in SDP: one, or one of each family. The first is the preferred one. */
  addresses: readonly [string, ...string[]];
  ports: PortPool;
}

export class CallParties {
  readonly #places: Places;
  /** The offerer of the first offer, then the other; none before it. */
  all: CallParty[] = [];

  constructor(places: Places) {
    this.#places = places;
  }

  /**
   * Each party gets ports of its own family; the other's is that of the offer when the controller does not say.
   * @throws GrecError PORTS_EXHAUSTED, PORT_UNUSABLE: what was opened is closed with the call
   */
  async open(shard: Shard, request: NgOffer, { remote }: Description): Promise<void> {
    const { 'from-tag': fromTag, 'to-tag': toTag = '', 'address family': family } = request;
    const isV6 = isIPv6(remote.address);
    const opened = await Promise.allSettled([
      this.#openLeg(shard, isV6),
      this.#openLeg(shard, family === undefined ? isV6 : family === 'IP6'),
    ]);
    this.all = opened.flatMap((leg, index) =>
      leg.status === 'fulfilled' ? [newParty(index === 0 ? fromTag : toTag, leg.value)] : [],
    );
    const [from, to] = this.all;
    if (from === undefined || to === undefined) throw reasonOf(opened);
    from.leg.relayTo(to.leg);
    to.leg.relayTo(from.leg);
  }

  #openLeg(shard: Shard, isV6: boolean): Promise<Leg> {
    const { ports, addresses } = this.#places;
    const address = addressFor(isV6, addresses) ?? addresses[0];
    return ports.open((port) => shard.openLeg(address, port));
  }

  /**
   * The party of that tag. A new tag takes the place of the party that `otherTag` does not name.
   * @returns whether it took it from somebody
   * @throws GrecError NG_REFUSED
   */
  seat(tag: string, otherTag: string | undefined): { party: CallParty; isNewcomer: boolean } {
    const known = this.all.find((party) => party.tag === tag);
    if (known !== undefined) return { party: known, isNewcomer: false };
    const free = this.all.find((party) => party.tag === '');
    const party = free ?? this.all.find((one) => one.tag !== otherTag);
    const isKnownCall = free !== undefined || this.all.some((one) => one.tag === otherTag);
    if (party === undefined || !isKnownCall) throw refused(`the call has no party with tag ${tag}`);
    const isNewcomer = free === undefined;
    if (isNewcomer) {
      // Who takes a place gets keys of its own.
      party.crypto = new CryptoExchange();
      for (const one of this.all) one.copied = new CopiedTypes();
    }
    party.tag = tag;
    return { party, isNewcomer };
  }

  /** The party of that tag; both when it is left out. @throws GrecError NG_REFUSED when there is none */
  named(tag: string | undefined): CallParty[] {
    const named = this.all.filter((party) => tag === undefined || tag === '' || party.tag === tag);
    if (named.length === 0) throw refused(`the call has no party with tag ${tag}`);
    return named;
  }

  /** A description that names our own ports of this call would send each packet round for ever. @throws GrecError NG_REFUSED */
  refuseLoop({ remote }: Description): void {
    if (!this.#places.addresses.includes(remote.address)) return;
    const own = this.all.flatMap(({ leg }) => [leg.rtpPort, leg.rtcpPort]);
    if (own.includes(remote.rtpPort) || own.includes(remote.rtcpPort)) {
      throw refused('the description names ports of the media server itself');
    }
  }

  /** Closes their legs, and gives their ports back. @returns who they were */
  async close(): Promise<CallParty[]> {
    const parties = this.all;
    this.all = [];
    await Promise.all(parties.map(({ leg }) => leg.close()));
    for (const { leg } of parties) this.#places.ports.release(leg.rtpPort);
    return parties;
  }
}

function reasonOf(results: readonly PromiseSettledResult<unknown>[]): unknown {
  return results.find((result) => result.status === 'rejected')?.reason;
}
