// TLS for SIP: our certificate, and the certificates of others (RFC 3261 section 26.3.1, RFC 5922; TLS 1.2 at least, RFC 8996).
import { isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { GrecError, messageOf } from '../errors.ts';
import type { Peer, TlsIdentity } from './user-agent-types.ts';

const OLDEST_VERSION = 'TLSv1.2';

/** The names of sockets under way: both ends of one connection have no other. */
export function socketName({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}

/** One certificate in use. Connections that were made with it outlive it. */
export class TlsEndpoint {
  readonly #server: Server;
  readonly #context: SecureContext;
  readonly #verifiesServers: boolean;

  /**
   * @param onSecure gets each connection whose handshake as server has succeeded
   * @throws GrecError TLS_UNUSABLE when certificate, key or CA cannot be read, or do not belong together
   */
  constructor(identity: TlsIdentity, onSecure: (socket: TLSSocket) => void) {
    const { certificate, key, ca, verifyClients, verifyServers } = identity;
    const material = {
      cert: certificate,
      key,
      ...(ca === undefined ? {} : { ca }),
      minVersion: OLDEST_VERSION,
    } as const;
    try {
      this.#context = createSecureContext(material);
      // It never listens: connections are handed to it when they have shown that they speak TLS.
      this.#server = createServer({
        ...material,
        requestCert: verifyClients,
        rejectUnauthorized: verifyClients,
      });
    } catch (thrown) {
      throw unusable(thrown);
    }
    this.#verifiesServers = verifyServers;
    this.#server.on('secureConnection', onSecure);
  }

  /** The server's part of a handshake; a socket with which it fails is destroyed. */
  accept(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  /** The client's part. What is written waits for the handshake; the socket fails unless the certificate shows the peer's name. */
  connect(peer: Peer, bindTo: string | undefined): TLSSocket {
    const name = peer.name ?? peer.address;
    return connect({
      host: peer.address,
      port: peer.port,
      ...(bindTo === undefined ? {} : { localAddress: bindTo }),
      ...(isIP(name) === 0 ? { servername: name } : {}),
      secureContext: this.#context,
      rejectUnauthorized: this.#verifiesServers,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
    });
  }
}

function unusable(cause: unknown): GrecError {
  return new GrecError('TLS_UNUSABLE', `the TLS certificate cannot be used: ${messageOf(cause)}`, {
    hint: 'certificate, key and ca of [sip.tls] are PEM files; the key must be that of the first certificate, without a passphrase',
    cause,
  });
}
