// The packet engine in this process: legs and taps over one way of packet I/O.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GrecError, messageOf, systemCode } from '../../errors.ts';
import { type EngineCounters, noCounters, type PacketEngine, type Shard, type Tap } from './engine.ts';
import { LocalLeg } from './local-leg.ts';
import { Pacer } from './pacer.ts';
import { Port } from './port.ts';
import { ChunkPool, ChunkTap } from './tap.ts';
import type { UdpIo } from './udp-io.ts';

/** Taps are flushed in turns, so that a thousand calls make no burst of writes. */
const FLUSH_TURNS = 8;

export class LocalEngine implements PacketEngine, Shard {
  readonly name: string;
  readonly lost = undefined;
  readonly counters: EngineCounters = noCounters();
  readonly #io: UdpIo;
  readonly #pool: ChunkPool;
  readonly #turns: Set<ChunkTap>[] = Array.from({ length: FLUSH_TURNS }, () => new Set());
  readonly #legs = new Set<LocalLeg>();
  readonly #pacer = new Pacer();
  readonly #timer: NodeJS.Timeout;
  #turn = 0;
  #opened = 0;

  /** @param flushIntervalMs how often what was copied goes to the disk: what a crash may lose */
  constructor(io: UdpIo, flushIntervalMs: number) {
    this.#io = io;
    this.name = io.name;
    this.#pool = new ChunkPool(io);
    this.#timer = setInterval(() => this.#flushNext(), Math.max(1, flushIntervalMs / FLUSH_TURNS));
    this.#timer.unref();
  }

  /** All calls are in this process, and it cannot be lost without itself. */
  async shard(): Promise<Shard> {
    return this;
  }

  describe(): Record<string, unknown> {
    return {};
  }

  async refresh(): Promise<void> {}

  async settled(): Promise<void> {}

  release(): void {}

  async openLeg(address: string, rtpPort: number): Promise<LocalLeg> {
    const rtp = await this.#openPort('rtp', address, rtpPort);
    try {
      const rtcp = await this.#openPort('rtcp', address, rtpPort + 1);
      const leg = new LocalLeg(address, rtpPort, rtp, rtcp, this.#pacer, () => this.#legs.delete(leg));
      this.#legs.add(leg);
      return leg;
    } catch (thrown) {
      await rtp.close();
      throw thrown;
    }
  }

  async #openPort(type: 'rtp' | 'rtcp', address: string, number: number): Promise<Port> {
    const port = new Port(type, this.#io.clock, this.counters);
    try {
      port.attach(await this.#io.bind(address, number, port), { address, port: number });
      return port;
    } catch (thrown) {
      const isTaken = systemCode(thrown) === 'EADDRINUSE';
      throw new GrecError(
        isTaken ? 'PORT_IN_USE' : 'PORT_UNUSABLE',
        `cannot bind udp:${address}:${number}: ${messageOf(thrown)}`,
        { hint: '[mediad] address must be an address of this machine', cause: thrown },
      );
    }
  }

  openTap(onTrouble: (reason: string | undefined) => void): Tap & ChunkTap {
    const turn = this.#turns[this.#opened++ % FLUSH_TURNS];
    const tap = new ChunkTap(this.#pool, this.#io, this.counters, onTrouble, () => turn?.delete(tap));
    turn?.add(tap);
    return tap;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#pacer.close();
    await Promise.all([...this.#legs].map((leg) => leg.close()));
    // What their closing has set going comes to its end.
    await nextTurn();
    await this.#io.close();
  }

  #flushNext(): void {
    this.#turn = (this.#turn + 1) % FLUSH_TURNS;
    for (const tap of this.#turns[this.#turn] ?? []) tap.flush();
  }
}
