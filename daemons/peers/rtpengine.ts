// A real rtpengine as media server, in user space, that records with its method "pcap".
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/log.ts';
import { createNgClient } from '../../src/ng/client.ts';

const HOST = '127.0.0.1';
const READY_MS = 20_000;
const ASK_EVERY_MS = 100;

/** False, or the reason to skip a test. */
export const noRtpengine: string | false =
  spawnSync('rtpengine', ['--version']).error === undefined ? false : 'rtpengine is not installed';

export interface RtpengineOptions {
  /** Of the ng protocol. */
  port: number;
  /** For media. */
  ports: { first: number; last: number };
  format: 'raw' | 'eth';
  /** Where it records; a directory of its own when left out. */
  recordings?: string;
}

export interface RunningRtpengine {
  address: string;
  recordings: string;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one; it takes requests when this resolves. */
export async function startRtpengine(options: RtpengineOptions): Promise<RunningRtpengine> {
  const { port, ports, format } = options;
  const directory = mkdtempSync(join(tmpdir(), 'grec-rtpengine-'));
  const recordings = options.recordings ?? directory;
  const argv = [
    ...[
      '--config-file=none',
      '--foreground',
      '--log-stderr',
      '--log-level=5',
      '--table=-1',
      '--num-threads=2',
    ],
    ...[`--interface=${HOST}`, `--listen-ng=${HOST}:${port}`],
    ...[`--port-min=${ports.first}`, `--port-max=${ports.last}`],
    ...[`--recording-dir=${recordings}`, '--recording-method=pcap', `--recording-format=${format}`],
  ];
  const child = spawn('rtpengine', argv, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = once(child, 'close');
  // However the test ends, it leaves none behind.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const printed: string[] = [];
  child.stderr.on('data', (bytes: Buffer) => void printed.push(bytes.toString()));
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await closed;
  };
  const stop = async () => {
    await end('SIGTERM');
    process.off('exit', kill);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await untilItAnswers(port, () => child.exitCode === null);
  } catch (thrown) {
    await stop();
    throw new Error(`${String(thrown)}\n${printed.slice(-20).join('')}`);
  }
  return { address: `${HOST}:${port}`, recordings, kill: () => end('SIGKILL'), stop };
}

async function untilItAnswers(port: number, isAlive: () => boolean): Promise<void> {
  const ng = await createNgClient({ host: HOST, port, timeoutMs: ASK_EVERY_MS, log: silentLogger() });
  try {
    for (const limit = performance.now() + READY_MS; isAlive() && performance.now() < limit; ) {
      if ((await ng.request({ command: 'ping' }).catch(() => undefined))?.result === 'pong') return;
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
    throw new Error(isAlive() ? 'rtpengine does not answer' : 'rtpengine has ended');
  } finally {
    await ng.close();
  }
}
