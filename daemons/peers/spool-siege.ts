// A processor whose spool and journals are hostile: what became of the good calls, of the archive, and of what is none of its business.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { verifyArchive } from '../../src/archive/verify.ts';
import { type CatalogReader, openCatalogReader } from '../../src/catalog/catalog.ts';
import { describeEnd, startDaemons } from '../../src/cli/daemons-runner.ts';
import { type Config, loadConfig, socketOf } from '../../src/config.ts';
import { askDaemon } from '../../src/control.ts';
import { FakeState } from '../../src/processing/fixtures/segments.ts';
import { HostileSpool, snapshot } from './hostile-spool.ts';

const DAEMONS = dirname(dirname(fileURLToPath(import.meta.url)));
/** How long a good call is waited for: longer than any hostile one may keep the processor. */
const WAIT_MS = 30_000;
/** What is told of, in milliseconds. */
const SLOW_MS = 3000;
const POLL_MS = 10;
const RECORDING_FOLDER = /^\d{4}\/\d{2}\/\d{2}\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface SpoolSiegeOptions {
  seed: number;
  rounds: number;
  /** Hostile things in each round. */
  each: number;
  say?(line: string): void;
}

export interface SpoolSiegeReport {
  good: number;
  hostile: number;
  /** Whatever is not as it should be, in words. */
  faults: string[];
  /** The longest time from a good call's end to its row, in milliseconds. */
  slowestMs: number;
  /** Resident megabytes of grec-procd after a tenth of the rounds, and at the most from then on. */
  memoryMb: { early: number; most: number };
  /** Recordings by their state. */
  recordings: Record<string, number>;
}

export async function besiegeSpool(options: SpoolSiegeOptions): Promise<SpoolSiegeReport> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-spool-'));
  const outside = join(directory, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'nothing of a recorder');
  const configFile = join(directory, 'grec.toml');
  writeFileSync(configFile, 'state.directory = "state"\nlog.format = "json"\n');
  const log: string[] = [];
  const daemons = startDaemons({
    daemonsDirectory: DAEMONS,
    configFile,
    names: ['grec-procd'],
    onLine: (_name, line) => void (log.push(line) > 200 && log.shift()),
  });
  const died = daemons.died.then((end) => {
    throw new Error(`${describeEnd(end)}\n${log.slice(-20).join('\n')}`);
  });
  died.catch(() => undefined);
  try {
    await Promise.race([daemons.ready, died]);
    const pid = daemons.processes.get('grec-procd')?.pid ?? 0;
    const siege = new SpoolSiege(loadConfig({ file: configFile }), outside, pid, options);
    return await Promise.race([siege.run(), died]);
  } finally {
    await daemons.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

class SpoolSiege {
  readonly #options: SpoolSiegeOptions;
  readonly #config: Config;
  readonly #outside: string;
  readonly #pid: number;
  readonly #hostile: HostileSpool;
  readonly #faults: string[] = [];
  #slowestMs = 0;

  constructor(config: Config, outside: string, pid: number, options: SpoolSiegeOptions) {
    this.#config = config;
    this.#outside = outside;
    this.#pid = pid;
    this.#options = options;
    this.#hostile = new HostileSpool(options.seed, new FakeState(config.paths.state), outside);
  }

  async run(): Promise<SpoolSiegeReport> {
    const { rounds, each, say = () => undefined } = this.#options;
    const catalog = openCatalogReader(this.#config.paths.catalog);
    const before = snapshot(this.#outside);
    const memoryMb = { early: 0, most: 0 };
    try {
      for (let round = 0; round < rounds && this.#faults.length === 0; round += 1) {
        await this.#round(catalog, round);
        const mb = residentMb(this.#pid);
        if (round <= rounds / 10) memoryMb.early = Math.max(memoryMb.early, mb);
        else memoryMb.most = Math.max(memoryMb.most, mb);
        if (round % 100 === 99)
          say(`${round + 1} rounds, ${mb} MB, slowest ${Math.round(this.#slowestMs)} ms`);
      }
      if (JSON.stringify([...before]) !== JSON.stringify([...snapshot(this.#outside)]))
        this.#faults.push('something outside of the state directory was changed');
      const recordings: Record<string, number> = {};
      for (const { state, path } of catalog.since(0)) {
        recordings[state] = (recordings[state] ?? 0) + 1;
        if (path !== null && !RECORDING_FOLDER.test(path)) this.#faults.push(`a recording lies at ${path}`);
      }
      await this.#verify();
      return {
        good: rounds,
        hostile: rounds * each,
        faults: this.#faults,
        slowestMs: Math.round(this.#slowestMs),
        memoryMb,
        recordings,
      };
    } finally {
      catalog.close();
    }
  }

  async #round(catalog: CatalogReader, round: number): Promise<void> {
    const done = Array.from({ length: this.#options.each }, () => this.#hostile.wrong());
    const start = performance.now();
    const recording = this.#hostile.goodCall();
    for (;;) {
      const row = catalog.get(recording);
      const passed = performance.now() - start;
      if (row?.state === 'complete' && row.duration === 1000) break;
      if (row !== undefined || passed > WAIT_MS) {
        const what =
          row === undefined ? 'is not listed' : `is ${row.state}: ${row.reason} (${row.duration} ms)`;
        const { problem } = await askDaemon<{ problem: unknown }>(
          'grec-procd',
          socketOf(this.#config, 'grec-procd'),
          'GET',
          '/status',
        );
        this.#faults.push(
          `the good call of round ${round} ${what} (problem: ${problem}), beside: ${done.join('; ')}`,
        );
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    const ms = performance.now() - start;
    if (ms > SLOW_MS)
      this.#options.say?.(`round ${round} took ${Math.round(ms)} ms: ${done.join('; ').slice(0, 4000)}`);
    this.#slowestMs = Math.max(this.#slowestMs, ms);
  }

  /** What was made of hostile things is evidence like any other: nothing of it is broken. */
  async #verify(): Promise<void> {
    const { findings } = await verifyArchive({ archive: this.#config.paths.archive });
    for (const finding of findings.slice(0, 5)) this.#faults.push(`the archive: ${JSON.stringify(finding)}`);
  }
}

function residentMb(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1024);
}
