// grec-procd by itself, with a state of its own: the benchmark writes its journals and its spool.
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCatalogReader } from '../src/catalog/catalog.ts';
import type { RecordingRow } from '../src/catalog/rows.ts';
import { type Config, loadConfig, socketOf } from '../src/config.ts';
import { askDaemon } from '../src/control.ts';
import { endProcess, startProcess, untilReady } from './server-process.ts';

export interface ProcServer {
  config: Config;
  pid: number;
  /** Its process beside it that looks for words and topics, which makes no recording. */
  indexer: number;
  /** The row of a recording, as soon as it is one. */
  row(recording: string): RecordingRow | undefined;
  stop(): Promise<void>;
}

/** @param cores for taskset; undefined leaves it where the kernel puts it */
export async function startProcd(cores: string | undefined): Promise<ProcServer> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-bench-proc-'));
  const file = join(directory, 'grec.toml');
  writeFileSync(file, 'state.directory = "state"\nlog.format = "json"\n[index]\ntranscriber = "none"\n');
  const config = loadConfig({ file });
  const program = fileURLToPath(new URL('../daemons/grec-procd.ts', import.meta.url));
  const log = openSync(join(directory, 'log'), 'a');
  const child = startProcess(cores, process.execPath, [program, '--config', file], log);
  closeSync(log);
  const ask = <T>(path: string) => askDaemon<T>('grec-procd', socketOf(config, 'grec-procd'), 'GET', path);
  const status = () => ask('/status');
  try {
    await untilReady(child, status, () => readFileSync(join(directory, 'log'), 'utf8'));
  } catch (thrown) {
    await endProcess(child, directory);
    throw thrown;
  }
  const catalog = openCatalogReader(config.paths.catalog);
  return {
    config,
    pid: child.pid ?? 0,
    indexer: (await ask<{ pid: number | null }>('/index')).pid ?? 0,
    row: (recording) => catalog.get(recording),
    stop: async () => {
      catalog.close();
      await endProcess(child, directory);
    },
  };
}
