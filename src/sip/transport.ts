// The transport layer: listeners of all protocols behind one door, and the way out to each peer (RFC 3261 section 18).
import { isIP } from 'node:net';
import type { Channel } from './channel.ts';
import { DatagramQueue } from './datagram-queue.ts';
import { type DecodeResult, decodeMessage, fail } from './decode.ts';
import { UdpOnly } from './large-requests.ts';
import type { ListenAddress } from './listen-error.ts';
import { isUnicast, isWildcard, LocalAddresses, sameFamily } from './local-address.ts';
import type { Via } from './message.ts';
import { askedFor, defaultPort, isStream, unbracketed } from './protocol.ts';
import { TOO_LARGE } from './stream.ts';
import { type ConnectionLimits, DEFAULT_CONNECTION_LIMITS } from './stream-connection.ts';
import { StreamConnections } from './transport-stream.ts';
import { UdpListener } from './transport-udp.ts';
import { Turns } from './turns.ts';
import { UdpPeer, UdpPeers } from './udp-peers.ts';
import type { Flow, Peer, TlsIdentity } from './user-agent-types.ts';

export interface TransportOptions {
  listen: readonly ListenAddress[];
  tls?: TlsIdentity | undefined;
  limits?: Partial<ConnectionLimits>;
  restMs?: number | undefined;
  count(reason: string): void;
  /** A TLS connection of ours came to nothing. */
  onTlsFailure(peer: Peer, reason: string): void;
  /** What was read, whole or refused. */
  onMessage(result: DecodeResult, flow: Flow): void;
}

/** Why a peer cannot be reached, for the log and the 503. */
export interface NoWay {
  reason: string;
}

interface StreamChannel extends Channel {
  /** Connects; false when that fails or takes too long. */
  opens(limitMs: number): Promise<boolean>;
}

/** A call waits for it. */
const LONGEST_CONNECT_MS = 1000;

export class Transport {
  /** The addresses as bound, in the order of the configuration. */
  readonly listening: Peer[] = [];
  readonly #udp: UdpPeers[] = [];
  readonly #streams: StreamConnections;
  readonly #addresses = new LocalAddresses();
  readonly #udpOnly = new UdpOnly();
  readonly #turns: Turns;
  readonly #datagrams: DatagramQueue;
  readonly #options: TransportOptions;

  private constructor(options: TransportOptions) {
    this.#options = options;
    const { restMs } = options;
    this.#turns = new Turns(
      undefined,
      restMs === undefined ? undefined : { milliseconds: restMs, before: () => this.#flush() },
    );
    this.#streams = new StreamConnections(
      { ...DEFAULT_CONNECTION_LIMITS, ...options.limits },
      {
        onMessage: options.onMessage,
        count: options.count,
        onTlsFailure: options.onTlsFailure,
        onError: () => options.count('listener-error'),
      },
      this.#turns,
    );
    this.#datagrams = new DatagramQueue(
      this.#turns,
      (bytes, flow) => this.#receiveDatagram(bytes, flow),
      () => options.count('datagram-lost'),
    );
  }

  /** Binds every address, or none. @throws GrecError PORT_IN_USE, PORT_UNUSABLE, TLS_UNUSABLE */
  static async open(options: TransportOptions): Promise<Transport> {
    const transport = new Transport(options);
    try {
      if (options.tls !== undefined) transport.useTls(options.tls);
      if (options.listen.some(({ host }) => isWildcard(host))) await transport.#addresses.learn();
      for (const address of options.listen) await transport.#listen(address);
    } catch (thrown) {
      await transport.close();
      throw thrown;
    }
    return transport;
  }

  /** The certificate of every connection to come. @throws GrecError TLS_UNUSABLE, and the old one stays in use */
  useTls(identity: TlsIdentity): void {
    this.#streams.useTls(identity);
  }

  async #listen(address: ListenAddress): Promise<void> {
    if (isStream(address.protocol)) return void this.listening.push(await this.#streams.listen(address));
    const listener = await UdpListener.open(address, {
      onDatagram: (bytes, from, port) => this.#datagrams.take(bytes, peers.at(from, port)),
      onError: () => this.#options.count('listener-error'),
    });
    const peers = new UdpPeers(listener, (peer) => this.#advertise(listener.local, peer));
    this.#udp.push(peers);
    this.listening.push(listener.local);
  }

  #receiveDatagram(bytes: Buffer, flow: Flow): void {
    try {
      const result = this.#sized(bytes.length, decodeMessage(bytes));
      if (result.ok && result.message.body.length > 0) result.message.body = ownCopy(result.message.body);
      this.#options.onMessage(result, flow);
    } catch {
      // The decoder does not throw; should it ever, one datagram is lost and not the process.
      this.#options.count('internal-error');
    }
  }

  #sized(bytes: number, result: DecodeResult): DecodeResult {
    const most = this.#options.limits?.messageBytes ?? DEFAULT_CONNECTION_LIMITS.messageBytes;
    return bytes > most ? fail(result, TOO_LARGE) : result;
  }

  #flush(): void {
    for (const { listener } of this.#udp) listener.flush();
  }

  #advertise(bound: Peer, peer: Peer): Peer {
    return isWildcard(bound.address) ? { ...bound, address: this.#addresses.reaching(peer.address) } : bound;
  }

  /**
   * The way to a peer. For UDP it leaves from the address at which `near` arrived, when that fits; for TCP and TLS it
   * takes the connection that is open to the peer, or opens one.
   */
  channelTo(peer: Peer, near?: Flow): Channel | NoWay {
    const known = peer.protocol === 'udp' ? this.#soleUdp?.find(peer.address, peer.port) : undefined;
    if (known?.isAcceptable) return known;
    if (isIP(peer.address) === 0) return { reason: 'the address is not numeric' };
    if (!isUnicast(peer.address)) return { reason: 'the address is not that of one host' };
    if (!(peer.port > 0 && peer.port < 65536)) return { reason: 'the port is none' };
    return isStream(peer.protocol) ? this.#streamChannel(peer) : this.#udpChannel(peer, near);
  }

  /** The way by TCP to a peer of UDP, connected; undefined when it does not take it. */
  async streamTo(peer: Peer): Promise<Channel | undefined> {
    const channel = this.#udpOnly.has(peer) ? undefined : this.#streamChannel({ ...peer, protocol: 'tcp' });
    if (channel === undefined || 'reason' in channel) return undefined;
    if (await channel.opens(LONGEST_CONNECT_MS)) return channel;
    this.shunStream(peer);
    return undefined;
  }

  /** Nothing goes by TCP to this peer of UDP for a while. */
  shunStream(peer: Peer): void {
    this.#udpOnly.note(peer);
  }

  /** The listener of all that goes over UDP, when there is no other one to choose. */
  get #soleUdp(): UdpPeers | undefined {
    return this.#udp.length === 1 ? this.#udp[0] : undefined;
  }

  /** The way back along a flow; undefined when its connection has ended. */
  channelOf(flow: Flow): Channel | undefined {
    if (flow instanceof UdpPeer) return flow;
    const { peer } = flow;
    if (!isStream(peer.protocol)) {
      const channel = this.#udpChannel(peer, flow);
      return 'send' in channel ? channel : undefined;
    }
    const connection = this.#streams.find(flow.id);
    if (connection === undefined) return undefined;
    return {
      reliable: true,
      local: flow.local,
      peer,
      send: (bytes, onError) => connection.send(bytes, onError),
    };
  }

  /**
   * A request has come over a connection whose peer says in Via that requests to it may go there too (RFC 5923). That is
   * believed of its own address alone, and in TLS of a peer that has shown a certificate for it.
   */
  noteAlias({ id, peer }: Flow, via: Via): void {
    if (!('alias' in via.params) || unbracketed(via.host) !== peer.address) return;
    const connection = this.#streams.find(id);
    if (connection === undefined || (peer.protocol === 'tls' && !connection.proves(peer.address))) return;
    this.#streams.alias(connection, { ...peer, port: via.port ?? defaultPort(peer.protocol) });
  }

  /**
   * The way of the responses to a request (RFC 3261 section 18.2.2, RFC 3581): to where it came from; over TCP and TLS on
   * its connection, or, when that has ended, on a new one to the port of its Via.
   */
  replyTo(flow: Flow, via: Via): Channel {
    if (flow instanceof UdpPeer) return flow;
    const { peer, local } = flow;
    const elsewhere = askedFor(via.host, { ...peer, port: via.port ?? defaultPort(peer.protocol) });
    return {
      reliable: isStream(peer.protocol),
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

  #streamChannel(peer: Peer): StreamChannel | NoWay {
    const fitting = this.listening.filter(
      ({ protocol, address }) => protocol === peer.protocol && sameFamily(address, peer.address),
    );
    const reaching = fitting.length > 1 ? this.#addresses.reaching(peer.address) : '';
    const bound = fitting.find(({ address }) => fits({ address }, reaching)) ?? fitting[0];
    if (bound === undefined)
      return { reason: `no ${peer.protocol.toUpperCase()} listener of that address family` };
    const local = this.#advertise(bound, peer);
    const bindTo = isWildcard(bound.address) ? undefined : bound.address;
    const reach = () => this.#streams.reach(peer, local, bindTo);
    return {
      reliable: true,
      local,
      peer,
      opens: async (limitMs) => {
        const connection = reach();
        return typeof connection !== 'string' && (await within(limitMs, connection.opened));
      },
      send: (bytes, onError) => {
        const connection = reach();
        if (typeof connection === 'string') return queueMicrotask(() => onError(connection));
        // One that was open and fails may have been ended by the peer just now: a new one is worth a try.
        const isRetryable = connection.isOpen;
        connection.send(bytes, (reason) => {
          const again = isRetryable ? reach() : connection;
          if (typeof again === 'string' || again === connection) onError(reason);
          else again.send(bytes, onError);
        });
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#streams.close(), ...this.#udp.map(({ listener }) => listener.close())]);
  }
}

/** In memory of its own: a body outlives the datagram, and must not keep others in memory with it. */
function ownCopy(body: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(body.length);
  body.copy(copy);
  return copy;
}

function fits(bound: { address: string }, address: string): boolean {
  return bound.address === address || isWildcard(bound.address);
}

async function within(limitMs: number, opened: Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  const isOpen = await Promise.race([opened, late]);
  clearTimeout(timer);
  return isOpen;
}
