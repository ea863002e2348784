// SIP over TCP and TLS: listening, connecting, and reuse of connections in both directions (RFC 3261 section 18, RFC 5923).
import { connect, createServer, type Server, type Socket } from 'node:net';
import { GrecError, messageOf } from '../errors.ts';
import { type ListenAddress, listenError } from './listen-error.ts';
import { type ConnectionEvents, type ConnectionLimits, StreamConnection } from './stream-connection.ts';
import { TlsEndpoint } from './tls.ts';
import { TlsDoor } from './tls-door.ts';
import { TlsGate } from './tls-gate.ts';
import type { Turns } from './turns.ts';
import type { Peer, Protocol, TlsIdentity } from './user-agent-types.ts';

export interface StreamEvents extends ConnectionEvents {
  onError(reason: string): void;
  /** A TLS connection of ours came to nothing: its peer's certificate, as a rule. */
  onTlsFailure(peer: Peer, reason: string): void;
}

/** Silence after which the kernel asks whether the peer is still there. */
const KEEP_ALIVE_MS = 120_000;

function socketOptions(protocol: Protocol) {
  // TLS ends its half itself, with a word of its own.
  const allowHalfOpen = protocol === 'tls';
  return { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, allowHalfOpen };
}

/** All connections of a user agent, whoever opened them. */
export class StreamConnections {
  readonly #limits: ConnectionLimits;
  readonly #events: StreamEvents;
  readonly #turns: Turns;
  readonly #servers: Server[] = [];
  readonly #byId = new Map<string, StreamConnection>();
  /** The usable connection to each peer, by {@link peerKey}. */
  readonly #byPeer = new Map<string, StreamConnection>();
  /** Under which keys a connection stands there. */
  readonly #keys = new WeakMap<StreamConnection, string[]>();
  /** Sockets of each address, and of all: those in a handshake count too. */
  readonly #perAddress = new Map<string, number>();
  readonly #door: TlsDoor;
  #open = 0;
  #tls: TlsEndpoint | undefined;
  #count = 0;
  #closed = false;

  constructor(limits: ConnectionLimits, events: StreamEvents, turns: Turns) {
    this.#turns = turns;
    this.#limits = limits;
    this.#events = events;
    this.#door = new TlsDoor(
      limits.handshakeMs,
      (reason) => events.count(reason),
      (socket, entered) => this.#tls?.accept(new TlsGate(socket, turns), entered),
    );
  }

  /** The certificate of every connection to come. @throws GrecError TLS_UNUSABLE, and the old one stays in use */
  useTls(identity: TlsIdentity): void {
    this.#tls = new TlsEndpoint(identity);
  }

  /** Returns the address as bound. @throws GrecError PORT_IN_USE, PORT_UNUSABLE, TLS_UNUSABLE */
  async listen(address: ListenAddress): Promise<Peer> {
    const { protocol } = address;
    if (protocol === 'tls' && this.#tls === undefined) throw noCertificate();
    const server = createServer(socketOptions(protocol));
    await listening(server, address);
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw listenError(address, 'not an IP address');
    const local: Peer = { protocol, address: bound.address, port: bound.port };
    server.on('error', (error) => this.#events.onError(messageOf(error)));
    server.on('connection', (socket) => this.#take(socket, local));
    this.#servers.push(server);
    return local;
  }

  #take(socket: Socket, listener: Peer): void {
    // A peer that has gone already has no address.
    const { remoteAddress, remotePort, localAddress } = socket;
    if (remoteAddress === undefined || remotePort === undefined) return void socket.destroy();
    if (this.#closed || !this.#hasRoom(remoteAddress)) {
      this.#events.count('connections-exhausted');
      return void socket.destroy();
    }
    this.#occupy(socket, remoteAddress);
    const { protocol } = listener;
    const peer: Peer = { protocol, address: remoteAddress, port: remotePort };
    const local: Peer = { ...listener, address: localAddress ?? listener.address };
    if (protocol === 'tls') this.#door.receive(socket, (secure) => this.#add(secure, peer, local));
    else this.#add(socket, peer, local);
  }

  #hasRoom(address: string): boolean {
    const { connections, connectionsPerAddress } = this.#limits;
    return this.#open < connections && (this.#perAddress.get(address) ?? 0) < connectionsPerAddress;
  }

  #occupy(socket: Socket, address: string): void {
    this.#open += 1;
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    socket.once('close', () => {
      this.#open -= 1;
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
    });
  }

  #add(socket: Socket, peer: Peer, local: Peer, isOpening = false): StreamConnection {
    const key = peerKey(peer);
    const id = `${peer.protocol}:${++this.#count}`;
    const connection = new StreamConnection(
      { socket, isOpening },
      { peer, local, id },
      this.#limits,
      this.#events,
      this.#turns,
    );
    this.#byId.set(id, connection);
    this.#byPeer.set(key, connection);
    this.#keys.set(connection, [key]);
    socket.once('end', () => this.#retire(connection));
    socket.once('close', () => {
      this.#retire(connection);
      this.#byId.delete(id);
    });
    return connection;
  }

  /** Requests to `peer` may take this connection, which its peer has opened (RFC 5923). */
  alias(connection: StreamConnection, peer: Peer): void {
    const key = peerKey(peer);
    if (this.#byPeer.get(key)?.usable) return;
    this.#byPeer.set(key, connection);
    this.#keys.get(connection)?.push(key);
  }

  /** A connection that the peer has ended takes no more requests. */
  #retire(connection: StreamConnection): void {
    for (const key of this.#keys.get(connection) ?? [])
      if (this.#byPeer.get(key) === connection) this.#byPeer.delete(key);
  }

  /** The connection of a flow while it is usable. */
  find(flowId: string): StreamConnection | undefined {
    const connection = this.#byId.get(flowId);
    return connection?.usable ? connection : undefined;
  }

  /**
   * The connection to a peer, opened when there is none; the reason when there can be none.
   * @param local what stands in Via; `bindTo` the address to connect from, undefined for any
   */
  reach(peer: Peer, local: Peer, bindTo: string | undefined): StreamConnection | string {
    const open = this.#byPeer.get(peerKey(peer));
    if (open?.usable) return open;
    if (this.#closed) return 'closed';
    if (!this.#hasRoom(peer.address)) return 'too many connections';
    try {
      const socket = this.#dial(peer, bindTo);
      if (socket === undefined) return 'there is no TLS certificate';
      this.#occupy(socket, peer.address);
      if (peer.protocol === 'tls') this.#tellFailure(socket, peer);
      return this.#add(socket, peer, local, true);
    } catch (thrown) {
      return messageOf(thrown);
    }
  }

  #dial(peer: Peer, bindTo: string | undefined): Socket | undefined {
    const { protocol, address: host, port } = peer;
    if (protocol === 'tls' && this.#tls === undefined) return undefined;
    const from = bindTo === undefined ? {} : { localAddress: bindTo };
    const socket = connect({ host, port, ...from, ...socketOptions(protocol) });
    return protocol === 'tls' ? this.#tls?.connect(peer, new TlsGate(socket, this.#turns)) : socket;
  }

  #tellFailure(socket: Socket, peer: Peer): void {
    const tell = (error: Error) => this.#events.onTlsFailure(peer, messageOf(error));
    socket.once('error', tell);
    socket.once('secureConnect', () => socket.off('error', tell));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const servers = this.#servers.map((server) => new Promise<void>((done) => server.close(() => done())));
    this.#door.close();
    await Promise.all([...servers, ...[...this.#byId.values()].map((connection) => connection.close())]);
  }
}

/**
 * A connection that we open to a name has proved to be that name, which no other connection has. Those that others open
 * have proved nothing: they are found by their address alone.
 */
function peerKey({ protocol, address, port, name = '' }: Peer): string {
  return `${protocol} ${address} ${port} ${name}`;
}

function noCertificate(): GrecError {
  return new GrecError('TLS_UNUSABLE', 'TLS needs a certificate', {
    hint: 'set certificate and key in [sip.tls]',
  });
}

function listening(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(listenError(address, error));
    server.once('error', onError);
    server.listen({ host: address.host, port: address.port, exclusive: true, ipv6Only: true }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}
