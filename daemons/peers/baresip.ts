// A baresip with one account, driven over its ctrl_tcp module (netstrings of JSON).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Protocol } from '../../src/sip/user-agent.ts';

const MODULES = [
  '/usr/lib/baresip/modules',
  '/usr/lib64/baresip/modules',
  '/usr/local/lib/baresip/modules',
].find(existsSync);
const WAIT_MS = 20_000;
const CODECS = 'pcmu/8000/1';
/** Whose codecs are not those of g711. */
const MODULE_OF: Record<string, string | undefined> = {
  g722: 'g722',
  opus: 'opus',
  l16: 'l16',
  amr: 'amr',
  'amr-wb': 'amr',
  gsm: 'gsm',
  'g726-32': 'g726',
};

/** False, or the reason to skip a test. */
export const noBaresip: string | false =
  spawnSync('baresip', ['-h']).error === undefined && MODULES !== undefined
    ? false
    : 'baresip is not installed';

export interface BaresipOptions {
  number: string;
  password: string;
  registrar: { host: string; port: number };
  transport: Protocol;
  /** For TLS: the file of the authority that vouches for the registrar. */
  authority?: string;
  /** A mono WAV of 8 kHz that it speaks. */
  source: string;
  /** In its notation; `pcmu/8000/1` when left out. */
  codecs?: string;
  /** Whether it speaks SRTP: offered beside plain RTP, or nothing else. */
  srtp?: 'srtp' | 'srtp-mand';
  /** Its own numeric address. */
  host?: string;
  /** A folder for WAVs of what it hears (`dump-…-dec.wav`) and says, as its codec has them. */
  heard?: string;
}

interface BaresipEvent {
  type: string;
  param?: string;
}

export interface Baresip {
  /** Resolves with the first event of that type that has not been waited for. */
  event(type: string): Promise<BaresipEvent>;
  /** Calls a number at its registrar. */
  dial(number: string): void;
  hangUp(): void;
  /** Puts the other party on hold. */
  hold(): void;
  retrieve(): void;
  /** What it printed, for the message of a failed test. */
  output(): string;
  quit(): Promise<void>;
}

/** Starts one; it registers by itself and answers every call. */
export async function startBaresip(options: BaresipOptions): Promise<Baresip> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-baresip-'));
  const control = await freeTcpPort();
  writeFileSync(join(directory, 'config'), configuration(options, control));
  writeFileSync(join(directory, 'accounts'), account(options));
  writeFileSync(join(directory, 'contacts'), '');
  const process = spawn('baresip', ['-f', directory], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [process.stdout, process.stderr]) stream.on('data', (chunk) => (printed += chunk));
  const socket = await dial(control, process);
  const events = new Events(() => printed);
  readNetstrings(socket, (text) => events.take(text));
  return {
    event: (type) => events.next(type),
    dial: (number) =>
      send(socket, 'dial', `sip:${number}@${options.registrar.host}:${options.registrar.port}`),
    hangUp: () => send(socket, 'hangup', ''),
    hold: () => send(socket, 'hold', ''),
    retrieve: () => send(socket, 'resume', ''),
    output: () => printed,
    quit: async () => {
      const gone = new Promise((resolve) => process.once('close', resolve));
      socket.destroy();
      // baresip unregisters and ends at SIGTERM.
      process.kill('SIGTERM');
      const limit = setTimeout(() => process.kill('SIGKILL'), 5000);
      await gone;
      clearTimeout(limit);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function send(socket: Socket, command: string, params: string): void {
  const text = JSON.stringify({ command, params });
  socket.write(`${Buffer.byteLength(text)}:${text},`);
}

function configuration(options: BaresipOptions, control: number): string {
  const { source, host = '127.0.0.1', authority, heard } = options;
  const trust = authority === undefined ? '' : `sip_cafile ${authority}\nsip_verify_server yes`;
  return `
poll_method epoll
sip_listen ${host.includes(':') ? `[${host}]` : host}:0
net_interface ${host}
${trust}
audio_source aufile,${source}
ausrc_srate 8000
ausrc_channels 1
audio_level no
audio_buffer 20-160
rtp_tos 184
rtp_ports 20000-29998
module_path ${MODULES}
${modulesOf(options).join('\n')}
module aufile.so
${heard === undefined ? '' : `module sndfile.so\nsnd_path ${heard}`}
module srtp.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:${control}
`;
}

/** Those that have its codecs. */
function modulesOf({ codecs = CODECS }: BaresipOptions): string[] {
  const names = codecs.split(',').map((codec) => MODULE_OF[codec.split('/')[0]?.toLowerCase() ?? '']);
  return [...new Set(names)].map((name) => `module ${name ?? 'g711'}.so`);
}

function account(options: BaresipOptions): string {
  const { number, password, registrar, transport, codecs = CODECS, srtp } = options;
  const encryption = srtp === undefined ? '' : `;mediaenc=${srtp}`;
  const { host, port } = registrar;
  return `<sip:${number}@${host}:${port};transport=${transport}>;auth_pass=${password};answermode=auto;regint=120;audio_codecs=${codecs}${encryption}\n`;
}

class Events {
  readonly #waiting: { type: string; resolve: (event: BaresipEvent) => void }[] = [];
  #seen: BaresipEvent[] = [];
  readonly #printed: () => string;

  constructor(printed: () => string) {
    this.#printed = printed;
  }

  take(text: string): void {
    const event = JSON.parse(text) as BaresipEvent & { event?: boolean };
    if (event.event !== true) return;
    const index = this.#waiting.findIndex(({ type }) => type === event.type);
    if (index === -1) this.#seen.push(event);
    else this.#waiting.splice(index, 1)[0]?.resolve(event);
  }

  next(type: string): Promise<BaresipEvent> {
    const seen = this.#seen.find((event) => event.type === type);
    if (seen !== undefined) {
      this.#seen = this.#seen.filter((event) => event !== seen);
      return Promise.resolve(seen);
    }
    return new Promise((resolve, reject) => {
      const limit = setTimeout(
        () =>
          reject(
            new Error(`baresip told no ${type} within ${WAIT_MS / 1000} s:\n${this.#printed().slice(-3000)}`),
          ),
        WAIT_MS,
      );
      this.#waiting.push({
        type,
        resolve: (event) => {
          clearTimeout(limit);
          resolve(event);
        },
      });
    });
  }
}

function readNetstrings(socket: Socket, take: (text: string) => void): void {
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const colon = rest.indexOf(':');
      const length = Number(rest.toString('latin1', 0, Math.max(colon, 0)));
      if (colon < 1 || rest.length < colon + 1 + length + 1) return;
      take(rest.toString('utf8', colon + 1, colon + 1 + length));
      rest = rest.subarray(colon + length + 2);
    }
  });
  socket.on('error', () => undefined);
}

/** Its control port opens a moment after it starts. */
async function dial(port: number, process: ChildProcess): Promise<Socket> {
  const limit = performance.now() + WAIT_MS;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (open) return socket;
    if (process.exitCode !== null) throw new Error(`baresip ended with status ${process.exitCode}`);
    if (performance.now() > limit) throw new Error('baresip did not open its control port');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function freeTcpPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
