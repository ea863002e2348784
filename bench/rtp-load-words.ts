// What the load generator and who starts it say to each other, and the counting of one phase.
import type { Endpoint } from './rtp-kernel.ts';

export interface LoadPlan {
  /** Of party n the place that it sends to; parties 2n and 2n + 1 are those of one call. */
  targets: Endpoint[];
  /** Seconds of each phase. */
  phases: number[];
}

/** What became of the packets that were sent in one phase. */
export interface PhaseResult {
  sent: number;
  received: number;
  duplicates: number;
  reordered: number;
  /** One way, from before the packet was given to the kernel until the kernel had it for the other party. */
  p50Us: number;
  p99Us: number;
  maxUs: number;
  /** How long the generator itself was behind its schedule at worst: a sign of a machine that is busy with something else. */
  lateMs: number;
}

export type LoadLine =
  | { port: number }
  /** The phase of that number begins; one beyond the last: all is sent. */
  | { begins: number }
  | { results: PhaseResult[]; cpuMs: number; limitUs: number };

/** Longer ones count as this. */
export const LATENCY_LIMIT_US = 500_000;

export class PhaseCount {
  sent = 0;
  duplicates = 0;
  reordered = 0;
  #received = 0;
  #maxUs = 0;
  #lateMs = 0;
  /** By microsecond. */
  readonly #latencies = new Uint32Array(LATENCY_LIMIT_US + 1);

  take(latencyUs: number): void {
    this.#received += 1;
    if (latencyUs > this.#maxUs) this.#maxUs = latencyUs;
    const bin = Math.min(LATENCY_LIMIT_US, Math.max(0, Math.round(latencyUs)));
    this.#latencies[bin] = (this.#latencies[bin] ?? 0) + 1;
  }

  late(ms: number): void {
    if (ms > this.#lateMs) this.#lateMs = ms;
  }

  result(): PhaseResult {
    const { sent, duplicates, reordered } = this;
    return {
      sent,
      received: this.#received,
      duplicates,
      reordered,
      p50Us: this.#percentile(0.5),
      p99Us: this.#percentile(0.99),
      maxUs: Math.round(this.#maxUs),
      lateMs: Math.round(this.#lateMs * 10) / 10,
    };
  }

  #percentile(part: number): number {
    let left = this.#received * part;
    for (let bin = 0; bin <= LATENCY_LIMIT_US; bin += 1) {
      left -= this.#latencies[bin] ?? 0;
      if (left <= 0) return bin;
    }
    return LATENCY_LIMIT_US;
  }
}
