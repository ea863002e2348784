// A Kamailio with a configuration of this folder's kamailio/, and what passed through it.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestCertificate } from '../../src/testing/certificate.ts';
import { freePort } from './installation.ts';

const READY_MS = 20_000;
const ASK_EVERY_MS = 100;

/** False, or the reason to skip a test. */
export const noKamailio: string | false =
  spawnSync('kamailio', ['-v']).error === undefined ? false : 'kamailio is not installed';

export interface KamailioOptions {
  /** A file of `kamailio/`, without its ending. */
  configuration: string;
  /** Its own numeric address; 127.0.0.1 when left out. */
  host?: string;
  /** A free one when left out. */
  port?: number;
  /** Words of the configuration, written `{name}` there. */
  words: Record<string, string>;
  /** It speaks TLS too, on another port, with a certificate of this authority: it asks others for one of that, too. */
  authority?: TestCertificate;
}

/** A request on its way through it. */
export interface PassedRequest {
  method: string;
  callId: string;
  /** How it came: `udp`, `tcp`. */
  protocol: string;
  uri: string;
}

export interface Kamailio {
  host: string;
  port: number;
  /** Where it speaks TLS, if it does. */
  tlsPort: number | undefined;
  /** In the order in which they came; retransmissions too. */
  passed: readonly PassedRequest[];
  stop(): Promise<void>;
}

/** Starts one, on UDP and TCP; it takes requests when this resolves. */
export async function startKamailio(options: KamailioOptions): Promise<Kamailio> {
  const { host = '127.0.0.1' } = options;
  const port = options.port ?? (await freePort(host));
  const directory = mkdtempSync(join(tmpdir(), 'grec-kamailio-'));
  const file = join(directory, 'kamailio.cfg');
  const { authority, words } = options;
  const tlsPort = authority && (await freePort(host));
  const tls =
    authority === undefined
      ? ''
      : speakTls(directory, `${host}:${tlsPort}`, authority.issue({ names: [host] }), authority);
  writeFileSync(file, fill(options.configuration, { ...words, tls, host, listen: `${host}:${port}` }));
  const argv = ['-f', file, '-DD', '-E', '-m', '64', '-M', '8', '-w', directory, '-Y', directory];
  const child = spawn('kamailio', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = once(child, 'close');
  const passed: PassedRequest[] = [];
  const printed: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    const [, method, callId, protocol, uri] = /PASSED (\S+) (\S+) (\S+) (\S+)/.exec(line) ?? [];
    if (method && callId && protocol && uri) passed.push({ method, callId, protocol, uri });
    else printed.push(line);
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await closed;
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await untilItAnswers(host, port, () => child.exitCode === null);
  } catch (thrown) {
    await stop();
    throw new Error(`${String(thrown)}\n${printed.slice(-20).join('\n')}`);
  }
  return { host, port, tlsPort, passed, stop };
}

/** The lines of configuration for it. */
function speakTls(
  directory: string,
  listen: string,
  own: TestCertificate,
  { certificate: ca }: TestCertificate,
): string {
  const files = { certificate: own.certificate, private_key: own.key, ca_list: ca };
  const given = Object.entries(files).map(([name, text]) => {
    const file = join(directory, `${name}.pem`);
    writeFileSync(file, text, { mode: 0o600 });
    return `modparam("tls", "${name}", "${file}")`;
  });
  return [
    ...['enable_tls=yes', `listen=tls:${listen}`, 'loadmodule "tls.so"', ...given],
    ...['modparam("tls", "verify_certificate", 1)', 'modparam("tls", "tls_method", "TLSv1.2+")'],
  ].join('\n');
}

function fill(name: string, words: Record<string, string>): string {
  let text = readFileSync(new URL(`./kamailio/${name}.cfg`, import.meta.url), 'utf8');
  for (const [word, value] of Object.entries(words)) text = text.replaceAll(`{${word}}`, value);
  return text;
}

/** Its sockets are bound before its workers read: the first answer tells. */
async function untilItAnswers(host: string, port: number, isAlive: () => boolean): Promise<void> {
  const socket = createSocket('udp4');
  try {
    const answered = once(socket, 'message').then(() => true);
    await new Promise<void>((resolve) => socket.bind(0, host, resolve));
    const limit = performance.now() + READY_MS;
    while (isAlive() && performance.now() < limit) {
      socket.send(optionsRequest(host, socket.address().port, port), port, host);
      const pause = new Promise<false>((resolve) => setTimeout(() => resolve(false), ASK_EVERY_MS));
      if (await Promise.race([answered, pause])) return;
    }
    throw new Error(isAlive() ? 'kamailio does not answer' : 'kamailio has ended');
  } finally {
    socket.close();
  }
}

function optionsRequest(host: string, from: number, to: number): string {
  return [
    `OPTIONS sip:${host}:${to} SIP/2.0`,
    `Via: SIP/2.0/UDP ${host}:${from};branch=z9hG4bK-ready`,
    `From: <sip:ready@${host}:${from}>;tag=ready`,
    `To: <sip:${host}:${to}>`,
    'Call-ID: ready',
    'CSeq: 1 OPTIONS',
    'Max-Forwards: 70',
    'Content-Length: 0\r\n\r\n',
  ].join('\r\n');
}
