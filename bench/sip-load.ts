// Calls from sipp to sipp through a server: one callee that answers all, one caller, and what they counted.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../daemons/peers/installation.ts';
import { runSipp } from '../daemons/peers/sipp.ts';
import type { Address } from './sip-servers.ts';

export const CALLER = '127.0.0.2';
export const CALLEE = '127.0.0.3';
export const NUMBER = '7001';
export const PASSWORD = 'secret';
/** What sipp asks of the kernel for its socket: bursts must be lost in no buffer of the measuring side. */
const SOCKET_BYTES = 4 << 20;
/** Messages sent again before sipp gives a call up, after some 8 s: by then the run is spoilt anyway. */
const MOST_RETRANSMISSIONS = 4;
/** What a run may take beyond its calls: by then sipp has given up each of them. */
const SPARE_S = 30;

export interface Load {
  server: Address;
  callee: Address;
  /** Calls a second. */
  rate: number;
  seconds: number;
  /** How long each call lasts, in milliseconds. */
  holdMs: number;
  /** For taskset; undefined leaves sipp where the kernel puts it. */
  cores: string | undefined;
}

/** How the calls of one run went, as sipp saw them. */
export interface LoadResult {
  calls: number;
  /** Calls a second that sipp really placed. */
  rate: number;
  failed: number;
  /** Messages sent again, by either sipp or by the server. */
  retransmissions: number;
}

/** Registers the callee's address at the server. */
export async function registerAt(server: Address, callee: Address): Promise<void> {
  const words = { number: NUMBER, password: PASSWORD };
  const options = { scenario: 'register', local: callee, remote: server, calls: 1, words };
  const { code, errors } = await runSipp(options).result;
  if (code !== 0) throw new Error(`sipp could not register: ${errors}`);
}

/** Places `rate * seconds` calls. */
export async function runLoad(load: Load): Promise<LoadResult> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-bench-sipp-'));
  const calls = Math.round(load.rate * load.seconds);
  try {
    const answering = new Sipp('callee', { ...load, directory, calls, local: load.callee });
    const local = { host: CALLER, port: await freePort(CALLER) };
    const calling = new Sipp('caller', { ...load, directory, calls, local });
    await calling.untilDone();
    // The callee has seen all calls by now, or some have failed, and it would wait for them for ever.
    await answering.stop();
    return resultOf(calls, load.holdMs, calling, answering);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function resultOf(calls: number, holdMs: number, calling: Sipp, answering: Sipp): LoadResult {
  const statistics = calling.statistics();
  const placedMs = clockMs(statistics.get('ElapsedTime(C)')) - holdMs;
  return {
    calls,
    rate: Math.round((calls / placedMs) * 1000),
    failed: calls - Number(statistics.get('SuccessfulCall(C)')),
    retransmissions: calling.retransmissions() + answering.retransmissions(),
  };
}

/** Milliseconds of sipp's `HH:MM:SS:microseconds`. */
function clockMs(text = ''): number {
  const [hours = 0, minutes = 0, seconds = 0, micros = 0] = text.split(':').map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + micros / 1000;
}

interface SippOptions extends Load {
  directory: string;
  local: Address;
  calls: number;
}

class Sipp {
  readonly done: Promise<unknown>;
  readonly #process: ChildProcess;
  readonly #statistics: string;
  readonly #counts: string;

  constructor(name: 'caller' | 'callee', { directory, cores, holdMs, ...options }: SippOptions) {
    const scenario = join(directory, `${name}.xml`);
    const source = readFileSync(new URL(`./scenarios/${name}.xml`, import.meta.url), 'utf8');
    writeFileSync(scenario, source.replaceAll('{number}', NUMBER).replaceAll('{ms}', `${holdMs}`));
    this.#statistics = join(directory, `${name}.csv`);
    const { local, server, calls, rate, seconds } = options;
    const argv = [
      ...['-sf', scenario, '-i', local.host, '-mi', local.host, '-p', `${local.port}`, '-t', 'u1'],
      ...['-r', `${rate}`, '-l', `${calls + 10}`, '-timer_resol', '1'],
      // The callee is told to end: what still comes of an earlier run would count as calls of this one.
      ...(name === 'caller' ? ['-m', `${calls}`] : []),
      ...['-timeout', `${Math.ceil(seconds + holdMs / 1000) + SPARE_S}`, '-buff_size', `${SOCKET_BYTES}`],
      ...['-max_retrans', `${MOST_RETRANSMISSIONS}`, '-recv_timeout', `${holdMs + SPARE_S * 1000}`],
      ...['-trace_stat', '-stf', this.#statistics, '-trace_counts', '-fd', '1', '-nostdin'],
      `${server.host}:${server.port}`,
    ];
    const [program = 'sipp', ...rest] =
      cores === undefined ? ['sipp', ...argv] : ['taskset', '-c', cores, 'sipp', ...argv];
    this.#process = spawn(program, rest, { cwd: directory, stdio: 'ignore' });
    this.#counts = join(directory, `${name}_${this.#process.pid}_counts.csv`);
    this.done = once(this.#process, 'exit');
  }

  /** @throws Error when somebody else has ended it: its counts are not those of the run */
  async untilDone(): Promise<void> {
    await this.done;
    const { signalCode } = this.#process;
    if (signalCode !== null) throw new Error(`sipp was ended by ${signalCode}`);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    // It writes its last counts and ends.
    this.#process.kill('SIGUSR1');
    const patience = setTimeout(() => this.#process.kill('SIGKILL'), 10_000);
    await this.done;
    clearTimeout(patience);
  }

  /** Of the whole run, by the name of the column. */
  statistics(): Map<string, string> {
    return lastRow(this.#statistics);
  }

  /** Of all messages, sent and received. */
  retransmissions(): number {
    let count = 0;
    for (const [column, value] of lastRow(this.#counts))
      if (column.endsWith('_Retrans')) count += Number(value);
    return count;
  }
}

function lastRow(file: string): Map<string, string> {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const values = lines.at(-1)?.split(';') ?? [];
  return new Map(lines[0]?.split(';').map((name, at) => [name, values[at] ?? '']));
}
