// The packet engine over node:dgram: portable, and within a third of the best (see grec.7).
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { GrecError, messageOf, systemCode } from '../../errors.ts';
import type { Endpoint } from '../../spool/pcap.ts';
import { DgramPort } from './dgram-port.ts';
import type {
  EngineCounters,
  EventFilter,
  Leg,
  PacketEngine,
  PortCounters,
  Remote,
  Tap,
  TapChannel,
} from './engine.ts';
import { ChunkPool, ChunkTap } from './tap.ts';

/** What the kernel keeps while this process is busy: over two seconds of a call (bounded by net.core.rmem_max). */
const RECEIVE_BUFFER_BYTES = 512 << 10;
/** Taps are flushed in turns, so that a thousand calls make no burst of writes. */
const FLUSH_TURNS = 8;

/** @param flushIntervalMs how often what was copied goes to the disk: what a crash may lose */
export function createDgramEngine(flushIntervalMs: number): PacketEngine {
  return new DgramEngine(flushIntervalMs);
}

class DgramEngine implements PacketEngine {
  readonly name = 'dgram';
  readonly counters: EngineCounters = {
    relayed: 0,
    recorded: 0,
    recordedBytes: 0,
    dropped: {
      'too-short': 0,
      'not-rtp': 0,
      truncated: 0,
      stranger: 0,
      'no-destination': 0,
      'send-failed': 0,
    },
  };
  readonly #pool = new ChunkPool();
  readonly #turns: Set<ChunkTap>[] = Array.from({ length: FLUSH_TURNS }, () => new Set());
  readonly #legs = new Set<DgramLeg>();
  readonly #timer: NodeJS.Timeout;
  #turn = 0;
  #opened = 0;

  constructor(flushIntervalMs: number) {
    this.#timer = setInterval(() => this.#flushNext(), Math.max(1, flushIntervalMs / FLUSH_TURNS));
    this.#timer.unref();
  }

  async openLeg(address: string, rtpPort: number): Promise<Leg> {
    const rtp = await bindSocket(address, rtpPort);
    try {
      const rtcp = await bindSocket(address, rtpPort + 1);
      const leg = new DgramLeg(address, rtpPort, rtp, rtcp, this.counters, () => this.#legs.delete(leg));
      this.#legs.add(leg);
      return leg;
    } catch (thrown) {
      rtp.close();
      throw thrown;
    }
  }

  openTap(onTrouble: (reason: string | undefined) => void): Tap {
    const turn = this.#turns[this.#opened++ % FLUSH_TURNS];
    const tap = new ChunkTap(this.#pool, this.counters, onTrouble, () => turn?.delete(tap));
    turn?.add(tap);
    return tap;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#legs].map((leg) => leg.close()));
  }

  #flushNext(): void {
    this.#turn = (this.#turn + 1) % FLUSH_TURNS;
    for (const tap of this.#turns[this.#turn] ?? []) tap.flush();
  }
}

class DgramLeg implements Leg {
  readonly address: string;
  readonly rtpPort: number;
  readonly rtcpPort: number;
  readonly #rtp: DgramPort;
  readonly #rtcp: DgramPort;
  readonly #onClose: () => void;

  constructor(
    address: string,
    rtpPort: number,
    rtp: Socket,
    rtcp: Socket,
    counters: EngineCounters,
    onClose: () => void,
  ) {
    this.address = address;
    this.rtpPort = rtpPort;
    this.rtcpPort = rtpPort + 1;
    this.#rtp = new DgramPort('rtp', rtp, { address, port: rtpPort }, counters);
    this.#rtcp = new DgramPort('rtcp', rtcp, { address, port: rtpPort + 1 }, counters);
    this.#rtp.sibling = this.#rtcp;
    this.#onClose = onClose;
  }

  get rtp(): PortCounters {
    return this.#rtp.received;
  }

  get rtcp(): PortCounters {
    return this.#rtcp.received;
  }

  get strangers(): number {
    return this.#rtp.strangers + this.#rtcp.strangers;
  }

  get rtpSource(): Endpoint | undefined {
    return this.#rtp.latch.source;
  }

  get rtcpSource(): Endpoint | undefined {
    return this.#rtcp.latch.source;
  }

  get rtpDestination(): Endpoint | undefined {
    return this.#rtp.destination;
  }

  get rtcpDestination(): Endpoint | undefined {
    return this.#rtcp.destination;
  }

  expect({ address, rtpPort, rtcpPort, alsoFrom }: Remote): void {
    this.#rtcp.expect({ address, port: rtcpPort, alsoFrom });
    this.#rtp.expect({ address, port: rtpPort, alsoFrom });
  }

  relayTo(peer: Leg | undefined): void {
    const isOurs = peer instanceof DgramLeg;
    this.#rtp.peer = isOurs ? peer.#rtp : undefined;
    this.#rtcp.peer = isOurs ? peer.#rtcp : undefined;
  }

  copyTo(tap: Tap | undefined, channel: TapChannel): void {
    const own = tap instanceof ChunkTap ? tap : undefined;
    this.#rtp.copyTo(own, channel);
    this.#rtcp.copyTo(own, channel);
  }

  filterEvents(filter: EventFilter | undefined): void {
    this.#rtp.filter = filter;
  }

  async close(): Promise<void> {
    this.relayTo(undefined);
    this.copyTo(undefined, 0);
    this.#onClose();
    await Promise.all([this.#rtp.close(), this.#rtcp.close()]);
  }
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
    const isTaken = systemCode(thrown) === 'EADDRINUSE';
    throw new GrecError(
      isTaken ? 'PORT_IN_USE' : 'PORT_UNUSABLE',
      `cannot bind udp:${address}:${port}: ${messageOf(thrown)}`,
      { hint: '[mediad] address must be an address of this machine', cause: thrown },
    );
  }
  socket.removeAllListeners('error');
  return socket;
}
