// Datagrams over node:dgram: portable, and the one that needs nothing native.
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Endpoint } from '../../spool/pcap.ts';
import { openCaptureFile } from './capture-file.ts';
import type { PacketEngine } from './engine.ts';
import { LocalEngine } from './local-engine.ts';
import { type Chunk, type DatagramReceiver, type DatagramSocket, PacketClock, type UdpIo } from './udp-io.ts';

/** What the kernel keeps while this process is busy: over two seconds of a call (bounded by net.core.rmem_max). */
export const RECEIVE_BUFFER_BYTES = 512 << 10;

/** @param flushIntervalMs how often what was copied goes to the disk: what a crash may lose */
export function createDgramEngine(flushIntervalMs: number): PacketEngine {
  return new LocalEngine(createDgramIo(), flushIntervalMs);
}

export function createDgramIo(): UdpIo {
  const clock = new PacketClock();
  return {
    name: 'dgram',
    clock,
    streams: undefined,
    async bind(address, port, receiver) {
      return new BoundSocket(await bindSocket(address, port), receiver, clock);
    },
    createChunk: (size): Chunk => ({
      bytes: Buffer.allocUnsafeSlow(size),
      words: undefined,
      start: 0,
      used: 0,
      packets: [0, 0],
    }),
    mostFreeChunks: 2048,
    openCapture: openCaptureFile,
    close: async () => undefined,
  };
}

async function bindSocket(address: string, port: number): Promise<Socket> {
  const socket = createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // Every address is numeric already: no look-up, and connect() takes effect before it returns.
    lookup: (host, _options, done) => done(null, host, isIPv6(host) ? 6 : 4),
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ port, address, exclusive: true }, resolve);
    });
  } catch (thrown) {
    socket.close();
    throw thrown;
  }
  socket.removeAllListeners('error');
  return socket;
}

class BoundSocket implements DatagramSocket {
  readonly port: number;
  readonly stream = undefined;
  readonly way = undefined;
  readonly #socket: Socket;
  #destination: Endpoint | undefined;
  #isConnected = false;
  #isClosed = false;

  constructor(socket: Socket, receiver: DatagramReceiver, clock: PacketClock) {
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on('message', (bytes, { address, port }) => {
      clock.tick();
      receiver.receive(bytes, 0, bytes.length, address, port);
    });
    socket.on('error', () => receiver.onUnreachable());
  }

  aim(destination: Endpoint | undefined, isAlone: boolean): void {
    this.#destination = destination;
    this.#disconnect();
    if (isAlone && destination !== undefined) this.#connect(destination);
  }

  send(bytes: Buffer, start: number, end: number): boolean {
    const destination = this.#destination;
    if (destination === undefined || this.#isClosed) return false;
    // Node waits with what the kernel does not take at once, and copies nothing: memory that is written over must not be in its queue.
    const isWhole = start === 0 && end === bytes.length;
    const datagram = isWhole ? bytes : Buffer.from(bytes.subarray(start, end));
    try {
      if (this.#isConnected) this.#socket.send(datagram);
      else this.#socket.send(datagram, destination.port, destination.address);
      return true;
    } catch {
      // The connection that was asked for did not come about, or the address is one that nothing can be sent to.
      return false;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }

  #connect({ address, port }: Endpoint): void {
    try {
      this.#socket.connect(port, address);
      this.#isConnected = true;
    } catch {
      this.#isConnected = false;
    }
  }

  #disconnect(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    try {
      this.#socket.disconnect();
    } catch {
      // It never was connected.
    }
  }
}
