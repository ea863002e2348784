// The two servers of the signalling benchmark, each in processes of its own: grec-sipd, and Kamailio as a stateful proxy.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../daemons/peers/installation.ts';
import { type Config, loadConfig, socketOf } from '../src/config.ts';
import { askDaemon } from '../src/control.ts';
import { family } from './process-usage.ts';
import { endProcess, startProcess, untilReady } from './server-process.ts';

export interface Address {
  host: string;
  port: number;
}

export interface SipServer {
  name: string;
  address: Address;
  /** All its processes. */
  pids: number[];
  stop(): Promise<void>;
}

export interface GrecServer extends SipServer {
  addDn(number: string, password: string): Promise<void>;
  status(): Promise<GrecStatus>;
}

export interface GrecStatus {
  /** Megabytes. */
  memory: { rss: number; heap: number; external: number };
  calls: number;
  counters: Record<string, number>;
}

const HOST = '127.0.0.1';

/**
 * Starts grec-sipd with a state of its own, its log in a file as a supervisor would have it.
 * @param cores for taskset; undefined leaves it where the kernel puts it
 * @param trunk address from which calls come without credentials
 */
export async function startGrec(options: {
  trunk: string;
  cores: string | undefined;
  nodeOptions: readonly string[];
  /** Another tree's, to compare; by default the one beside this file. */
  program?: string;
}): Promise<GrecServer> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-bench-sip-'));
  const file = join(directory, 'grec.toml');
  const port = await freePort();
  writeFileSync(
    file,
    `state.directory = "state"\nlog.format = "json"\n[sip]\nlisten = ["udp:${HOST}:${port}"]\n` +
      `[[trunk]]\nname = "carrier"\nhost = "${options.trunk}"\n`,
  );
  const config = loadConfig({ file });
  const program = options.program ?? fileURLToPath(new URL('../daemons/grec-sipd.ts', import.meta.url));
  const log = openSync(join(directory, 'log'), 'a');
  const child = startProcess(
    options.cores,
    process.execPath,
    [...options.nodeOptions, program, '--config', file],
    log,
  );
  closeSync(log);
  const status = () => ask<GrecStatus>(config, 'GET', '/status');
  try {
    await untilReady(child, status, () => readFileSync(join(directory, 'log'), 'utf8'));
  } catch (thrown) {
    rmSync(directory, { recursive: true, force: true });
    throw thrown;
  }
  return {
    name: 'grec-sipd',
    address: { host: HOST, port },
    pids: [child.pid ?? 0],
    status,
    addDn: async (number, password) => {
      await ask(config, 'PUT', `/dns/${number}`, { create: true, password, settings: {} });
    },
    stop: () => endProcess(child, directory),
  };
}

function ask<T>(config: Config, method: 'GET' | 'PUT', path: string, body?: unknown): Promise<T> {
  return askDaemon<T>('grec-sipd', socketOf(config, 'grec-sipd'), method, path, body);
}

/** Starts Kamailio with one worker, which sends every call to `callee`. */
export async function startKamailio(options: {
  callee: Address;
  cores: string | undefined;
}): Promise<SipServer> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-bench-kamailio-'));
  const port = await freePort();
  const template = readFileSync(new URL('./kamailio.cfg', import.meta.url), 'utf8');
  const { callee } = options;
  const config = template
    .replaceAll('{listen}', `${HOST}:${port}`)
    .replaceAll('{callee}', `${callee.host}:${callee.port}`);
  const file = join(directory, 'kamailio.cfg');
  writeFileSync(file, config);
  const log = openSync(join(directory, 'log'), 'a');
  const argv = ['-f', file, '-DD', '-E', '-m', '256', '-M', '16', '-w', directory, '-Y', directory];
  const child = startProcess(options.cores, 'kamailio', argv, log);
  closeSync(log);
  const pids = () => family(child.pid ?? 0);
  try {
    await untilReady(
      child,
      async () => {
        if (pids().length < 4) throw new Error('not all its processes run');
      },
      () => readFileSync(join(directory, 'log'), 'utf8'),
    );
  } catch (thrown) {
    await endProcess(child, directory);
    throw thrown;
  }
  return {
    name: 'kamailio',
    address: { host: HOST, port },
    pids: pids(),
    stop: () => endProcess(child, directory),
  };
}
