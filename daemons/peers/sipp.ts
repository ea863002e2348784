// Runs sipp with a scenario of this folder and tells how its calls went.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SHORTHAND } from './sipp-words.ts';

const SCENARIOS = fileURLToPath(new URL('./scenarios/', import.meta.url));

/** False, or the reason to skip a test. */
export const noSipp: string | false =
  spawnSync('sipp', ['-v']).error === undefined ? false : 'sipp is not installed';

export interface SippOptions {
  /** A file of `scenarios/`, without its ending. */
  scenario: string;
  /** Local address and port, for SIP; RTP uses the same address. */
  local: { host: string; port: number };
  remote: { host: string; port: number };
  calls: number;
  /** Calls per second; 10 when left out. */
  rate?: number;
  transport?: 'udp' | 'tcp';
  /** Somebody speaks TLS for it, there: it has to use TCP, and names itself so. */
  tlsAt?: { host: string; port: number };
  /** The URI that it authenticates for, without its scheme: that of its requests, for a server that compares them. */
  authUri?: string;
  /** Words of the scenario, written `{name}` there. */
  words?: Record<string, string>;
  timeoutS?: number;
}

export interface SippResult {
  code: number | null;
  /** What went wrong, in sipp's words; empty when nothing did. */
  errors: string;
}

export interface SippRun {
  result: Promise<SippResult>;
  kill(): void;
}

export function runSipp(options: SippOptions): SippRun {
  const directory = mkdtempSync(join(tmpdir(), 'grec-sipp-'));
  const scenario = join(directory, 'scenario.xml');
  const errors = join(directory, 'errors.log');
  const text = fill(options.scenario, options.words ?? {});
  writeFileSync(scenario, options.tlsAt === undefined ? text : onTls(text, options.tlsAt));
  const { local, remote, calls, rate = 10, transport = 'udp', timeoutS = 120 } = options;
  const argv = [
    ...['-sf', scenario, '-i', local.host, '-mi', local.host, '-p', `${local.port}`],
    ...['-m', `${calls}`, '-r', `${rate}`, '-l', `${Math.max(calls, 10)}`],
    ...['-t', transport === 'tcp' ? 't1' : 'u1', '-timeout', `${timeoutS}`, '-timeout_error'],
    // OPTIONS, by which the switch asks whether a party is still there, is answered.
    ...['-trace_err', '-error_file', errors, '-nostdin', '-aa'],
    ...(options.authUri === undefined ? [] : ['-auth_uri', options.authUri]),
    `${remote.host}:${remote.port}`,
  ];
  const process = spawn('sipp', argv, { cwd: directory, stdio: 'ignore' });
  const result = once(process, 'close').then(([code]) => {
    const text = withoutWatchdog(readOptional(errors));
    rmSync(directory, { recursive: true, force: true });
    return { code: code as number | null, errors: text };
  });
  return { result, kill: () => void process.kill('SIGKILL') };
}

/** That sipp itself stood still for half a second, on a machine that was busy, is no word on what it saw. */
function withoutWatchdog(text: string): string {
  const [, ...events] = text.split('\n');
  const said = events.filter(
    (line) => line.trim() !== '' && !/Overload warning: the \w+ watchdog/.test(line),
  );
  return said.length === 0 ? '' : text;
}

function fill(name: string, words: Record<string, string>): string {
  let text = readFileSync(join(SCENARIOS, `${name}.xml`), 'utf8');
  for (const [word, value] of Object.entries({ ...SHORTHAND, ...words }))
    text = text.replaceAll(`{${word}}`, value);
  return text;
}

/** Its own addresses are those of who speaks for it. */
function onTls(scenario: string, { host, port }: { host: string; port: number }): string {
  return scenario
    .replaceAll(/\[local_ip\]:\[local_port\](;transport=\[transport\])?>/g, `${host}:${port};transport=tls>`)
    .replaceAll('[local_ip]:[local_port]', `${host}:${port}`)
    .replaceAll('[transport]', 'TLS');
}

function readOptional(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
