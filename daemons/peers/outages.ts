// Ends daemons of an installation as a crash does, and starts them again.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type DaemonsRunning, startDaemons } from '../../src/cli/daemons-runner.ts';
import type { DaemonName } from '../../src/config.ts';
import type { Installation } from './installation.ts';

const DAEMONS = fileURLToPath(new URL('..', import.meta.url));

export function anySeed(): number {
  return randomBytes(4).readUInt32LE();
}

/** Kills and starts the daemons of one installation. `end` must be called before the installation is stopped. */
export class Outages {
  readonly #installation: Installation;
  readonly #lives = new Map<DaemonName, DaemonsRunning>();

  constructor(installation: Installation) {
    this.#installation = installation;
  }

  /** Ends a daemon as SIGKILL does; resolves when its process is gone. */
  async kill(name: DaemonName): Promise<void> {
    const child = (this.#lives.get(name) ?? this.#installation.daemons).processes.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Starts a daemon that was killed; resolves when it answers. */
  async start(name: DaemonName): Promise<void> {
    await this.launch(name).ready;
  }

  /** The same without waiting. */
  launch(name: DaemonName): DaemonsRunning {
    const { configFile, log } = this.#installation;
    const onLine = (from: string, line: string) => void log.push(`${from}: ${line}`);
    const life = startDaemons({ daemonsDirectory: DAEMONS, configFile, names: [name], onLine });
    this.#lives.set(name, life);
    return life;
  }

  async end(): Promise<void> {
    for (const life of this.#lives.values()) await life.stop();
  }
}
