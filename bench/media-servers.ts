// The media servers that the benchmark of the media path compares, each started afresh: grec-mediad with each of its packet
// engines, and rtpengine in user space. Both record each call into a pcap file of its own, and both are asked over the ng protocol.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../daemons/peers/installation.ts';
import { askDaemon } from '../src/control.ts';
import { silentLogger } from '../src/log.ts';
import { createNgClient, type NgClient } from '../src/ng/client.ts';
import { FILE_HEADER_BYTES } from '../src/spool/pcap.ts';
import { type Placement, placed } from './placed.ts';
import { cpuMs, family, proportionalMb, residentMb, waitedMs } from './process-usage.ts';

/** In the order in which grec-mediad prefers them. */
const ENGINES = ['io_uring', 'epoll', 'dgram'] as const;
export const RTPENGINE = 'rtpengine';

export interface MediaServer {
  /** `rtpengine`, or the name of an engine of grec-mediad. */
  readonly name: string;
  readonly host: string;
  readonly ng: NgClient;
  /** Of all its processes so far. */
  cpuMs(): number;
  /** Time for which its threads were ready and something else had their core, so far. */
  waitedMs(): number;
  rssMb(): number;
  /** With what its processes share counted once. */
  pssMb(): number;
  /** Bytes of the records in its captures. */
  capturedBytes(): number;
  stop(): Promise<void>;
}

export interface MediaServerOptions extends Placement {
  /** For media. */
  ports?: { first: number; last: number };
  /** Another tree's grec-mediad, to compare; by default the one beside this folder. */
  mediad?: string | undefined;
}

const HOST = '127.0.0.1';
const PORTS = { first: 50_000, last: 59_999 };
const READY_MS = 20_000;
const POLL_MS = 50;
const NG_TIMEOUT_MS = 10_000;
const LOWEST_LOG_LEVEL = '4';

export const hasRtpengine = spawnSync('rtpengine', ['--version']).error === undefined;

/** The packet engines that grec-mediad has here: each is asked for, and the daemon says which one it runs. */
export async function enginesOfGrec(options: MediaServerOptions): Promise<string[]> {
  const found: string[] = [];
  for (const engine of ENGINES) {
    const server = await startGrecMedia(engine, options).catch(() => undefined);
    if (server?.name === engine) found.push(engine);
    await server?.stop();
  }
  if (found.length > 0) return found;
  // A grec-mediad without a choice.
  const server = await startGrecMedia(undefined, options);
  await server.stop();
  return [server.name];
}

export function startMediaServer(name: string, options: MediaServerOptions): Promise<MediaServer> {
  return name === RTPENGINE ? startRtpengine(options) : startGrecMedia(name, options);
}

export interface GrecMediaStatus {
  engine: string;
  calls: number;
  finishing: number;
  media: { portsUsed: number };
}

export interface GrecMediaServer extends MediaServer {
  status(): Promise<GrecMediaStatus>;
}

/** @param engine the default one when left out; `dgram` is also that of a grec-mediad that knows no other */
export async function startGrecMedia(
  engine?: string,
  options: MediaServerOptions = {},
): Promise<GrecMediaServer> {
  const { first, last } = options.ports ?? PORTS;
  const directory = mkdtempSync(join(tmpdir(), 'grec-bench-media-'));
  const port = await freePort();
  const file = join(directory, 'grec.toml');
  const choice = engine === undefined ? '' : `engine = "${engine}"\n`;
  const program = options.mediad ?? fileURLToPath(new URL('../daemons/grec-mediad.ts', import.meta.url));
  const status = () =>
    askDaemon<GrecMediaStatus>('grec-mediad', join(directory, 'state/run/mediad.sock'), 'GET', '/status');
  const write = (lines: string) =>
    writeFileSync(
      file,
      `state.directory = "state"\nlog.format = "json"\n[mediad]\nng = "${HOST}:${port}"\nports = "${first}-${last}"\n${lines}`,
    );
  write(choice);
  const argv = [process.execPath, program, '--config', file];
  let server = await startServer(directory, port, argv, options).catch((thrown: unknown) => {
    if (engine !== 'dgram') throw thrown;
  });
  if (server === undefined) {
    mkdirSync(directory, { recursive: true });
    write('');
    server = await startServer(directory, port, argv, options);
  }
  // It answers pings as soon as it lives, and this when it is ready.
  let answer = await status().catch(() => undefined);
  for (const limit = performance.now() + READY_MS; answer === undefined; ) {
    if (performance.now() > limit) break;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    answer = await status().catch(() => undefined);
  }
  const { engine: name } = answer ?? (await status());
  return { ...server, name, status, capturedBytes: () => bytesOfPcaps(join(directory, 'state/spool')) };
}

/** Without its kernel module: table -1. */
async function startRtpengine(options: MediaServerOptions): Promise<MediaServer> {
  const { first, last } = options.ports ?? PORTS;
  const directory = mkdtempSync(join(tmpdir(), 'grec-bench-rtpengine-'));
  const spool = join(directory, 'spool');
  mkdirSync(spool);
  const port = await freePort();
  const argv = [
    'rtpengine',
    '--config-file=none',
    '--foreground',
    '--log-stderr',
    `--log-level=${LOWEST_LOG_LEVEL}`,
    '--table=-1',
    `--interface=${HOST}`,
    `--listen-ng=${HOST}:${port}`,
    `--port-min=${first}`,
    `--port-max=${last}`,
    `--recording-dir=${spool}`,
    '--recording-method=pcap',
    '--recording-format=raw',
  ];
  const server = await startServer(directory, port, argv, options);
  return { ...server, name: RTPENGINE, capturedBytes: () => bytesOfPcaps(spool) };
}

function bytesOfPcaps(directory: string): number {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.pcap'))
    .reduce((sum, name) => sum + statSync(join(directory, name)).size - FILE_HEADER_BYTES, 0);
}

type StartedServer = Omit<MediaServer, 'name' | 'capturedBytes'>;

async function startServer(
  directory: string,
  port: number,
  argv: readonly string[],
  placement: Placement,
): Promise<StartedServer> {
  const log = openSync(join(directory, 'log'), 'a');
  const [program = '', ...rest] = placed(argv, placement);
  // There, so that what a crash leaves goes with the rest.
  const child = spawn(program, rest, { cwd: directory, stdio: ['ignore', log, log] });
  closeSync(log);
  // However the benchmark ends, it leaves no server behind.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const ng = await createNgClient({ host: HOST, port, timeoutMs: NG_TIMEOUT_MS, log: silentLogger() });
  const stop = async () => {
    await ng.close();
    await end(child);
    process.off('exit', kill);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await untilItAnswers(child, ng);
  } catch (thrown) {
    const printed = readFileSync(join(directory, 'log'), 'utf8');
    await stop();
    throw new Error(`${String(thrown)}\n${printed}`);
  }
  const pids = () => family(child.pid ?? 0);
  return {
    host: HOST,
    ng,
    cpuMs: () => cpuMs(pids()),
    waitedMs: () => waitedMs(pids()),
    rssMb: () => pids().reduce((sum, pid) => sum + residentMb(pid), 0),
    pssMb: () => pids().reduce((sum, pid) => sum + proportionalMb(pid), 0),
    stop,
  };
}

async function untilItAnswers(child: ChildProcess, ng: NgClient): Promise<void> {
  for (const limit = performance.now() + READY_MS; performance.now() < limit; ) {
    if (child.exitCode !== null) throw new Error('the media server has ended');
    const answer = await ng.request({ command: 'ping' }, POLL_MS * 4).catch(() => undefined);
    if (answer !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error('the media server does not answer');
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
