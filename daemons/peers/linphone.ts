// A linphonec (linphone-cli) with one account, driven as a person would: commands in, what it prints out.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './installation.ts';

const WAIT_MS = 20_000;
const QUIT_MS = 5000;

/** False, or the reason to skip a test. */
export const noLinphone: string | false =
  spawnSync('linphonec', ['-v']).error === undefined ? false : 'linphone-cli is not installed';

export interface LinphoneOptions {
  number: string;
  password: string;
  registrar: { host: string; port: number };
  transport: 'udp' | 'tcp';
  /** It speaks SRTP, and nothing else. */
  srtp?: boolean;
  /** A mono WAV that it speaks, over and over. */
  source: string;
}

export interface Linphone {
  /** What a person would type, such as `call 7001`, `pause`, `resume`, `terminate`. */
  say(command: string): void;
  /** Resolves as soon as it has printed that, after what was waited for last. */
  prints(pattern: RegExp): Promise<void>;
  /** Resolves when its media runs: once for each call, and each time that it is retrieved. */
  speaks(): Promise<void>;
  quit(): Promise<void>;
}

/** Starts one; it registers by itself and answers every call. */
export async function startLinphone(options: LinphoneOptions): Promise<Linphone> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-linphone-'));
  // Without a place for its database it does not even open its ports.
  mkdirSync(join(directory, '.local', 'share', 'linphone'), { recursive: true });
  const configuration = join(directory, 'linphonerc');
  writeFileSync(configuration, await configure(options));
  // In a home of its own; `-S` has it print the states of registration and calls, `-a` answer.
  const argv = ['-u', 'XDG_DATA_HOME', '-u', 'XDG_CONFIG_HOME', `HOME=${directory}`, 'linphonec'];
  const child = spawn('env', [...argv, '-c', configuration, '-S', '-a'], { cwd: directory });
  const output = new Output();
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.take(chunk));
  child.stdin.on('error', () => undefined);
  const say = (command: string) => void child.stdin.write(`${command}\n`);
  const { number, password, registrar, transport, source } = options;
  const server = `${registrar.host}:${registrar.port}`;
  say('soundcard use files');
  say(`play ${source}`);
  say(`register sip:${number}@${server} sip:${server};transport=${transport} ${password}`);
  return {
    say,
    prints: (pattern) => output.next(pattern),
    speaks: () => output.next(/Media streams established/),
    quit: async () => {
      const gone = new Promise((resolve) => child.once('close', resolve));
      say('quit');
      const limit = setTimeout(() => child.kill('SIGKILL'), QUIT_MS);
      if (child.exitCode === null && child.signalCode === null) await gone;
      clearTimeout(limit);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function configure({ transport, srtp = false }: LinphoneOptions): Promise<string> {
  const port = await freePort();
  return `
[sip]
sip_port=${transport === 'udp' ? port : 0}
sip_tcp_port=${transport === 'tcp' ? port : 0}
sip_tls_port=0
bind_address=127.0.0.1
use_ipv6=0
${srtp ? 'media_encryption=srtp\nmedia_encryption_mandatory=1' : ''}
[net]
dns_srv_enabled=0
[rtp]
audio_rtp_port=20000-29998
`;
}

class Output {
  #text = '';
  /** What was waited for stands before this place. */
  #at = 0;
  #waiting: (() => void) | undefined;

  take(chunk: Buffer): void {
    this.#text += chunk.toString('utf8');
    this.#waiting?.();
  }

  next(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        this.#waiting = undefined;
        reject(
          new Error(`linphonec has not printed ${pattern} in ${WAIT_MS} ms:\n${this.#text.slice(-2000)}`),
        );
      }, WAIT_MS);
      this.#waiting = () => {
        const found = pattern.exec(this.#text.slice(this.#at));
        if (found === null) return;
        this.#at += found.index + found[0].length;
        this.#waiting = undefined;
        clearTimeout(limit);
        resolve();
      };
      this.#waiting();
    });
  }
}
