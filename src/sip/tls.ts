// TLS for SIP: our certificate, and the certificates of others (RFC 3261 section 26.3.1, RFC 5922; TLS 1.2 at least, RFC 8996).
import { isIP } from 'node:net';
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
import type { TlsGate } from './tls-gate.ts';
import type { Peer, TlsIdentity } from './user-agent-types.ts';

const OLDEST_VERSION = 'TLSv1.2';

/** Gets a connection whose handshake as server has succeeded. */
export type Enter = (socket: TLSSocket) => void;

/** One certificate in use. Connections that were made with it outlive it. */
export class TlsEndpoint {
  readonly #server: Server;
  readonly #context: SecureContext;
  readonly #verifiesServers: boolean;
  /** Of the connection whose bytes TLS has before it. */
  #enter: Enter | undefined;

  /** @throws GrecError TLS_UNUSABLE when certificate, key or CA cannot be read, or do not belong together */
  constructor(identity: TlsIdentity) {
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
    this.#server.on('secureConnection', (socket) => {
      if (this.#enter === undefined) socket.destroy();
      else this.#enter(socket);
    });
  }

  /**
   * The server's part of a handshake; a connection with which it fails is destroyed. Who has come through says nothing of
   * where it came from, so that is known by whose bytes the handshake has ended with: it ends while they are handed on.
   */
  accept(gate: TlsGate, enter: Enter): void {
    const before = () => {
      this.#enter = (socket) => {
        gate.secure = socket;
        gate.off('data', before).off('data', after);
        this.#enter = undefined;
        enter(socket);
      };
    };
    const after = () => {
      this.#enter = undefined;
    };
    gate.on('data', before);
    this.#server.emit('connection', gate);
    gate.on('data', after);
  }

  /** The client's part. What is written waits for the handshake; the socket fails unless the certificate shows the peer's name. */
  connect(peer: Peer, gate: TlsGate): TLSSocket {
    const name = peer.name ?? peer.address;
    gate.secure = connect({
      socket: gate,
      host: peer.address,
      port: peer.port,
      ...(isIP(name) === 0 ? { servername: name } : {}),
      secureContext: this.#context,
      rejectUnauthorized: this.#verifiesServers,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
    });
    return gate.secure;
  }
}

function unusable(cause: unknown): GrecError {
  return new GrecError('TLS_UNUSABLE', `the TLS certificate cannot be used: ${messageOf(cause)}`, {
    hint: 'certificate, key and ca of [sip.tls] are PEM files; the key must be that of the first certificate, without a passphrase',
    cause,
  });
}
