// How much the opening and closing of calls disturbs those that are up: steady calls, first alone, then beside so many that are
// opened, recorded and deleted each second.
import { closeCall, openCall, openCalls } from './media-calls.ts';
import { type MediaServer, type MediaServerOptions, startMediaServer } from './media-servers.ts';
import type { Placement } from './placed.ts';
import { startLoad } from './rtp-load-control.ts';
import type { PhaseResult } from './rtp-load-words.ts';

export interface ChurnResult {
  server: string;
  quiet: PhaseResult;
  beside: PhaseResult;
  /** Calls opened and closed, each second; fewer than were asked for when the server, or the controller, did not keep up. */
  callsPerSecond: number;
  failed: number;
}

export interface ChurnOptions {
  /** Steady calls. */
  beside: number;
  perSecond: number;
  seconds: number;
  options: MediaServerOptions;
  /** Of the generator. */
  load: Placement;
}

const WARM_UP_S = 1.5;
/** Calls under way at once: more means that the server cannot keep up, and waiting calls would only pile up. */
const MOST_AT_ONCE = 100;
const HOLD_MS = 50;
const TICK_MS = 5;
/** Parties of the passing calls get addresses beyond those of the steady ones. Nothing is sent to them. */
const FIRST_PARTY = 10_000;

export async function measureChurn(
  name: string,
  { beside, perSecond, seconds, options, load: generator }: ChurnOptions,
): Promise<ChurnResult> {
  const server = await startMediaServer(name, options);
  const load = await startLoad(generator);
  try {
    const targets = await openCalls(server, beside, load.port);
    const passing = new PassingCalls(server, perSecond, load.port);
    const { phases } = await load.run({ targets, phases: [WARM_UP_S, seconds, seconds] }, (phase) => {
      if (phase === 2) passing.start();
      if (phase === 3) passing.stop();
    });
    await passing.ended();
    const [, quiet, disturbed] = phases;
    if (!quiet || !disturbed) throw new Error('the load generator left out a phase');
    const { opened, failed } = passing;
    return { server: name, quiet, beside: disturbed, callsPerSecond: opened / seconds, failed };
  } finally {
    load.stop();
    await server.stop();
  }
}

/** Opens a call whenever one is due, keeps it for a moment, and closes it. */
class PassingCalls {
  opened = 0;
  failed = 0;
  readonly #server: MediaServer;
  readonly #perSecond: number;
  readonly #port: number;
  readonly #underWay = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #begun = 0;

  constructor(server: MediaServer, perSecond: number, port: number) {
    this.#server = server;
    this.#perSecond = perSecond;
    this.#port = port;
  }

  start(): void {
    const start = performance.now();
    this.#timer = setInterval(() => {
      const due = ((performance.now() - start) / 1000) * this.#perSecond;
      while (this.#begun < due && this.#underWay.size < MOST_AT_ONCE) this.#begin();
    }, TICK_MS);
  }

  #begin(): void {
    const number = this.#begun++;
    const call = this.#live(number).finally(() => this.#underWay.delete(call));
    this.#underWay.add(call);
  }

  async #live(number: number): Promise<void> {
    const name = `passing-${number}`;
    try {
      await openCall(this.#server, name, FIRST_PARTY + 2 * (number % FIRST_PARTY), this.#port);
      this.opened += 1;
      await new Promise((resolve) => setTimeout(resolve, HOLD_MS));
      await closeCall(this.#server, name);
    } catch {
      this.failed += 1;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async ended(): Promise<void> {
    await Promise.all(this.#underWay);
  }
}
