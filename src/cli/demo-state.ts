// The state of one `grec demo`: a directory of its own, with a configuration on ports that are free.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Config, loadConfig } from '../config.ts';
import { GrecError, messageOf } from '../errors.ts';

const HOST = '127.0.0.1';
/** One call takes four ports; the rest is room. */
const MEDIA_PORTS = 20;
/** SIP, ng, then the media range from an even port on. */
const BLOCK = 2 + MEDIA_PORTS;
/** Below what systems hand out by themselves, so that nothing takes a port between its test and its use. */
const LOWEST_PORT = 20_000;
const HIGHEST_PORT = 32_000;
const ATTEMPTS = 100;

export interface DemoState {
  directory: string;
  configFile: string;
  logFile: string;
  config: Config;
}

/**
 * Makes the directory and writes its configuration.
 * @param keep the directory, which must be empty or not exist yet; by default a new temporary one
 * @throws GrecError FILE_EXISTS, STATE_UNUSABLE, PORTS_EXHAUSTED
 */
export async function prepareState(keep: string | undefined): Promise<DemoState> {
  const directory = makeDirectory(keep);
  const configFile = join(directory, 'grec.toml');
  const first = await findFreePorts();
  writeFileSync(configFile, configText(first));
  return {
    directory,
    configFile,
    logFile: join(directory, 'daemons.log'),
    config: loadConfig({ file: configFile }),
  };
}

function makeDirectory(keep: string | undefined): string {
  if (keep === undefined) return mkdtempSync(join(tmpdir(), 'grec-demo-'));
  const directory = resolve(keep);
  let entries: string[];
  try {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    entries = readdirSync(directory);
  } catch (thrown) {
    throw new GrecError('STATE_UNUSABLE', `cannot use ${directory}: ${messageOf(thrown)}`, {
      hint: 'name a directory that you may write, or leave --keep out',
      cause: thrown,
    });
  }
  if (entries.length === 0) return directory;
  throw new GrecError('FILE_EXISTS', `${directory} is not empty`, {
    hint: 'the demonstration begins with a fresh state: name a new or empty directory with --keep',
  });
}

function configText(firstPort: number): string {
  const ng = firstPort + 1;
  const media = firstPort + 2;
  return `# One \`grec demo\`: its daemons, on loopback, on ports that were free. The directory may be removed at any time.
[state]
directory = "."

[log]
format = "json"

[sip]
listen = ["udp:${HOST}:${firstPort}", "tcp:${HOST}:${firstPort}"]

[media]
server = "${HOST}:${ng}"

[mediad]
ng = "${HOST}:${ng}"
address = "${HOST}"
ports = "${media}-${media + MEDIA_PORTS - 1}"
`;
}

/** The first of a block of free ports; even. */
async function findFreePorts(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const span = (HIGHEST_PORT - LOWEST_PORT - BLOCK) / 2;
    const first = LOWEST_PORT + 2 * Math.floor(Math.random() * span);
    if (await isFreeBlock(first)) return first;
  }
  throw new GrecError('PORTS_EXHAUSTED', `no ${BLOCK} neighbouring ports are free on ${HOST}`, {
    hint: `the demonstration looks for them between ${LOWEST_PORT} and ${HIGHEST_PORT}`,
  });
}

async function isFreeBlock(first: number): Promise<boolean> {
  const ports = Array.from({ length: BLOCK }, (_, index) => first + index);
  const tests = await Promise.all([isFreeTcp(first), ...ports.map(isFreeUdp)]);
  return tests.every(Boolean);
}

async function isFreeUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    const listening = once(socket, 'listening');
    socket.bind(port, HOST);
    await listening;
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

async function isFreeTcp(port: number): Promise<boolean> {
  const server = createServer();
  try {
    const listening = once(server, 'listening');
    server.listen(port, HOST);
    await listening;
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
