// TLS for peers that know none: socat speaks it for them, as client or as server, and passes on what is in it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestCertificate } from '../../src/testing/certificate.ts';

const WAIT_MS = 10_000;

/** False, or the reason to skip a test. */
export const noSocat: string | false =
  spawnSync('socat', ['-V']).error === undefined ? false : 'socat is not installed';

export interface Place {
  host: string;
  port: number;
}

export interface Socat {
  stop(): Promise<void>;
}

/** Takes TCP at `listen` and goes on by TLS from that host to `to`, whose certificate must be of this authority. */
export function tlsClient(listen: Place, to: Place, authority: TestCertificate): Promise<Socat> {
  return start(authority, ({ ca }) => [
    `TCP-LISTEN:${listen.port},bind=${listen.host},reuseaddr,fork`,
    `OPENSSL:${to.host}:${to.port},bind=${listen.host},cafile=${ca},verify=1`,
  ]);
}

/** Takes TLS at `listen`, with a certificate of this authority, and goes on by TCP. */
export function tlsServer(listen: Place, to: Place, authority: TestCertificate): Promise<Socat> {
  return start(authority.issue({ names: [listen.host] }), ({ own }) => [
    `OPENSSL-LISTEN:${listen.port},bind=${listen.host},reuseaddr,fork,cert=${own},verify=0`,
    `TCP:${to.host}:${to.port}`,
  ]);
}

async function start(
  { certificate, key }: TestCertificate,
  addresses: (files: { ca: string; own: string }) => [string, string],
): Promise<Socat> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-socat-'));
  const files = { ca: join(directory, 'ca.pem'), own: join(directory, 'own.pem') };
  writeFileSync(files.ca, certificate);
  writeFileSync(files.own, `${certificate}${key}`, { mode: 0o600 });
  const child = spawn('socat', ['-d', '-d', ...addresses(files)], { stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = once(child, 'close');
  const stop = async () => {
    child.kill('SIGTERM');
    await closed;
    rmSync(directory, { recursive: true, force: true });
  };
  let said = '';
  const listening = new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`socat does not listen:\n${said}`)), WAIT_MS);
    child.stderr.on('data', (chunk) => {
      said += chunk;
      if (!/ listening on /.test(said)) return;
      clearTimeout(limit);
      resolve();
    });
    void closed.then(() => reject(new Error(`socat has ended:\n${said}`)));
  });
  await listening.catch(async (thrown: unknown) => {
    await stop();
    throw thrown;
  });
  return { stop };
}
