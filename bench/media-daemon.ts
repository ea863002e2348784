// A grec-mediad in a process of its own with a fresh state directory, for the benchmarks of the media path.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { askDaemon } from '../src/control.ts';
import { silentLogger } from '../src/log.ts';
import { createNgClient, type NgClient } from '../src/ng/client.ts';

export interface MediaDaemonStatus {
  ng: { port: number };
  calls: number;
  finishing: number;
  media: { portsUsed: number };
  packets: { relayed: number; recorded: number; dropped: Record<string, number> };
}

export interface MediaDaemon {
  readonly ng: NgClient;
  readonly spool: string;
  status(): Promise<MediaDaemonStatus>;
  /** Used so far, in seconds. */
  cpu(): { user: number; system: number };
  /** Resident memory, in KiB. */
  memory(): number;
  /** Ends it with SIGTERM, then removes its state directory. */
  stop(beforeRemoval?: () => void): Promise<void>;
}

/** Kernel ticks a second, as Linux reports CPU times to every process. */
const TICKS = 100;

export async function startMediaDaemon(ports: string): Promise<MediaDaemon> {
  const state = mkdtempSync(join(tmpdir(), 'grec-bench-'));
  const config = join(state, 'grec.toml');
  writeFileSync(config, `state.directory = "${state}"\n[mediad]\nng = "127.0.0.1:0"\nports = "${ports}"\n`);
  const program = fileURLToPath(new URL('../daemons/grec-mediad.ts', import.meta.url));
  const child = spawn(process.execPath, [program, '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (status) => reject(new Error(`grec-mediad ended with ${status}`)));
    child.stderr.on('data', (bytes: Buffer) => {
      if (bytes.includes('"ready"')) resolve();
    });
  });
  child.removeAllListeners('exit');
  const status = () =>
    askDaemon<MediaDaemonStatus>('grec-mediad', join(state, 'run/mediad.sock'), 'GET', '/status');
  const { port } = (await status()).ng;
  const ng = await createNgClient({ host: '127.0.0.1', port, timeoutMs: 10_000, log: silentLogger() });
  const proc = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, 'utf8');
  return {
    ng,
    spool: join(state, 'spool'),
    status,
    cpu() {
      const fields = proc('stat').split(') ')[1]?.split(' ') ?? [];
      return { user: Number(fields[11]) / TICKS, system: Number(fields[12]) / TICKS };
    },
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(proc('status'))?.[1]),
    async stop(beforeRemoval) {
      await ng.close();
      child.kill('SIGTERM');
      await once(child, 'exit');
      beforeRemoval?.();
      rmSync(state, { recursive: true, force: true });
    },
  };
}
