// One measurement of the benchmark of the media path: so many steady calls through one media server, freshly started.
import { closeCalls, openCalls } from './media-calls.ts';
import { type MediaServer, type MediaServerOptions, startMediaServer } from './media-servers.ts';
import type { Placement } from './placed.ts';
import { startLoad } from './rtp-load-control.ts';
import type { PhaseResult } from './rtp-load-words.ts';

export interface RelayOptions {
  calls: number;
  seconds: number;
  options: MediaServerOptions;
  /** Of the generator. */
  load: Placement;
}

export interface Measured extends PhaseResult {
  server: string;
  calls: number;
  seconds: number;
  usPerPacket: number;
  /** Of one core. */
  busy: number;
  /** Milliseconds of each second for which a thread of the server waited for its core. */
  waited: number;
  lost: number;
  /** Packets in the captures for each that arrived at a party, the warm-up's too. */
  captured: number;
  rssMb: number;
  pssMb: number;
  /** Of one core, taken by the generator. */
  loadBusy: number;
}

const WARM_UP_S = 1.5;
/** Of a packet of the load in a capture: record, IPv4, UDP and RTP with 160 bytes. */
const CAPTURED_BYTES = 16 + 28 + 172;
const FLUSH_MS = 1000;

export async function measureRelay(
  name: string,
  { calls, seconds, options, load: generator }: RelayOptions,
): Promise<Measured> {
  const server = await startMediaServer(name, options);
  const load = await startLoad(generator);
  try {
    const targets = await openCalls(server, calls, load.port);
    const usage: { cpuMs: number; waitedMs: number; at: number }[] = [];
    const { phases, cpuMs } = await load.run({ targets, phases: [WARM_UP_S, seconds] }, () => {
      usage.push({ cpuMs: server.cpuMs(), waitedMs: server.waitedMs(), at: performance.now() });
    });
    const [warmUp, result] = phases;
    const [, from, to] = usage;
    if (!warmUp || !result || !from || !to) throw new Error('the load generator left out a phase');
    const rssMb = server.rssMb();
    const pssMb = server.pssMb();
    await closeCalls(server, calls);
    const captured = (await capturedPackets(server)) / (warmUp.received + result.received);
    const usedMs = to.cpuMs - from.cpuMs;
    return {
      ...result,
      server: name,
      calls,
      seconds,
      usPerPacket: (usedMs * 1000) / result.received,
      busy: usedMs / (to.at - from.at),
      waited: ((to.waitedMs - from.waitedMs) * 1000) / (to.at - from.at),
      lost: result.sent - result.received,
      captured,
      rssMb,
      pssMb,
      loadBusy: cpuMs / ((WARM_UP_S + seconds) * 1000),
    };
  } finally {
    load.stop();
    await server.stop();
  }
}

/** Once everything is on the disk, which is when the calls have ended. */
async function capturedPackets(server: MediaServer): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, FLUSH_MS));
  return server.capturedBytes() / CAPTURED_BYTES;
}
