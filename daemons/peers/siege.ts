// Recorded calls under siege: hostile SIP, ng and RTP against running daemons, while phones talk, and what became of it all.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeEnd } from '../../src/cli/daemons-runner.ts';
import { HostileSip } from './hostile-sip.ts';
import { type Installation, install } from './installation.ts';
import { Attack, TRUNK } from './siege-attack.ts';
import { type Proof, Talks } from './siege-talk.ts';
import { ownMs, type Stall } from './stall-watch.ts';

/** Timers of strangers' transactions and of unacknowledged answers run 32 s. */
const SETTLE_LIMIT_MS = 90_000;
/** A process that does nothing, beside the daemons: what stands still in it, the machine holds up. */
const CONTROL = 'control';
const WATCHED = ['grec-sipd', 'grec-mediad', CONTROL] as const;

export interface SiegeOptions {
  seed: number;
  /** Messages by UDP, TCP and TLS, and calls. */
  sip: { udp: number; tcp: number; tls: number; calls: number };
  ng: { datagrams: number };
  rtp: { packetsPerSecond: number; seconds: number };
  /** Messages by each protocol before the memory is looked at first: what a switch at work holds is no growth. */
  warmUp?: number;
  /** Waits at the end until the timers of all that was made have run out, half a minute and more. */
  settles: boolean;
  say?(line: string): void;
}

/** Milliseconds. */
export interface Latency {
  median: number;
  p99: number;
  worst: number;
}

/** A time that an event loop stood still, by its own fault; `gapMs` is all of it, the machine's part too. */
export interface StallTold {
  atS: number;
  ms: number;
  gapMs: number;
  cpuMs: number;
  gcMs: number;
}

export interface SiegeReport extends Proof {
  sent: Attack['sent'];
  /** OPTIONS between two batches: the daemon's answer waits for what was sent before. */
  ping: Latency;
  control: Latency;
  lostPings: number;
  /** The five longest of each daemon, and of a process that did nothing, in seconds from the beginning. */
  stalls: Record<string, StallTold[]>;
  /** Resident megabytes before, and after everything has settled. */
  memoryMb: Record<string, { before: number; after: number }>;
  left: { calls: number; portsUsed: number };
  counters: Record<string, number>;
  /** Lines of the log at level error that are none of the hostile calls' own, and fatal ones. */
  problems: string[];
  logLines: number;
}

export async function besiege(options: SiegeOptions): Promise<SiegeReport> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-siege-'));
  const watch = new URL(`./stall-watch.ts?directory=${directory}`, import.meta.url);
  const installation = await watched(watch, () =>
    install({
      mediaPorts: 400,
      tls: true,
      sip: 'ring-timeout = 5',
      toml: `[[trunk]]\nname = "hostile"\nhost = "${TRUNK}"\n`,
    }),
  );
  const control = idleProcess(watch);
  try {
    const dead = installation.daemons.died.then((end) => {
      throw new Error(describeEnd(end));
    });
    return await Promise.race([new Siege(options, installation, directory).run(), dead]);
  } catch (thrown) {
    throw new Error(`${String(thrown)}\n${installation.log.slice(-30).join('\n')}`);
  } finally {
    control.kill();
    await installation.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Every daemon that `start` starts writes its stalls into the directory. */
async function watched<T>(watch: URL, start: () => Promise<T>): Promise<T> {
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `--import=${watch.href}`;
  try {
    return await start();
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
}

/** It ends with this process, however that ends. */
function idleProcess(watch: URL): ChildProcess {
  const program = `process.argv[1] = '${CONTROL}'; process.stdin.resume().on('end', process.exit); import('${watch.href}')`;
  return spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'ignore', 'ignore'] });
}

class Siege {
  readonly #options: SiegeOptions;
  readonly #installation: Installation;
  readonly #directory: string;
  readonly #controls: number[] = [];

  constructor(options: SiegeOptions, installation: Installation, directory: string) {
    this.#options = options;
    this.#installation = installation;
    this.#directory = directory;
  }

  async run(): Promise<SiegeReport> {
    const { seed } = this.#options;
    await this.#installation.addDn('6667', 'hostile', { record: true });
    const talks = new Talks(this.#installation);
    await talks.begin(seed);
    const attack = new Attack(this.#installation, seed);
    await this.#warmUp(talks);
    const before = await this.#memory();
    const since = Date.now();
    await this.#attack(attack, talks);
    const stalls = this.#stalls(since);
    const { counters } = await this.#status('grec-sipd');
    const proof = await talks.end();
    const left = await this.#settle();
    const after = await this.#memory();
    const { log } = this.#installation;
    return {
      ...proof,
      sent: attack.sent,
      ping: latency(attack.pings),
      control: latency(this.#controls),
      lostPings: attack.lostPings,
      stalls,
      memoryMb: Object.fromEntries(
        Object.entries(before).map(([name, rss]) => [name, { before: rss, after: after[name] ?? 0 }]),
      ),
      left,
      counters: counters as Record<string, number>,
      problems: log.filter((line) => /"level":"(error|fatal)"/.test(line) && !isOfHostileCall(line)),
      logLines: log.length,
    };
  }

  async #warmUp({ targets }: Talks): Promise<void> {
    const { warmUp = 0, seed } = this.#options;
    const attack = new Attack(this.#installation, seed - 1);
    const hostile = new HostileSip({ seed: seed - 1, ...this.#installation.sip, number: '6667', targets });
    await attack.datagrams(hostile, warmUp);
    for (const protocol of ['tcp', 'tls'] as const) await attack.streams(hostile, protocol, warmUp);
    // The answers that are kept for repeated requests are as many as they will be.
    await attack.ng([], warmUp);
  }

  async #attack(attack: Attack, { targets }: Talks): Promise<void> {
    const { say = () => undefined, sip, ng, rtp, seed } = this.#options;
    const { ask } = this.#installation;
    const { calls } = await ask<{ calls: { call: string }[] }>('grec-sipd', 'GET', '/calls');
    const live = calls.map(({ call }) => call);
    const hostile = new HostileSip({ seed, ...this.#installation.sip, number: '6667', targets });
    const asking = setInterval(() => void this.#askStatus(), 100);
    const start = performance.now();
    const steps: [string, () => Promise<void>][] = [
      [`${sip.calls} hostile calls`, () => attack.calls(hostile, sip.calls)],
      [`${sip.udp} messages by UDP`, () => attack.datagrams(hostile, sip.udp)],
      [`${sip.tcp} messages by TCP`, () => attack.streams(hostile, 'tcp', sip.tcp)],
      [`${sip.tls} messages by TLS`, () => attack.streams(hostile, 'tls', sip.tls)],
      [`${ng.datagrams} ng requests`, () => attack.ng(live, ng.datagrams)],
      [`${rtp.seconds} s of RTP`, () => attack.rtp(live, rtp.packetsPerSecond, rtp.seconds)],
    ];
    try {
      for (const [what, run] of steps) {
        await run();
        say(`${((performance.now() - start) / 1000).toFixed(1)} s: ${what}`);
      }
    } finally {
      clearInterval(asking);
    }
  }

  async #askStatus(): Promise<void> {
    const start = performance.now();
    // That a daemon has ended is told elsewhere.
    const answer = await this.#status('grec-sipd').catch(() => undefined);
    if (answer !== undefined) this.#controls.push(performance.now() - start);
  }

  /** Waits until nothing is left of the siege, or tells what is. */
  async #settle(): Promise<SiegeReport['left']> {
    const limit = performance.now() + SETTLE_LIMIT_MS;
    for (;;) {
      const { calls } = await this.#installation.ask<{ calls: unknown[] }>('grec-sipd', 'GET', '/calls');
      const { media, calls: there } = (await this.#status('grec-mediad')) as {
        media: { portsUsed: number };
        calls: number;
      };
      const left = { calls: calls.length, portsUsed: media.portsUsed };
      // Ports that hostile controllers took by sound offers are not the switch's to give back.
      const isSettled = left.calls === 0 && there * 2 <= media.portsUsed;
      if (!this.#options.settles || isSettled || performance.now() > limit) return left;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  #status(daemon: 'grec-sipd' | 'grec-mediad' | 'grec-procd'): Promise<Record<string, unknown>> {
    return this.#installation.ask(daemon, 'GET', '/status');
  }

  async #memory(): Promise<Record<string, number>> {
    const memory: Record<string, number> = {};
    for (const name of ['grec-sipd', 'grec-mediad'] as const) {
      const status = (await this.#status(name)) as { memory: { rss: number } };
      memory[name] = status.memory.rss;
    }
    return memory;
  }

  #stalls(since: number): SiegeReport['stalls'] {
    const round = (ms: number) => Math.round(ms * 10) / 10;
    const told = (name: string) => readStalls(join(this.#directory, `${name}.jsonl`));
    const idle = told(CONTROL);
    const entries = WATCHED.map((name) => {
      const own = (stall: Stall) => ownMs(stall, name === CONTROL ? [] : idle);
      const stalls = told(name)
        .filter(({ at }) => at >= since)
        .toSorted((one, other) => own(other) - own(one))
        .slice(0, 5)
        .map((stall) => ({
          atS: (stall.at - since) / 1000,
          ms: round(own(stall)),
          gapMs: round(stall.gapMs),
          cpuMs: round(stall.cpuMs),
          gcMs: round(stall.gcMs),
        }));
      return [name, stalls] as const;
    });
    return Object.fromEntries(entries);
  }
}

/** A process that never stood still has written nothing. */
function readStalls(file: string): Stall[] {
  try {
    return readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Stall);
  } catch {
    return [];
  }
}

/** Hostile calls to the recorded 6667 cannot be recorded; that this is told is as it should be. */
function isOfHostileCall(line: string): boolean {
  return line.includes('recording failed') || line.includes('grec-procd: ');
}

function latency(all: number[]): Latency {
  const sorted = all.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10) / 10;
  return { median: at(0.5), p99: at(0.99), worst: at(1) };
}
