// Which way the requests of a dialog go (RFC 3261 section 12.2.1.1, RFC 5626 in spirit).
import type { Channel } from './channel.ts';
import type { Core } from './core.ts';
import { nextHop } from './dialog-state.ts';
import { isLoopback } from './local-address.ts';
import type { SipRequest } from './message.ts';
import { isStream } from './protocol.ts';
import type { StoredDialog } from './stored-dialog.ts';
import type { NoWay } from './transport.ts';
import { parseUri } from './uri.ts';
import type { Flow, Peer } from './user-agent-types.ts';

/**
 * A host and port as the peer writes them, and the address at which it was really found. A phone behind NAT writes its
 * private address into Contact; a request to just that address goes to where the phone was heard. UDP only: the port from
 * which a connection came takes none.
 */
export interface Alias {
  host: string;
  port: number;
  peer: Peer;
}

/** The alias that a URI was reached by. */
export function aliasOfUri(text: string, peer: Peer): Alias | undefined {
  const uri = parseUri(text);
  if (uri === undefined || uri.host === '' || peer.protocol !== 'udp') return undefined;
  return { host: uri.host.toLowerCase(), port: uri.port ?? 5060, peer };
}

/** The alias of the sender of a request that came straight from it: the address in its Via. */
export function aliasOfSender(request: SipRequest, flow: Flow): Alias | undefined {
  const [via, ...others] = request.headers.via;
  if (via === undefined || others.length > 0 || flow.peer.protocol !== 'udp') return undefined;
  return { host: via.host.toLowerCase(), port: via.port ?? 5060, peer: flow.peer };
}

export class DialogWay {
  readonly #core: Core;
  #flow: Flow | undefined;
  #alias: Alias | undefined;

  constructor(core: Core, flow: Flow | undefined, alias: Alias | undefined) {
    this.#core = core;
    this.#flow = flow;
    this.#alias = alias;
  }

  /** What is kept of it when the process may end. */
  store(): StoredDialog['way'] {
    const flow = this.#flow && { peer: this.#flow.peer, local: this.#flow.local };
    return { flow: flow ?? null, alias: this.#alias ?? null };
  }

  /** The peer has been heard from on a new flow: a phone on TCP or TLS that has connected again. */
  moveTo(flow: Flow, alias: Alias | undefined): void {
    this.#flow = flow;
    if (alias !== undefined) this.#alias = alias;
  }

  /** The open connection of the dialog, else the first route or the remote target. */
  channel(request: SipRequest): Channel | NoWay | Promise<Channel | NoWay> {
    const open = this.#openConnection(request);
    if (open !== undefined) return open;
    const hop = nextHop(request);
    const known = this.#known(hop);
    return known === undefined ? this.#find(hop) : this.#channelTo(known);
  }

  async #find(hop: string): Promise<Channel | NoWay> {
    const peer = await this.#core.locator.locate(hop);
    return 'reason' in peer ? peer : this.#channelTo(peer);
  }

  #channelTo(peer: Peer): Channel | NoWay {
    if (this.#isOfThisMachine(peer)) return { reason: 'a peer elsewhere names an address of this machine' };
    return this.#core.transport.channelTo(peer, this.#flow);
  }

  /** Over TCP and TLS: the dialog's, or the one with which its phone has registered again since. */
  #openConnection({ headers }: SipRequest): Channel | undefined {
    if (this.#flow === undefined || !isStream(this.#flow.peer.protocol)) return undefined;
    const open = this.#core.transport.channelOf(this.#flow);
    if (open !== undefined) return open;
    const next = this.#core.user.successorOf?.(this.#flow, headers.to.uri);
    if (next === undefined) return undefined;
    this.#flow = next;
    return this.#core.transport.channelOf(next);
  }

  /** A request of the peer: when its connection has ended, this is the new one. */
  heardOn(flow: Flow): void {
    if (this.#flow === undefined || !isStream(flow.peer.protocol) || !isStream(this.#flow.peer.protocol))
      return;
    if (this.#core.transport.channelOf(this.#flow) === undefined) this.#flow = flow;
  }

  /** Services that listen on loopback trust who reaches them: no peer from elsewhere may have us write to them. */
  #isOfThisMachine({ address }: Peer): boolean {
    return this.#flow !== undefined && isLoopback(address) && !isLoopback(this.#flow.peer.address);
  }

  #known(hop: string): Peer | undefined {
    const uri = this.#alias && parseUri(hop);
    if (uri === undefined || this.#alias === undefined) return undefined;
    const { host, port, peer } = this.#alias;
    return uri.host.toLowerCase() === host && (uri.port ?? 5060) === port ? peer : undefined;
  }
}
