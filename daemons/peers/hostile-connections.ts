// Connections of a stranger, TCP or TLS: they are opened anew whenever the switch ends them, and never read carefully.
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** What a write may wait for a switch that reads slowly, and a connection to open, in milliseconds. */
const PATIENCE_MS = 5000;

export interface Target {
  protocol: 'tcp' | 'tls';
  host: string;
  port: number;
  /** The stranger's own address. */
  from: string;
}

export class HostileConnection {
  readonly #target: Target;
  #socket: Socket | undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  /** Writes; resolves when it is written, or the switch has ended the connection. */
  async write(bytes: Buffer): Promise<void> {
    const socket = this.#socket?.writable ? this.#socket : await this.#open();
    await settled((done) => socket.write(bytes, done), socket);
  }

  /** Something that no TLS begins with, on a connection of its own. */
  async knock(bytes: Buffer): Promise<void> {
    const socket = dial({ ...this.#target, protocol: 'tcp' });
    await settled((done) => socket.once('connect', done), socket);
    socket.write(bytes);
    setTimeout(() => socket.destroy(), PATIENCE_MS / 10).unref();
  }

  async #open(): Promise<Socket> {
    const socket = dial(this.#target);
    this.#socket = socket;
    await settled(
      (done) => socket.once(this.#target.protocol === 'tls' ? 'secureConnect' : 'connect', done),
      socket,
    );
    return socket;
  }

  close(): void {
    this.#socket?.destroy();
  }
}

function dial({ protocol, host, port, from }: Target): Socket {
  const place = { host, port, localAddress: from };
  const socket = protocol === 'tls' ? connectTls({ ...place, rejectUnauthorized: false }) : connect(place);
  // Neither what comes back nor how it ends is of interest.
  return socket.on('error', () => undefined).resume();
}

function settled(begin: (done: () => void) => void, socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(() => socket.destroy(), PATIENCE_MS);
    const done = () => {
      clearTimeout(limit);
      socket.off('close', done);
      resolve();
    };
    socket.once('close', done);
    begin(done);
  });
}
