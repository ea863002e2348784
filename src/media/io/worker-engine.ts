// The packet engine in relay workers: each call on one of them, the one that has the fewest. One that ends takes only its own
// calls with it, and another takes its place.
import { setTimeout as delay } from 'node:timers/promises';
import { GrecError, messageOf } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { clockOrigin } from '../../spool/clock.ts';
import {
  type EngineCounters,
  type Leg,
  noCounters,
  type PacketEngine,
  type Shard,
  type Tap,
} from './engine.ts';
import { RemoteLeg, RemoteTap } from './remote-leg.ts';
import { WorkerProcess } from './worker-process.ts';
import { ENGINES, type EngineName, type WorkerSettings } from './worker-protocol.ts';

/** Of a worker that ends so soon after its start the engine may be to blame, in milliseconds. */
const SHORT_LIFE_MS = 5000;
const MOST_SHORT_LIVES = 5;
/** How long a call waits for a worker: less than the switch waits for an answer. */
const PATIENCE_MS = 2500;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 5000;

export interface WorkerEngineOptions {
  workers: number;
  engine: EngineName | 'auto';
  flushIntervalMs: number;
  log: Logger;
}

/** @throws GrecError ENGINE_UNUSABLE */
export async function startWorkerEngine(options: WorkerEngineOptions): Promise<PacketEngine> {
  const engine = new Workers(options);
  try {
    await engine.start();
  } catch (thrown) {
    await engine.close();
    throw thrown;
  }
  return engine;
}

class Workers implements PacketEngine {
  name = 'none';
  #reason = '';
  readonly #options: WorkerEngineOptions;
  readonly #workers = new Set<Worker>();
  /** Of workers that are gone. */
  readonly #past = noCounters();
  /** Calls that found no worker. */
  readonly #waiting: (() => void)[] = [];
  /** Engines that have ended their processes. */
  readonly #except = new Set<EngineName>();
  /** Workers in a row that ended soon after their start. */
  #shortLives = 0;
  #gone = 0;
  #isClosed = false;

  constructor(options: WorkerEngineOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.workers }, () => this.#startOne()));
  }

  async #startOne(): Promise<void> {
    const { engine, flushIntervalMs } = this.#options;
    const except = [...this.#except];
    const settings: WorkerSettings = { engine, except, flushIntervalMs, clockOrigin: clockOrigin() };
    const worker = new Worker(settings, (reason) => this.#onGone(worker, reason));
    this.#workers.add(worker);
    try {
      const ready = await worker.ready;
      for (const resolve of this.#waiting.splice(0)) resolve();
      this.name = ready.engine;
      this.#reason = ready.reason;
    } catch (thrown) {
      // An engine that ends its process while it is tried is not tried again.
      if (!this.#excludes(worker)) throw thrown;
      await this.#startOne();
    }
  }

  /** @returns whether there is another engine to be tried than the one that this worker has ended with */
  #excludes({ tried, isRefused }: Worker): boolean {
    if (this.#isClosed || this.#options.engine !== 'auto' || isRefused) return false;
    if (tried === undefined || tried === ENGINES.at(-1) || this.#except.has(tried)) return false;
    this.#except.add(tried);
    this.#options.log.error(
      { alarm: 'engine-excluded', engine: tried },
      `the engine ${tried} has ended its process, and is not used any more`,
    );
    return true;
  }

  #onGone(worker: Worker, reason: string): void {
    this.#workers.delete(worker);
    addCounters(this.#past, worker.counters);
    if (this.#isClosed || !worker.wasReady) return;
    this.#options.log.error(
      { alarm: 'relay-worker-lost', worker: worker.process.pid, calls: worker.shards.size },
      `a relay worker is gone: ${reason}; its calls are told to the switch, and a new one is started`,
    );
    // At once for these calls, and only then for its successor.
    worker.lose(reason);
    void this.#replace(worker);
  }

  async #replace(worker: Worker): Promise<void> {
    this.#gone += 1;
    const isShort = performance.now() - worker.process.startedAt < SHORT_LIFE_MS;
    this.#shortLives = isShort ? this.#shortLives + 1 : 0;
    if (this.#shortLives >= MOST_SHORT_LIVES && this.#excludes(worker)) this.#shortLives = 0;
    // The first one may have been killed by a hand.
    for (let wait = FIRST_WAIT_MS * (2 ** this.#shortLives - 1); ; wait = LONGEST_WAIT_MS) {
      await delay(Math.min(wait, LONGEST_WAIT_MS), undefined, { ref: false });
      if (this.#isClosed) return;
      try {
        return await this.#startOne();
      } catch (thrown) {
        this.#options.log.error(
          { alarm: 'relay-worker-lost' },
          `no relay worker can be started: ${messageOf(thrown)}`,
        );
      }
    }
  }

  get counters(): EngineCounters {
    const sum = noCounters();
    addCounters(sum, this.#past);
    for (const { counters } of this.#workers) addCounters(sum, counters);
    return sum;
  }

  describe(): Record<string, unknown> {
    const workers = [...this.#workers].map(({ process, shards }) => ({
      pid: process.pid,
      calls: shards.size,
    }));
    return { engineReason: this.#reason, workers, workersLost: this.#gone };
  }

  async refresh(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.refresh()));
  }

  async shard(onLost: (reason: string) => void): Promise<Shard> {
    if (this.#least() === undefined) await this.#someReady();
    const worker = this.#least();
    if (worker !== undefined) return new RemoteShard(worker, onLost);
    throw new GrecError('WORKER_LOST', 'no relay worker runs', {
      hint: 'the log of grec-mediad says why; a new one is being started',
    });
  }

  /** The worker with the fewest calls. */
  #least(): Worker | undefined {
    let least: Worker | undefined;
    for (const worker of this.#workers)
      if (worker.isReady && (least === undefined || worker.shards.size < least.shards.size)) least = worker;
    return least;
  }

  /** All are gone at this moment: calls that were on them come to their successor. */
  async #someReady(): Promise<void> {
    const patience = new AbortController();
    const time = delay(PATIENCE_MS, undefined, { signal: patience.signal, ref: false }).catch(
      () => undefined,
    );
    await Promise.race([time, new Promise<void>((resolve) => this.#waiting.push(resolve))]);
    patience.abort();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#workers].map(({ process }) => process.stop()));
  }
}

/** One worker process, with what this process knows of what is in it. */
class Worker {
  readonly process: WorkerProcess;
  readonly ready: Promise<{ engine: EngineName; reason: string }>;
  isReady = false;
  wasReady = false;
  /** The engine that it has, or was trying. */
  tried: EngineName | undefined;
  /** It has said itself that no engine works. */
  isRefused = false;
  /** As of the last time it was asked. */
  counters = noCounters();
  readonly shards = new Set<RemoteShard>();
  readonly legs = new Map<number, RemoteLeg>();
  readonly taps = new Map<number, RemoteTap>();
  #serial = 0;

  constructor(settings: WorkerSettings, onGone: (reason: string) => void) {
    const ready = Promise.withResolvers<{ engine: EngineName; reason: string }>();
    this.ready = ready.promise;
    let why: GrecError | undefined;
    this.process = new WorkerProcess(settings, {
      onTrying: (engine) => {
        this.tried = engine;
      },
      onReady: (engine, reason) => {
        this.isReady = true;
        this.wasReady = true;
        this.tried = engine;
        ready.resolve({ engine, reason });
      },
      onUnusable: (message, hint) => {
        this.isRefused = true;
        why = new GrecError('ENGINE_UNUSABLE', message, hint === undefined ? {} : { hint });
      },
      onTrouble: (tap, reason) => this.taps.get(tap)?.onTrouble(reason),
      onCode: (leg, code) => this.legs.get(leg)?.onCode(code),
      onGone: (reason) => {
        this.isReady = false;
        ready.reject(why ?? new GrecError('ENGINE_UNUSABLE', `a relay worker could not start: ${reason}`));
        onGone(reason);
      },
    });
  }

  nextNumber(): number {
    this.#serial += 1;
    return this.#serial;
  }

  async refresh(): Promise<void> {
    const counters = await this.process.ask({ do: 'count' }).catch(() => undefined);
    if (counters !== undefined) this.counters = counters;
  }

  lose(reason: string): void {
    const shards = [...this.shards];
    this.shards.clear();
    for (const shard of shards) shard.onLost(reason);
  }
}

class RemoteShard implements Shard {
  readonly onLost: (reason: string) => void;
  readonly #worker: Worker;

  constructor(worker: Worker, onLost: (reason: string) => void) {
    this.#worker = worker;
    this.onLost = onLost;
    worker.shards.add(this);
  }

  get lost(): string | undefined {
    return this.#worker.process.lost;
  }

  async openLeg(address: string, rtpPort: number): Promise<Leg> {
    const { process, legs } = this.#worker;
    const number = this.#worker.nextNumber();
    await process.ask({ do: 'open', leg: number, address, rtpPort });
    const leg = new RemoteLeg(number, process, address, rtpPort, () => legs.delete(number));
    legs.set(number, leg);
    return leg;
  }

  openTap(onTrouble: (reason: string | undefined) => void): Tap {
    const { process, taps } = this.#worker;
    const number = this.#worker.nextNumber();
    const tap = new RemoteTap(number, process, onTrouble, () => taps.delete(number));
    taps.set(number, tap);
    return tap;
  }

  async settled(): Promise<void> {
    // What is lost is told in another way.
    await this.#worker.process.ask({ do: 'settle' }).catch(() => undefined);
  }

  release(): void {
    this.#worker.shards.delete(this);
  }
}

function addCounters(to: EngineCounters, { dropped, ...counted }: Readonly<EngineCounters>): void {
  to.relayed += counted.relayed;
  to.played += counted.played;
  to.recorded += counted.recorded;
  to.recordedBytes += counted.recordedBytes;
  for (const reason of Object.keys(dropped) as (keyof typeof dropped)[])
    to.dropped[reason] += dropped[reason];
}
