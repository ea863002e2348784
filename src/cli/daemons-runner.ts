// Runs the daemons as child processes: `grec up` and `grec demo` stand on it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Config, loadConfig } from '../config.ts';
import { askDaemon, type DaemonName, socketOf } from '../control.ts';
import { GrecError } from '../errors.ts';

/** In the order in which they stop: nobody asks any more, no new call, then no media, then the last recordings are finished. */
export const DAEMON_NAMES: readonly DaemonName[] = ['grec-webd', 'grec-sipd', 'grec-mediad', 'grec-procd'];

/** Those that an installation has: with an rtpengine as media server, none of ours; Web Services where they are configured. */
export function daemonsOf({ media, web }: Pick<Config, 'media' | 'web'>): readonly DaemonName[] {
  const absent = [media.engine === 'grec' ? '' : 'grec-mediad', web.enabled ? '' : 'grec-webd'];
  return DAEMON_NAMES.filter((name) => !absent.includes(name));
}

/** How often a starting daemon is asked whether it is ready, in milliseconds. */
const POLL_MS = 40;
const READY_LIMIT_MS = 30_000;
/** A daemon ends itself after 20 s of draining; one that hangs beyond that is killed. */
const STOP_LIMIT_MS = 25_000;

export interface DaemonsOptions {
  /** The folder of `grec-sipd.js` and the others (`.ts` when this file runs from source). */
  daemonsDirectory: string;
  /** For `--config`; undefined for the configuration that is found without it. */
  configFile: string | undefined;
  /** One line that a daemon wrote, without its newline. */
  onLine(name: DaemonName, line: string): void;
  /** By default all that the configuration has. */
  names?: readonly DaemonName[];
}

/** How a daemon's process ended: exit status or signal; `error` when it could not even be started. */
export interface DaemonEnd {
  name: DaemonName;
  code: number | null;
  signal: NodeJS.Signals | null;
  error?: string;
}

export interface DaemonsRunning {
  /** Resolves when every control socket answers; rejects with DAEMON_ENDED when one ends or stays silent. */
  ready: Promise<void>;
  /** Resolves with the first daemon that ends without having been stopped. */
  died: Promise<DaemonEnd>;
  processes: ReadonlyMap<DaemonName, ChildProcess>;
  /** Stops one after the other and waits for each (SIGTERM, SIGKILL after 25 s). May be called twice. */
  stop(): Promise<DaemonEnd[]>;
  /** Ends all at once, without draining. */
  kill(): void;
}

/**
 * Starts the daemons. Each has a process group of its own, so that Ctrl-C on the terminal reaches only the caller, who
 * then stops them in order; and an IPC channel, whose end tells them that the caller is gone.
 * @throws GrecError CONFIG_INVALID, CONFIG_UNREADABLE
 */
export function startDaemons(options: DaemonsOptions): DaemonsRunning {
  const config = loadConfig({ file: options.configFile });
  const wanted = options.names ?? daemonsOf(config);
  const names = DAEMON_NAMES.filter((name) => wanted.includes(name));
  const children = names.map((name) => new DaemonChild(name, options));
  let stopping: Promise<DaemonEnd[]> | undefined;
  const died = new Promise<DaemonEnd>((resolve) => {
    for (const child of children) void child.ended.then((end) => stopping === undefined && resolve(end));
  });
  const ready = Promise.all(children.map((child) => child.untilReady(config))).then(() => undefined);
  // A caller that only waits for `died` must not be ended by this rejection.
  ready.catch(() => undefined);
  return {
    ready,
    died,
    processes: new Map(children.map((child) => [child.name, child.process])),
    stop: () => {
      stopping ??= stopInOrder(children, config);
      return stopping;
    },
    kill: () => {
      for (const child of children) child.process.kill('SIGKILL');
    },
  };
}

/** What became of a daemon, in words. */
export function describeEnd({ name, code, signal, error }: DaemonEnd): string {
  if (error !== undefined) return `${name} could not be started: ${error}`;
  return signal === null ? `${name} ended with status ${code}` : `${name} was ended by ${signal}`;
}

async function stopInOrder(children: DaemonChild[], config: Config): Promise<DaemonEnd[]> {
  const ends: DaemonEnd[] = [];
  for (const child of children) ends.push(await child.stop(config));
  return ends;
}

class DaemonChild {
  readonly name: DaemonName;
  readonly process: ChildProcess;
  readonly ended: Promise<DaemonEnd>;
  private end: DaemonEnd | undefined;

  constructor(name: DaemonName, { daemonsDirectory, configFile, onLine }: DaemonsOptions) {
    this.name = name;
    const program = join(daemonsDirectory, `${name}${extname(fileURLToPath(import.meta.url))}`);
    const argv = configFile === undefined ? [] : ['--config', configFile];
    this.process = spawn(process.execPath, [program, ...argv], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => onLine(name, line));
    }
    this.ended = this.untilEnded();
  }

  private async untilEnded(): Promise<DaemonEnd> {
    try {
      // `close`, not `exit`: its last lines say why it ended.
      const [code, signal] = (await once(this.process, 'close')) as [number | null, NodeJS.Signals | null];
      this.end = { name: this.name, code, signal };
    } catch (thrown) {
      this.end = { name: this.name, code: null, signal: null, error: String(thrown) };
    }
    return this.end;
  }

  /** Asks the control socket until this very process answers: another one may already hold the socket. */
  async untilReady(config: Config): Promise<void> {
    const limit = performance.now() + READY_LIMIT_MS;
    while (!(await this.answers(config))) {
      if (this.end !== undefined) throw notReady(`${describeEnd(this.end)} before it was ready`);
      if (performance.now() > limit)
        throw notReady(`${this.name} was not ready within ${READY_LIMIT_MS / 1000} s`);
      await Promise.race([this.ended, new Promise((resolve) => setTimeout(resolve, POLL_MS))]);
    }
  }

  private async answers(config: Config): Promise<boolean> {
    try {
      const { pid } = await askDaemon<{ pid?: number }>(
        this.name,
        socketOf(config, this.name),
        'GET',
        '/status',
      );
      return pid === this.process.pid;
    } catch {
      return false;
    }
  }

  async stop(config: Config): Promise<DaemonEnd> {
    if (this.name === 'grec-procd') await this.catchUp(config);
    this.process.kill('SIGTERM');
    const limit = setTimeout(() => this.process.kill('SIGKILL'), STOP_LIMIT_MS);
    const end = await this.ended;
    clearTimeout(limit);
    return end;
  }

  /** The processor finishes what the others have just handed over; what it cannot waits for the next start. */
  private async catchUp(config: Config): Promise<void> {
    const work = askDaemon(this.name, socketOf(config, this.name), 'POST', '/sync').catch(() => undefined);
    await Promise.race([work, this.ended]);
  }
}

function notReady(message: string): GrecError {
  return new GrecError('DAEMON_ENDED', message, {
    hint: 'what it wrote before says why; `grec status` shows what runs already',
  });
}
