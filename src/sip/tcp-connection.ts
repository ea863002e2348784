// One TCP connection: framing, time and size limits, and the CRLF keep-alive (RFC 3261 section 18.3, RFC 5626 section 4.4.1).
import type { Socket } from 'node:net';
import { messageOf } from '../errors.ts';
import type { DecodeResult } from './decode.ts';
import { StreamDecoder } from './stream.ts';
import type { Flow, Limits } from './user-agent-types.ts';

export interface TcpLimits extends Omit<Limits, 'transactions'> {
  /** How long close() waits for what is still to be written, in milliseconds. */
  lingerMs: number;
}

export const DEFAULT_TCP_LIMITS: TcpLimits = {
  connections: 4096,
  connectionsPerAddress: 512,
  writeBufferBytes: 1024 * 1024,
  idleMs: 65 * 60_000,
  messageMs: 30_000,
  messageBytes: 262_144,
  connectMs: 5000,
  lingerMs: 1000,
};

export interface ConnectionEvents {
  onMessage(result: DecodeResult, flow: Flow): void;
  count(reason: string): void;
}

export class TcpConnection {
  readonly flow: Flow;
  readonly #socket: Socket;
  readonly #limits: TcpLimits;
  readonly #events: ConnectionEvents;
  readonly #decoder: StreamDecoder;
  #deadline: NodeJS.Timeout | undefined;

  constructor(socket: Socket, flow: Flow, limits: TcpLimits, events: ConnectionEvents) {
    this.flow = flow;
    this.#socket = socket;
    this.#limits = limits;
    this.#decoder = new StreamDecoder({ message: limits.messageBytes });
    this.#events = events;
    socket.setTimeout(limits.idleMs, () => this.#drop('connection-idle'));
    socket.on('error', () => events.count('connection-error'));
    socket.on('data', (chunk: Buffer) => this.#receiveGuarded(chunk));
    socket.once('close', () => clearTimeout(this.#deadline));
    if (socket.connecting) this.#connectWithin();
    else this.#expectMessage();
  }

  /** False once either side has ended it. */
  get usable(): boolean {
    return this.#socket.writable && !this.#socket.readableEnded;
  }

  #connectWithin(): void {
    this.#deadline = setTimeout(() => this.#drop('connect-timeout'), this.#limits.connectMs);
    this.#socket.once('connect', () => this.#expectNothing());
  }

  #expectMessage(): void {
    this.#deadline ??= setTimeout(() => this.#drop('connection-slow'), this.#limits.messageMs);
  }

  #expectNothing(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  /** The decoder does not throw; should it ever, one connection is lost and not the process. */
  #receiveGuarded(chunk: Buffer): void {
    try {
      this.#receive(chunk);
    } catch {
      this.#drop('internal-error');
    }
  }

  #receive(chunk: Buffer): void {
    const results = this.#decoder.push(chunk);
    if (results.length > 0) this.#expectNothing();
    for (const result of results) {
      if ('fatal' in result) return this.#drop(`stream: ${result.fatal}`);
      if (!result.ok && result.reason === 'keep-alive') this.#answerPing();
      else this.#events.onMessage(result, this.flow);
    }
    if (this.#decoder.pending > 0) this.#expectMessage();
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
      if (this.#socket.connecting) this.#socket.destroy();
      else this.#socket.destroySoon();
    });
  }
}
