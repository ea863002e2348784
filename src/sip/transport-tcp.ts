// SIP over TCP: listening, connecting, and reuse of connections in both directions (RFC 3261 section 18).
import { connect, createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../errors.ts';
import { type ListenAddress, listenError } from './listen-error.ts';
import { type ConnectionEvents, TcpConnection, type TcpLimits } from './tcp-connection.ts';
import type { Peer } from './user-agent-types.ts';

export interface TcpEvents extends ConnectionEvents {
  onError(reason: string): void;
}

/** All connections of a user agent, whoever opened them. */
export class TcpConnections {
  readonly #limits: TcpLimits;
  readonly #events: TcpEvents;
  readonly #servers: Server[] = [];
  readonly #byId = new Map<string, TcpConnection>();
  /** The usable connection to each remote address and port. */
  readonly #byPeer = new Map<string, TcpConnection>();
  readonly #perAddress = new Map<string, number>();
  #count = 0;
  #closed = false;

  constructor(limits: TcpLimits, events: TcpEvents) {
    this.#limits = limits;
    this.#events = events;
  }

  /** Returns the address as bound. @throws GrecError PORT_IN_USE, PORT_UNUSABLE */
  async listen(address: ListenAddress): Promise<Peer> {
    const server = createServer({ noDelay: true });
    await listening(server, address);
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw listenError(address, 'not an IP address');
    const local: Peer = { protocol: 'tcp', address: bound.address, port: bound.port };
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
    const peer: Peer = { protocol: 'tcp', address: remoteAddress, port: remotePort };
    this.#add(socket, peer, { ...listener, address: localAddress ?? listener.address });
  }

  #hasRoom(address: string): boolean {
    const { connections, connectionsPerAddress } = this.#limits;
    return this.#byId.size < connections && (this.#perAddress.get(address) ?? 0) < connectionsPerAddress;
  }

  #add(socket: Socket, peer: Peer, local: Peer): TcpConnection {
    const key = peerKey(peer);
    const id = `tcp:${++this.#count}`;
    const connection = new TcpConnection(socket, { peer, local, id }, this.#limits, this.#events);
    this.#byId.set(id, connection);
    this.#byPeer.set(key, connection);
    this.#perAddress.set(peer.address, (this.#perAddress.get(peer.address) ?? 0) + 1);
    socket.once('end', () => this.#retire(key, connection));
    socket.once('close', () => {
      this.#retire(key, connection);
      this.#byId.delete(id);
      this.#release(peer.address);
    });
    return connection;
  }

  /** A connection that the peer has ended takes no more requests. */
  #retire(key: string, connection: TcpConnection): void {
    if (this.#byPeer.get(key) === connection) this.#byPeer.delete(key);
  }

  #release(address: string): void {
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
  }

  /** The connection of a flow while it is usable. */
  find(flowId: string): TcpConnection | undefined {
    const connection = this.#byId.get(flowId);
    return connection?.usable ? connection : undefined;
  }

  /**
   * The connection to a peer, opened when there is none; the reason when there can be none.
   * @param local what stands in Via; `bindTo` the address to connect from, undefined for any
   */
  reach(peer: Peer, local: Peer, bindTo: string | undefined): TcpConnection | string {
    const open = this.#byPeer.get(peerKey(peer));
    if (open?.usable) return open;
    if (this.#closed) return 'closed';
    if (!this.#hasRoom(peer.address)) return 'too many connections';
    try {
      const options = { host: peer.address, port: peer.port, noDelay: true };
      const socket = connect(bindTo === undefined ? options : { ...options, localAddress: bindTo });
      return this.#add(socket, peer, local);
    } catch (thrown) {
      return messageOf(thrown);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const servers = this.#servers.map((server) => new Promise<void>((done) => server.close(() => done())));
    await Promise.all([...servers, ...[...this.#byId.values()].map((connection) => connection.close())]);
  }
}

function peerKey({ address, port }: Peer): string {
  return `${address} ${port}`;
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
