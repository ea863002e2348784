// The packet engine in relay workers: each call on one of them, the one that has the fewest. One that ends takes only its own
// calls with it, and another takes its place.
import { setTimeout as delay } from 'node:timers/promises';
import { GrecError } from '../../errors.ts';
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
import type { EngineName, WorkerSettings } from './worker-protocol.ts';

/** A worker that ends sooner than this after its start is not replaced at once, in milliseconds. */
const SHORT_LIFE_MS = 5000;
/** How long a call waits for a worker: less than the switch waits for an answer. */
const PATIENCE_MS = 2500;
const FIRST_WAIT_MS = 100;
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
  #waitMs = FIRST_WAIT_MS;
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
    const settings: WorkerSettings = { engine, except: [], flushIntervalMs, clockOrigin: clockOrigin() };
    const worker = new Worker(settings, (reason) => this.#onGone(worker, reason));
    this.#workers.add(worker);
    const ready = await worker.ready;
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.name = ready.engine;
    this.#reason = ready.reason;
  }

  #onGone(worker: Worker, reason: string): void {
    this.#workers.delete(worker);
    addCounters(this.#past, worker.counters);
    if (this.#isClosed) return;
    this.#options.log.error(
      { alarm: 'relay-worker-lost', pid: worker.process.pid, calls: worker.shards.size },
      `a relay worker is gone: ${reason}; its calls are told to the switch, and a new one is started`,
    );
    // At once for these calls, and only then for its successor.
    worker.lose(reason);
    void this.#replace(worker);
  }

  async #replace({ process: { startedAt } }: Worker): Promise<void> {
    this.#gone += 1;
    const isShort = performance.now() - startedAt < SHORT_LIFE_MS;
    if (isShort) await delay(this.#waitMs, undefined, { ref: false });
    this.#waitMs = isShort ? Math.min(2 * this.#waitMs, LONGEST_WAIT_MS) : FIRST_WAIT_MS;
    if (this.#isClosed) return;
    await this.#startOne().catch(() => undefined);
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
  /** As of the last time it was asked. */
  counters = noCounters();
  readonly shards = new Set<RemoteShard>();
  readonly legs = new Map<number, RemoteLeg>();
  readonly taps = new Map<number, RemoteTap>();
  #serial = 0;

  constructor(settings: WorkerSettings, onGone: (reason: string) => void) {
    const ready = Promise.withResolvers<{ engine: EngineName; reason: string }>();
    this.ready = ready.promise;
    let why: string | undefined;
    this.process = new WorkerProcess(settings, {
      onReady: (engine, reason) => {
        this.isReady = true;
        ready.resolve({ engine, reason });
      },
      onUnusable: (message) => {
        why = message;
      },
      onTrouble: (tap, reason) => this.taps.get(tap)?.onTrouble(reason),
      onCode: (leg, code) => this.legs.get(leg)?.onCode(code),
      onGone: (reason) => {
        this.isReady = false;
        const message = why ?? `no relay worker could be started: ${reason}`;
        ready.reject(
          new GrecError('ENGINE_UNUSABLE', message, { hint: 'see [mediad] engine in man grec.toml' }),
        );
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
  to.recorded += counted.recorded;
  to.recordedBytes += counted.recordedBytes;
  for (const reason of Object.keys(dropped) as (keyof typeof dropped)[])
    to.dropped[reason] += dropped[reason];
}
