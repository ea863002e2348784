// The peers that a UDP listener hears from and writes to again and again: the flow and the channel of each, made once.

import type { Channel } from './channel.ts';
import { isWildcard } from './local-address.ts';
import type { UdpListener } from './transport-udp.ts';
import type { Flow, Peer } from './user-agent-types.ts';

/** Made-up sources must not cost memory for ever: beyond these all are forgotten, and made anew. */
const MOST_PEERS = 4096;
/** Which of our addresses a peer reaches may change where a listener takes all of them. */
const REMEMBER_MS = 10_000;

/** The way to and from one peer at one listener. */
export class UdpPeer implements Channel, Flow {
  readonly reliable = false;
  readonly peer: Peer;
  readonly local: Peer;
  /** It has been looked at whether anything may be sent there. */
  isAcceptable = false;
  readonly #listener: UdpListener;

  constructor(listener: UdpListener, local: Peer, peer: Peer) {
    this.#listener = listener;
    this.local = local;
    this.peer = peer;
  }

  get id(): string {
    const { local, peer } = this;
    return `udp:${local.address}:${local.port}:${peer.address}:${peer.port}`;
  }

  send(bytes: Buffer, onError: (reason: string) => void): void {
    this.#listener.send(bytes, this.peer, onError);
  }
}

export class UdpPeers {
  readonly listener: UdpListener;
  readonly #advertise: (peer: Peer) => Peer;
  readonly #known = new Map<string, Map<number, UdpPeer>>();
  readonly #isWildcard: boolean;
  #size = 0;
  #since = 0;

  /** @param advertise our own address as that peer can reach it */
  constructor(listener: UdpListener, advertise: (peer: Peer) => Peer) {
    this.listener = listener;
    this.#advertise = advertise;
    this.#isWildcard = isWildcard(listener.local.address);
  }

  /** @param address numeric, and of the listener's family */
  at(address: string, port: number): UdpPeer {
    return this.find(address, port) ?? this.#make(address, port);
  }

  /** One that has been heard from or written to. */
  find(address: string, port: number): UdpPeer | undefined {
    if (this.#isWildcard && performance.now() - this.#since > REMEMBER_MS) this.#forget();
    return this.#known.get(address)?.get(port);
  }

  #make(address: string, port: number): UdpPeer {
    if (this.#size >= MOST_PEERS) this.#forget();
    const peer: Peer = { protocol: 'udp', address, port };
    const made = new UdpPeer(this.listener, this.#advertise(peer), peer);
    const ports = this.#known.get(address) ?? new Map<number, UdpPeer>();
    this.#known.set(address, ports.set(port, made));
    this.#size += 1;
    return made;
  }

  #forget(): void {
    this.#known.clear();
    this.#size = 0;
    this.#since = performance.now();
  }
}
