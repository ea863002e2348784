// The transport layer: listeners of both protocols behind one door, and the way out to each peer (RFC 3261 section 18).
import { isIP } from 'node:net';
import type { Channel } from './channel.ts';
import { type DecodeResult, decodeMessage, fail } from './decode.ts';
import type { ListenAddress } from './listen-error.ts';
import { isUnicast, isWildcard, LocalAddresses, sameFamily } from './local-address.ts';
import type { Via } from './message.ts';
import { TOO_LARGE } from './stream.ts';
import { DEFAULT_TCP_LIMITS, type TcpLimits } from './tcp-connection.ts';
import { TcpConnections } from './transport-tcp.ts';
import { UdpListener } from './transport-udp.ts';
import { UdpPeer, UdpPeers } from './udp-peers.ts';
import type { Flow, Peer } from './user-agent-types.ts';

export interface TransportOptions {
  listen: readonly ListenAddress[];
  limits?: Partial<TcpLimits>;
  count(reason: string): void;
  /** What was read, whole or refused. */
  onMessage(result: DecodeResult, flow: Flow): void;
}

/** Why a peer cannot be reached, for the log and the 503. */
export interface NoWay {
  reason: string;
}

export class Transport {
  /** The addresses as bound, in the order of the configuration. */
  readonly listening: Peer[] = [];
  readonly #udp: UdpPeers[] = [];
  readonly #tcp: TcpConnections;
  readonly #tcpListening: Peer[] = [];
  readonly #addresses = new LocalAddresses();
  readonly #options: TransportOptions;

  private constructor(options: TransportOptions) {
    this.#options = options;
    this.#tcp = new TcpConnections(
      { ...DEFAULT_TCP_LIMITS, ...options.limits },
      { onMessage: options.onMessage, count: options.count, onError: () => options.count('listener-error') },
    );
  }

  /** Binds every address, or none. @throws GrecError PORT_IN_USE, PORT_UNUSABLE */
  static async open(options: TransportOptions): Promise<Transport> {
    const transport = new Transport(options);
    try {
      if (options.listen.some(({ host }) => isWildcard(host))) await transport.#addresses.learn();
      for (const address of options.listen) await transport.#listen(address);
    } catch (thrown) {
      await transport.close();
      throw thrown;
    }
    return transport;
  }

  async #listen(address: ListenAddress): Promise<void> {
    if (address.protocol === 'tcp') {
      const local = await this.#tcp.listen(address);
      this.#tcpListening.push(local);
      this.listening.push(local);
      return;
    }
    const listener = await UdpListener.open(address, {
      onDatagram: (bytes, from, port) => this.#receiveDatagram(bytes, peers.at(from, port)),
      onError: () => this.#options.count('listener-error'),
    });
    const peers = new UdpPeers(listener, (peer) => this.#advertise(listener.local, peer));
    this.#udp.push(peers);
    this.listening.push(listener.local);
  }

  #receiveDatagram(bytes: Buffer, flow: Flow): void {
    try {
      this.#options.onMessage(this.#sized(bytes.length, decodeMessage(bytes)), flow);
    } catch {
      // The decoder does not throw; should it ever, one datagram is lost and not the process.
      this.#options.count('internal-error');
    }
  }

  #sized(bytes: number, result: DecodeResult): DecodeResult {
    const most = this.#options.limits?.messageBytes ?? DEFAULT_TCP_LIMITS.messageBytes;
    return bytes > most ? fail(result, TOO_LARGE) : result;
  }

  #advertise(bound: Peer, peer: Peer): Peer {
    return isWildcard(bound.address) ? { ...bound, address: this.#addresses.reaching(peer.address) } : bound;
  }

  /**
   * The way to a peer. For UDP it leaves from the address at which `near` arrived, when that fits; for TCP it takes the
   * connection that is open to the peer, or opens one.
   */
  channelTo(peer: Peer, near?: Flow): Channel | NoWay {
    const known = peer.protocol === 'udp' ? this.#soleUdp?.find(peer.address, peer.port) : undefined;
    if (known?.isAcceptable) return known;
    if (isIP(peer.address) === 0) return { reason: 'the address is not numeric' };
    if (!isUnicast(peer.address)) return { reason: 'the address is not that of one host' };
    if (!(peer.port > 0 && peer.port < 65536)) return { reason: 'the port is none' };
    return peer.protocol === 'tcp' ? this.#tcpChannel(peer) : this.#udpChannel(peer, near);
  }

  /** The listener of all that goes over UDP, when there is no other one to choose. */
  get #soleUdp(): UdpPeers | undefined {
    return this.#udp.length === 1 ? this.#udp[0] : undefined;
  }

  /** The way back along a flow; undefined when its connection has ended. */
  channelOf(flow: Flow): Channel | undefined {
    if (flow instanceof UdpPeer) return flow;
    const { peer } = flow;
    if (peer.protocol === 'udp') {
      const channel = this.#udpChannel(peer, flow);
      return 'send' in channel ? channel : undefined;
    }
    const connection = this.#tcp.find(flow.id);
    if (connection === undefined) return undefined;
    return {
      reliable: true,
      local: flow.local,
      peer,
      send: (bytes, onError) => connection.send(bytes, onError),
    };
  }

  /**
   * The way of the responses to a request (RFC 3261 section 18.2.2, RFC 3581): to where it came from; over TCP on its
   * connection, or, when that has ended, on a new one to the port of its Via.
   */
  replyTo(flow: Flow, via: Via): Channel {
    if (flow instanceof UdpPeer) return flow;
    const { peer, local } = flow;
    const elsewhere: Peer = { ...peer, port: via.port ?? 5060 };
    return {
      reliable: peer.protocol === 'tcp',
      local,
      peer,
      send: (bytes, onError) => {
        const channel = this.channelOf(flow) ?? this.channelTo(elsewhere);
        if ('send' in channel) channel.send(bytes, onError);
        else queueMicrotask(() => onError(channel.reason));
      },
    };
  }

  #udpChannel(peer: Peer, near: Flow | undefined): Channel | NoWay {
    const peers = this.#udpListener(peer, near);
    if (peers === undefined) return { reason: 'no UDP listener of that address family' };
    const channel = peers.at(peer.address, peer.port);
    channel.isAcceptable = true;
    return channel;
  }

  #udpListener(peer: Peer, near: Flow | undefined): UdpPeers | undefined {
    const fitting = this.#udp.filter(({ listener: { local } }) => sameFamily(local.address, peer.address));
    if (fitting.length < 2) return fitting[0];
    const arrived = near?.local.protocol === 'udp' ? near.local : undefined;
    const reaching = arrived?.address ?? this.#addresses.reaching(peer.address);
    return (
      fitting.find(({ listener: { local } }) => fits(local, reaching) && local.port === arrived?.port) ??
      fitting.find(({ listener: { local } }) => fits(local, reaching)) ??
      fitting[0]
    );
  }

  #tcpChannel(peer: Peer): Channel | NoWay {
    const fitting = this.#tcpListening.filter(({ address }) => sameFamily(address, peer.address));
    const reaching = fitting.length > 1 ? this.#addresses.reaching(peer.address) : '';
    const bound = fitting.find(({ address }) => fits({ address }, reaching)) ?? fitting[0];
    if (bound === undefined) return { reason: 'no TCP listener of that address family' };
    const local = this.#advertise(bound, peer);
    const bindTo = isWildcard(bound.address) ? undefined : bound.address;
    return {
      reliable: true,
      local,
      peer,
      send: (bytes, onError) => {
        const connection = this.#tcp.reach(peer, local, bindTo);
        if (typeof connection !== 'string') connection.send(bytes, onError);
        else queueMicrotask(() => onError(connection));
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#tcp.close(), ...this.#udp.map(({ listener }) => listener.close())]);
  }
}

function fits(bound: { address: string }, address: string): boolean {
  return bound.address === address || isWildcard(bound.address);
}
