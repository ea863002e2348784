// A grec of its own for one test: fresh state, free ports, the three real daemons.
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCatalogReader } from '../../src/catalog/catalog.ts';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { type DaemonsRunning, startDaemons } from '../../src/cli/daemons-runner.ts';
import { type Config, type DaemonName, loadConfig, socketOf } from '../../src/config.ts';
import { askDaemon } from '../../src/control.ts';
import type { SrtpWord } from '../../src/dn-settings.ts';
import { requireValidDocuments } from '../../src/testing/archived-documents.ts';
import { makeCertificate, type TestCertificate } from '../../src/testing/certificate.ts';

const DAEMONS = dirname(dirname(fileURLToPath(import.meta.url)));
const WAIT_MS = 60_000;
const POLL_MS = 50;

export interface InstallationOptions {
  /** More TOML: tables other than [state], [sip], [media], [mediad]. */
  toml?: string;
  /** The keys of [index]; none of its recordings is transcribed when left out. */
  index?: string;
  /** Where its switch listens; 127.0.0.1 when left out. */
  host?: string;
  /** Its port; a free one when left out. */
  port?: number;
  /** Algorithms of digest; the switch's own when left out. */
  digest?: string[];
  /** More lines of [sip]. */
  sip?: string;
  /** Listens on TLS too, with a certificate of its own authority. */
  tls?: boolean;
  /** More addresses to listen on, by UDP and TCP (and TLS). */
  alsoOn?: readonly string[];
  /** Lines of [media], in place of the address of its own media server. */
  media?: string;
  /** More lines of [mediad]. */
  mediad?: string;
  /** UDP ports that the media server may use: four a call. */
  mediaPorts?: number;
  /** Called with its directory (the state goes into `state/` there) before the daemons start. */
  prepare?(directory: string): void;
}

export interface DnSettings {
  record?: boolean;
  name?: string;
  srtp?: SrtpWord;
}

export interface Installation {
  config: Config;
  configFile: string;
  sip: { host: string; port: number };
  /** The port of TLS, and who vouches for its certificate. */
  tls: { port: number; authority: TestCertificate };
  daemons: DaemonsRunning;
  /** What the daemons logged, for the message of a failed test. */
  log: string[];
  ask<T>(
    daemon: DaemonName,
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<T>;
  addDn(number: string, password: string, settings?: DnSettings): Promise<void>;
  /** Asks until there is an answer; rejects after a minute with what the daemons logged. */
  until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T>;
  /** A line that a daemon has logged, or is about to: it comes by another way than what it answers. */
  logged(pattern: RegExp): Promise<string>;
  /** Resolves when a phone has registered as that DN. */
  registered(number: string): Promise<void>;
  /** Resolves with all recordings as soon as there are `count`. */
  recordings(count: number): Promise<RecordingRow[]>;
  stop(): Promise<void>;
}

/** Starts one; `stop` must be called. */
export async function install(options: InstallationOptions = {}): Promise<Installation> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-peers-'));
  const { host = '127.0.0.1' } = options;
  const [sipPort, ngPort, tlsPort] = await Promise.all([
    options.port ?? freePort(host),
    freePort(),
    freePort(),
  ]);
  const authority = makeCertificate({ name: 'authority', names: [] });
  const first = await freeRange(options.mediaPorts ?? 200);
  const configFile = join(directory, 'grec.toml');
  const last = first + (options.mediaPorts ?? 200) - 1;
  writeFileSync(configFile, toml({ sipPort, ngPort, tlsPort }, `${first}-${last}`, options));
  if (options.tls) writeCertificate(directory, authority.issue(), authority);
  const config = loadConfig({ file: configFile });
  options.prepare?.(directory);
  const log: string[] = [];
  const daemons = startDaemons({
    daemonsDirectory: DAEMONS,
    configFile,
    onLine: (name, line) => void log.push(`${name}: ${line}`),
  });
  const ask: Installation['ask'] = (daemon, method, path, body) =>
    askDaemon(daemon, socketOf(config, daemon), method, path, body);
  const stop = async () => {
    await daemons.stop();
    try {
      requireValidDocuments(config.paths.archive);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  try {
    await daemons.ready;
  } catch (thrown) {
    await stop();
    throw new Error(`${String(thrown)}\n${log.join('\n')}`);
  }
  return {
    config,
    configFile,
    sip: { host, port: sipPort },
    tls: { port: tlsPort, authority },
    daemons,
    log,
    ask,
    addDn: async (number, password, settings = {}) => {
      await ask('grec-sipd', 'PUT', `/dns/${number}`, { create: true, password, settings });
    },
    until: (what, ask) => until(what, log, ask),
    logged: (pattern) =>
      until(`${pattern} is logged`, log, async () => log.find((line) => pattern.test(line))),
    registered: async (number) => {
      await until(`${number} registers`, log, async () => {
        const dn = await ask<{ registrations: unknown[] }>('grec-sipd', 'GET', `/dns/${number}`);
        return dn.registrations.length > 0 ? true : undefined;
      });
    },
    recordings: (count) => untilRecorded(config, count, log),
    stop,
  };
}

/** Puts a certificate where the installation in this directory looks for it. */
export function writeCertificate(
  directory: string,
  { certificate, key }: Pick<TestCertificate, 'certificate' | 'key'>,
  authority: TestCertificate,
): void {
  writeFileSync(join(directory, 'chain.pem'), certificate);
  writeFileSync(join(directory, 'key.pem'), key, { mode: 0o600 });
  writeFileSync(join(directory, 'ca.pem'), authority.certificate);
}

const TLS = `[sip.tls]
certificate = "chain.pem"
key = "key.pem"
ca = "ca.pem"`;

function toml(
  { sipPort, ngPort, tlsPort }: Record<'sipPort' | 'ngPort' | 'tlsPort', number>,
  ports: string,
  options: InstallationOptions,
): string {
  const listen = [options.host ?? '127.0.0.1', ...(options.alsoOn ?? [])].flatMap((address) => {
    const host = address.includes(':') ? `[${address}]` : address;
    const plain = [`udp:${host}:${sipPort}`, `tcp:${host}:${sipPort}`];
    return options.tls ? [...plain, `tls:${host}:${tlsPort}`] : plain;
  });
  return `
[state]
directory = "state"
[log]
format = "json"
[sip]
listen = ${JSON.stringify(listen)}
${options.digest === undefined ? '' : `digest = ${JSON.stringify(options.digest)}`}
${options.sip ?? ''}
${options.tls ? TLS : ''}
[media]
${options.media ?? `server = "127.0.0.1:${ngPort}"`}
[mediad]
ng = "127.0.0.1:${ngPort}"
ports = "${ports}"
${options.mediad ?? ''}
[index]
${options.index ?? 'transcriber = "none"'}
${options.toml ?? ''}`;
}

async function untilRecorded(config: Config, count: number, log: string[]): Promise<RecordingRow[]> {
  const catalog = openCatalogReader(config.paths.catalog);
  try {
    return await until(`${count} recordings are listed`, log, async () => {
      const rows = catalog.list({ limit: count + 100 });
      return rows.length < count ? undefined : rows;
    });
  } finally {
    catalog.close();
  }
}

/** Asks until there is an answer. */
async function until<T>(what: string, log: string[], ask: () => Promise<T | undefined>): Promise<T> {
  const limit = performance.now() + WAIT_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > limit)
      throw new Error(`waited in vain until ${what}\n${log.slice(-40).join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The first two channels of a 16-bit WAV file with a 44-byte header. */
export function readChannels(file: string): [Int16Array, Int16Array] {
  const [left = new Int16Array(), right = new Int16Array()] = readAllChannels(file);
  return [left, right];
}

/** The same with all channels. */
export function readAllChannels(file: string): Int16Array[] {
  const bytes = readFileSync(file);
  const count = bytes.readUInt16LE(22);
  const samples = new Int16Array(bytes.buffer, bytes.byteOffset + 44, (bytes.length - 44) >> 1);
  return Array.from({ length: count }, (_, channel) =>
    Int16Array.from({ length: samples.length / count }, (__, frame) => samples[frame * count + channel] ?? 0),
  );
}

/** Below the ephemeral ports and those of media, so that no other socket of the machine is given one of them by chance. */
const FIRST_PORT = 5200;
const PORTS = 4800;
/** Tests run side by side, each in a process of its own, and each process begins elsewhere. */
let nextPort = (process.pid * 37) % PORTS;

/** A port that is free on loopback, for UDP and TCP. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + (nextPort++ % PORTS);
    if ((await isFreeForUdp(port, host)) && (await isFreeForTcp(port, host))) return port;
  }
}

async function isFreeForUdp(port: number, host: string): Promise<boolean> {
  const socket = createSocket('udp4');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('error', () => resolve(false));
  socket.bind({ port, address: host, exclusive: true }, () => resolve(true));
  const isFree = await promise;
  socket.close();
  return isFree;
}

async function isFreeForTcp(port: number, host: string): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('error', () => resolve(false));
  server.listen({ port, host, exclusive: true }, () => resolve(true));
  const isFree = await promise;
  server.close();
  return isFree;
}

/** The first port of a range below the ephemeral ones that tests running side by side are unlikely to share. */
async function freeRange(count: number): Promise<number> {
  const slots = Math.floor((32_000 - 10_000) / count);
  return 10_000 + Math.floor(Math.random() * slots) * count;
}
