// SIP over UDP: one socket per listen address, one message per datagram (RFC 3261 section 18, RFC 3581).
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { messageOf } from '../errors.ts';
import { type ListenAddress, listenError } from './listen-error.ts';
import { openBatches } from './udp-batches.ts';
import type { Peer } from './user-agent-types.ts';

/** What IPv4 can carry in one datagram, in bytes. */
export const LARGEST_DATAGRAM = 65_507;
/** For bursts while the event loop is busy: 4 MB hold about 4,000 requests; the kernel may grant less. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

export interface UdpEvents {
  /** `bytes` are the receiver's only until it returns: the next datagram may be written over them. */
  onDatagram(bytes: Buffer, address: string, port: number): void;
  onError(reason: string): void;
}

/** A bound UDP socket. */
export interface UdpListener {
  /** As bound: the port is real, the address may be a wildcard. */
  readonly local: Peer;
  /** Sends at the end of this turn of the event loop at the latest. */
  send(bytes: Buffer, peer: Peer, onError: (reason: string) => void): void;
  /** Sends what waits for the end of the turn. */
  flush(): void;
  close(): Promise<void>;
}

export const UdpListener = {
  /** @throws GrecError PORT_IN_USE, PORT_UNUSABLE */
  async open(address: ListenAddress, events: UdpEvents): Promise<UdpListener> {
    return (await openBatches(address, events)) ?? DgramListener.open(address, events);
  },
};

/** By node:dgram: what every system has. */
export class DgramListener implements UdpListener {
  readonly local: Peer;
  readonly #socket: Socket;

  private constructor(socket: Socket, events: UdpEvents) {
    const { address, port } = socket.address();
    this.local = { protocol: 'udp', address, port };
    this.#socket = socket;
    socket.on('error', (error) => events.onError(messageOf(error)));
    socket.on('message', (bytes: Buffer, from: RemoteInfo) =>
      events.onDatagram(bytes, from.address, from.port),
    );
  }

  /** @throws GrecError PORT_IN_USE, PORT_UNUSABLE */
  static async open(address: ListenAddress, events: UdpEvents): Promise<DgramListener> {
    const family = isIPv6(address.host) ? 6 : 4;
    const socket = createSocket({
      type: `udp${family}`,
      ipv6Only: family === 6,
      // Addresses are numeric here: without this, each datagram would take a turn through the resolver.
      lookup: (host, _family, done) => done(null, host, family),
    });
    await bind(socket, address);
    enlargeBuffer(socket);
    return new DgramListener(socket, events);
  }

  send(bytes: Buffer, peer: Peer, onError: (reason: string) => void): void {
    if (bytes.length > LARGEST_DATAGRAM) {
      return queueMicrotask(() => onError(`${bytes.length} bytes are too many for one datagram`));
    }
    try {
      this.#socket.send(bytes, peer.port, peer.address, (error) => {
        if (error) queueMicrotask(() => onError(messageOf(error)));
      });
    } catch (thrown) {
      queueMicrotask(() => onError(messageOf(thrown)));
    }
  }

  /** Nothing waits. */
  flush(): void {}

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

function bind(socket: Socket, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => {
      socket.close();
      reject(listenError(address, error));
    };
    socket.once('error', onError);
    socket.bind({ address: address.host, port: address.port, exclusive: true }, () => {
      socket.off('error', onError);
      resolve();
    });
  });
}

/** Best effort: a smaller buffer costs retransmissions, not calls. */
function enlargeBuffer(socket: Socket): void {
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // The system's limit stands.
  }
}
