// One TCP or TLS connection: framing, time and size limits, and the CRLF keep-alive (RFC 3261 section 18.3, RFC 5626 section 4.4.1).
import type { Socket } from 'node:net';
import { checkServerIdentity, TLSSocket } from 'node:tls';
import { messageOf } from '../errors.ts';
import type { DecodeResult } from './decode.ts';
import { StreamDecoder, type StreamItem } from './stream.ts';
import type { Turns } from './turns.ts';
import type { Flow, Limits } from './user-agent-types.ts';

export interface ConnectionLimits extends Omit<Limits, 'transactions'> {
  /** How long close() waits for what is still to be written, in milliseconds. */
  lingerMs: number;
}

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  connections: 4096,
  connectionsPerAddress: 512,
  writeBufferBytes: 1024 * 1024,
  idleMs: 65 * 60_000,
  messageMs: 30_000,
  messageBytes: 262_144,
  connectMs: 5000,
  handshakeMs: 10_000,
  lingerMs: 1000,
};

export interface ConnectionEvents {
  onMessage(result: DecodeResult, flow: Flow): void;
  count(reason: string): void;
}

export interface OwnSocket {
  socket: Socket;
  /** Nobody has answered yet, or the handshake is under way. */
  isOpening: boolean;
}

export class StreamConnection {
  readonly flow: Flow;
  /** Resolves when it is open, false when it never will be. */
  readonly opened: Promise<boolean>;
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  readonly #events: ConnectionEvents;
  readonly #turns: Turns;
  readonly #decoder: StreamDecoder;
  #deadline: NodeJS.Timeout | undefined;
  #isWaiting = false;
  #isOpening: boolean;

  constructor(
    { socket, isOpening }: OwnSocket,
    flow: Flow,
    limits: ConnectionLimits,
    events: ConnectionEvents,
    turns: Turns,
  ) {
    this.flow = flow;
    this.#socket = socket;
    this.#limits = limits;
    this.#decoder = new StreamDecoder({ message: limits.messageBytes });
    this.#events = events;
    this.#turns = turns;
    socket.setTimeout(limits.idleMs, () => this.#drop('connection-idle'));
    // TLS tells of its own errors and lives on; of its connection's it may tell twice, where it reads and where it writes.
    socket.on('error', () => undefined);
    socket.once('error', () => {
      events.count('connection-error');
      socket.destroy();
    });
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.once('close', () => clearTimeout(this.#deadline));
    this.#isOpening = isOpening;
    this.opened = isOpening ? this.#connectWithin() : Promise.resolve(true);
    if (!isOpening) this.#expectMessage();
  }

  /** False once either side has ended it. */
  get usable(): boolean {
    return this.#socket.writable && !this.#socket.readableEnded;
  }

  /** True when the peer has shown a certificate that we trust, with that name or address in it. */
  proves(name: string): boolean {
    const socket = this.#socket;
    if (!(socket instanceof TLSSocket) || !socket.authorized) return false;
    return checkServerIdentity(name, socket.getPeerCertificate()) === undefined;
  }

  /** Connected; what fails now is the fault of the connection and not of the way. */
  get isOpen(): boolean {
    return !this.#isOpening;
  }

  #connectWithin(): Promise<boolean> {
    this.#deadline = setTimeout(() => this.#drop('connect-timeout'), this.#limits.connectMs);
    const done = this.#socket instanceof TLSSocket ? 'secureConnect' : 'connect';
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve(false));
      this.#socket.once(done, () => {
        this.#isOpening = false;
        this.#expectNothing();
        resolve(true);
      });
    });
  }

  #expectMessage(): void {
    this.#deadline ??= setTimeout(() => this.#drop('connection-slow'), this.#limits.messageMs);
  }

  #expectNothing(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  #receive(chunk: Buffer): void {
    this.#decoder.add(chunk);
    // Behind what waits already: messages stay in order.
    if (!this.#isWaiting) this.#work();
  }

  /** Takes message after message while this turn lasts; the rest, and what the peer sends on, waits for the next. */
  #work(): void {
    this.#isWaiting = false;
    while (!this.#socket.destroyed) {
      if (this.#turns.isOver) return this.#wait();
      const item = this.#take();
      if (item === undefined) break;
      this.#expectNothing();
      this.#receiveItem(item);
    }
    if (this.#decoder.pending > 0) this.#expectMessage();
    this.#socket.resume();
  }

  #wait(): void {
    this.#isWaiting = true;
    this.#socket.pause();
    this.#turns.later(() => this.#work());
  }

  /** The decoder does not throw; should it ever, one connection is lost and not the process. */
  #take(): StreamItem | undefined {
    try {
      return this.#decoder.take();
    } catch {
      return { fatal: 'internal-error' };
    }
  }

  #receiveItem(item: StreamItem): void {
    if ('fatal' in item) this.#drop(`stream: ${item.fatal}`);
    else if (!item.ok && item.reason === 'keep-alive') this.#answerPing();
    else this.#events.onMessage(item, this.flow);
  }

  #answerPing(): void {
    this.#events.count('keep-alive');
    this.send(Buffer.from('\r\n'), () => {});
  }

  send(bytes: Buffer, onError: (reason: string) => void): void {
    if (!this.usable) return queueMicrotask(() => onError('the connection is closed'));
    this.#socket.write(bytes, (error) => {
      if (error) queueMicrotask(() => onError(messageOf(error)));
    });
    if (this.#socket.writableLength > this.#limits.writeBufferBytes) this.#drop('connection-unread');
  }

  #drop(reason: string): void {
    if (this.#socket.destroyed) return;
    this.#events.count(reason);
    this.#socket.destroy();
  }

  /** Ends the connection when what was written has gone out, or after a moment without that. */
  close(): Promise<void> {
    if (this.#socket.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const linger = setTimeout(() => this.#socket.destroy(), this.#limits.lingerMs);
      this.#socket.once('close', () => {
        clearTimeout(linger);
        resolve();
      });
      if (this.#isOpening) this.#socket.destroy();
      else this.#socket.destroySoon();
    });
  }
}
