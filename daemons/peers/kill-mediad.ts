// The media server, or one of its relay workers, killed again and again under load: no call drops, and every packet is accounted for.
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../../src/sip/fuzz.ts';
import { type Installation, install } from './installation.ts';
import { NumberedCalls, PACKET_MS, readSpool } from './numbered-calls.ts';
import { Outages } from './outages.ts';
import { accountFor, noPackets, type PacketAccount } from './packet-accounts.ts';

/** One kill in so many does not wait until all calls are recorded again after the one before. */
const HASTY = 4;
/** The longest time from then to the next kill, in milliseconds: several flush intervals. */
const LONGEST_LIFE_MS = 900;
const WORKERS = 2;
const RELAUNCH_MS = 500;

export interface KillMediadOptions {
  kills: number;
  seed: number;
  calls: number;
  /** What a machine that is busy otherwise may delay a flush by, in milliseconds. */
  graceMs: number;
  /** `[mediad] engine` */
  engine?: string;
}

export interface KillMediadReport extends KillMediadOptions {
  daemonKills: number;
  workerKills: number;
  flushIntervalMs: number;
  packets: Omit<PacketAccount, 'problems'>;
  /** Segments, by why they were closed. */
  segments: Record<string, number>;
  /** Recordings by state. */
  recordings: Record<string, number>;
  /** The largest difference of a recording's length to the time from its first packet to its last. */
  worstDurationMs: number;
  dropped: string[];
  leftovers: string[];
  /** Empty when all is accounted for. */
  problems: string[];
}

export async function killMediaServer(options: KillMediadOptions): Promise<KillMediadReport> {
  const { calls, engine = 'auto' } = options;
  // Ports of a life that has just ended may be taken for a moment.
  const mediaPorts = calls * 8 + 40;
  const mediad = `workers = ${WORKERS}\nengine = "${engine}"`;
  const installation = await install({ mediaPorts, mediad });
  const run = new KillRun(installation, options);
  try {
    return await run.run();
  } finally {
    await run.end();
    await installation.stop();
  }
}

interface MediaStatus {
  pid: number;
  recording: number;
  finishing: number;
  repairing: number;
  workers: { pid: number; calls: number }[];
}

class KillRun {
  readonly #installation: Installation;
  readonly #options: KillMediadOptions;
  readonly #outages: Outages;
  readonly #calls: NumberedCalls;
  readonly #random: Random;
  /** When, by the clock of the packets. */
  readonly #kills: number[] = [];
  readonly #problems: string[] = [];
  readonly #read = new Set<string>();
  #workerKills = 0;
  #lastWorker = 0;
  #life = 0;

  constructor(installation: Installation, options: KillMediadOptions) {
    this.#installation = installation;
    this.#options = options;
    this.#outages = new Outages(installation);
    this.#calls = new NumberedCalls(installation);
    this.#random = new Random(options.seed);
  }

  async end(): Promise<void> {
    this.#life += 1;
    await this.#calls.close();
    await this.#outages.end();
  }

  async run(): Promise<KillMediadReport> {
    const { calls, kills } = this.#options;
    // The captures are to be read before they are made into recordings.
    await this.#outages.kill('grec-procd');
    await this.#calls.open(calls);
    await this.#recordedAgain();
    this.#calls.speak();
    // What is captured before the first kill is the beginning of each recording.
    await this.#calls.heard(50);
    for (let count = 0; count < kills; count += 1) {
      const isHasty = this.#random.fraction() < 1 / HASTY;
      if (!isHasty) await this.#recordedAgain();
      await delay(this.#random.fraction() * LONGEST_LIFE_MS);
      if (this.#random.chance(50)) await this.#killWorker();
      else await this.#killDaemon();
    }
    await this.#recordedAgain();
    await this.#calls.heard(25);
    this.#calls.silence();
    await this.#calls.heardOut();
    await this.#calls.hangUp();
    await this.#installation.until('all segments are closed', async () => {
      const status = await this.#status();
      return status?.finishing === 0 && status.repairing === 0 && status.recording === 0 ? true : undefined;
    });
    return this.#report();
  }

  async #killDaemon(): Promise<void> {
    this.#life += 1;
    this.#kills.push(performance.now());
    await this.#outages.kill('grec-mediad');
    this.#readPrefixes();
    this.#launch();
  }

  /** As a service manager does, again when it cannot start: another test may have its port for a moment. */
  #launch(): void {
    this.#life += 1;
    const life = this.#life;
    this.#outages.launch('grec-mediad').ready.catch(async () => {
      await delay(RELAUNCH_MS);
      if (life === this.#life) this.#launch();
    });
  }

  /** Of a media server that is about to start there is none yet. */
  async #killWorker(): Promise<void> {
    const { workers = [] } = (await this.#status()) ?? {};
    const pid = workers[this.#random.below(workers.length)]?.pid;
    if (pid === undefined || pid === this.#lastWorker) return this.#killDaemon();
    this.#kills.push(performance.now());
    process.kill(pid, 'SIGKILL');
    this.#workerKills += 1;
    this.#lastWorker = pid;
  }

  /** What a kill leaves is a readable prefix, each segment looked at once. */
  #readPrefixes(): void {
    const { spool } = this.#installation.config.paths;
    const { problems } = readSpool(spool, true, this.#read);
    this.#problems.push(...problems.map((problem) => `after a kill: ${problem}`));
    for (const id of readdirSync(spool)) this.#read.add(id);
  }

  async #status(): Promise<MediaStatus | undefined> {
    return this.#installation.ask<MediaStatus>('grec-mediad', 'GET', '/status').catch(() => undefined);
  }

  /** Resolves when every call is anchored and recorded, and nothing of the last kill is still to come. */
  async #recordedAgain(): Promise<void> {
    await this.#installation.until('all calls are recorded', async () => {
      const status = await this.#status();
      const workers = status?.workers ?? [];
      const isWhole = workers.length === WORKERS && workers.every(({ pid }) => pid !== this.#lastWorker);
      if (!isWhole || status?.recording !== this.#options.calls) return undefined;
      const { calls } = await this.#installation.ask<{
        calls: { anchored: boolean; recordingState: string }[];
      }>('grec-sipd', 'GET', '/calls');
      const isAll = calls.every(({ anchored, recordingState }) => anchored && recordingState === 'recording');
      return isAll && calls.length === this.#options.calls ? true : undefined;
    });
  }

  async #report(): Promise<KillMediadReport> {
    const { config } = this.#installation;
    const flushIntervalMs = config.mediad['flush-interval'];
    const { captured, closed, problems } = readSpool(config.paths.spool);
    const account = noPackets();
    const histories = this.#calls.histories(captured);
    for (const flow of histories)
      accountFor(flow, this.#kills, flushIntervalMs + this.#options.graceMs, account);
    const { problems: unaccounted, ...packets } = account;
    // Of a long run there are more than a call of Math.max() takes.
    let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const time of histories.flatMap((flow) => flow.sent)) {
      // What has not been sent yet is no number, and neither less nor more than one.
      if (time < first) first = time;
      if (time > last) last = time;
    }
    const lengthMs = last - first + PACKET_MS;
    return {
      ...this.#options,
      daemonKills: this.#kills.length - this.#workerKills,
      workerKills: this.#workerKills,
      flushIntervalMs,
      packets,
      segments: closed,
      ...(await this.#recordings(lengthMs)),
      dropped: this.#calls.dropped,
      problems: [...this.#problems, ...problems, ...unaccounted],
    };
  }

  /** The processor makes one recording of all segments of each call. */
  async #recordings(lengthMs: number) {
    this.#outages.launch('grec-procd').ready.catch(() => undefined);
    const rows = await this.#installation.recordings(this.#options.calls);
    const recordings: Record<string, number> = {};
    for (const { state } of rows) recordings[state] = (recordings[state] ?? 0) + 1;
    const { spool } = this.#installation.config.paths;
    await this.#installation.until('the spool is empty', async () =>
      readdirSync(spool).length === 0 ? true : undefined,
    );
    const worstDurationMs = Math.max(...rows.map(({ duration }) => Math.abs(duration - lengthMs)));
    return { recordings, worstDurationMs, leftovers: readdirSync(spool) };
  }
}
