// The door of a TLS port: lets in who begins a handshake, one in each turn of the event loop, and nobody for ever.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Enter } from './tls.ts';

/** The content type of a handshake record (RFC 8446 section 5.1). */
const HANDSHAKE = 22;

interface Guest {
  socket: Socket;
  /** Why it is turned away, once that is known. */
  reason: string;
  deadline: NodeJS.Timeout;
  enter: Enter;
}

export class TlsDoor {
  readonly #limitMs: number;
  readonly #count: (reason: string) => void;
  readonly #shake: (socket: Socket, entered: Enter) => void;
  readonly #guests = new Set<Guest>();
  #waiting: Guest[] = [];

  /** @param shake begins the handshake, and says when it has succeeded */
  constructor(
    limitMs: number,
    count: (reason: string) => void,
    shake: (socket: Socket, entered: Enter) => void,
  ) {
    this.#limitMs = limitMs;
    this.#count = count;
    this.#shake = shake;
  }

  /** @param enter gets the connection when its handshake is done; a socket that fails is counted and destroyed */
  receive(socket: Socket, enter: Enter): void {
    const deadline = setTimeout(() => turnAway(guest, 'tls-handshake-slow'), this.#limitMs);
    const guest: Guest = { socket, reason: 'tls-handshake-failed', deadline, enter };
    this.#guests.add(guest);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(deadline);
      if (this.#guests.delete(guest)) this.#count(guest.reason);
    });
    socket.once('readable', () => this.#knock(guest));
  }

  /** Its first bytes are there: what is no TLS costs no handshake. */
  #knock(guest: Guest): void {
    const first: Buffer | null = guest.socket.read();
    if (first === null) return turnAway(guest, 'tls-handshake-failed');
    if (first[0] !== HANDSHAKE) return turnAway(guest, 'tls-not-spoken');
    guest.socket.unshift(first);
    if (this.#waiting.push(guest) === 1) setImmediate(() => this.#letIn());
  }

  /** A handshake costs a signature, about a millisecond with RSA: one a turn. */
  #letIn(): void {
    const next = this.#waiting.shift();
    if (next !== undefined && !next.socket.destroyed)
      this.#shake(next.socket, (secure) => this.#entered(next, secure));
    if (this.#waiting.length > 0) setImmediate(() => this.#letIn());
  }

  #entered(guest: Guest, secure: TLSSocket): void {
    if (!this.#guests.delete(guest)) return void secure.destroy();
    clearTimeout(guest.deadline);
    guest.enter(secure);
  }

  close(): void {
    for (const guest of this.#guests) turnAway(guest, 'closed');
  }
}

function turnAway(guest: Guest, reason: string): void {
  guest.reason = reason;
  guest.socket.destroy();
}
