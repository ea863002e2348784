// The life of a daemon: lock, start, ready signal, reload on SIGHUP, drain on SIGTERM and SIGINT.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import Database from 'better-sqlite3';
import { Alarms } from './alarms/alarms.ts';
import { type Config, type DaemonName, loadConfig, socketOf } from './config.ts';
import { type ControlRoutes, serveControl } from './control.ts';
import { GrecError, messageOf } from './errors.ts';
import { type AlarmLine, createLogger, type Logger } from './log.ts';
import { VERSION } from './version.ts';

export { type DaemonName, socketOf } from './config.ts';

/** A daemon that has started. */
export interface RunningDaemon {
  /** Routes for the control socket; `GET /status` is added from {@link status}. */
  routes?: ControlRoutes;
  /** What `grec status` shows of this daemon, as JSON. */
  status(): Record<string, unknown> | Promise<Record<string, unknown>>;
  /** SIGHUP: take over what can change without a restart. */
  reload?(config: Config): void | Promise<void>;
  /** SIGTERM: finish what is under way, release everything. */
  stop(): Promise<void>;
}

export interface DaemonContext {
  config: Config;
  log: Logger;
}

/** How long a daemon may take to drain before it is ended all the same, in milliseconds. */
const DRAIN_LIMIT_MS = 20_000;

/**
 * Runs one daemon until it is told to stop; sets the exit status. Mistakes that an operator can mend are printed in
 * one line with a hint and end with status 78 (EX_CONFIG) for the configuration, 1 otherwise.
 * @param argv arguments after the program's name: `--config FILE`
 */
export async function runDaemon(
  name: DaemonName,
  argv: readonly string[],
  start: (context: DaemonContext) => Promise<RunningDaemon>,
): Promise<void> {
  limitHeap(name);
  let log: Logger | undefined;
  try {
    const file = readArguments(name, argv);
    if (file === null) return;
    const config = loadConfig({ file });
    const alarms = new Alarms(name);
    const onAlarm = (line: AlarmLine) => alarms.take(line);
    log = createLogger({ name, level: config.log.level, readable: readable(config), onAlarm });
    await alarms.use(config, log);
    await serve({ name, file, config, log, alarms }, start).finally(() => alarms.close());
  } catch (thrown) {
    report(name, thrown, log);
    process.exitCode = thrown instanceof GrecError && thrown.code.startsWith('CONFIG') ? 78 : 1;
  }
}

/**
 * A daemon keeps little and lets go of much: left alone, V8 lets such a heap grow to several times what lives in it before it
 * collects, and a daemon's resident size says nothing. Half as much again is enough; it costs a few percent of a core's time.
 *
 * In grec-sipd, whose calls are garbage by the time they are over, it costs a tenth or more: it may grow to twice what lives in it, for each
 * collection goes through all calls of the last half minute. Its young generation stays as it is for the sake of the pauses: one that V8
 * enlarges as it likes takes 50 ms and more to collect, this one mostly less than 20.
 */
function limitHeap(name: DaemonName): void {
  if (name === 'grec-sipd') setFlagsFromString('--no-parallel-scavenge');
  setFlagsFromString(`--heap-growing-percent=${name === 'grec-sipd' ? 100 : 50}`);
  setFlagsFromString('--semi-space-growth-factor=1');
}

function readable(config: Config): boolean | undefined {
  return config.log.format === 'auto' ? undefined : config.log.format === 'readable';
}

/** The file of `--config`, undefined for none, null when help or version was printed. */
function readArguments(name: string, argv: readonly string[]): string | undefined | null {
  const [first, second] = argv;
  if (first === undefined) return undefined;
  if (first === '--version') console.log(`${name} ${VERSION}`);
  else if (first === '--help' || first === '-h')
    console.log(`Usage: ${name} [--config FILE]\nSee man ${name}.`);
  else if (first === '--config' && second !== undefined && argv.length === 2) return second;
  else if (first.startsWith('--config=') && argv.length === 1) return first.slice('--config='.length);
  else
    throw new GrecError('USAGE', `${name} does not take ${argv.join(' ')}`, {
      hint: `usage: ${name} [--config FILE]`,
    });
  return null;
}

function report(name: string, thrown: unknown, log: Logger | undefined): void {
  const hint = thrown instanceof GrecError ? thrown.hint : undefined;
  if (log !== undefined)
    log.fatal({ hint, code: thrown instanceof GrecError ? thrown.code : undefined }, messageOf(thrown));
  else process.stderr.write(`${name}: ${messageOf(thrown)}\n${hint === undefined ? '' : `  ${hint}\n`}`);
}

interface Serving {
  name: DaemonName;
  file: string | undefined;
  config: Config;
  log: Logger;
  alarms: Alarms;
}

async function serve(
  { name, file, config, log, alarms }: Serving,
  start: (context: DaemonContext) => Promise<RunningDaemon>,
): Promise<void> {
  const release = lockState(name, config);
  const startedAt = Date.now();
  let running: RunningDaemon | undefined;
  // From the first moment on: a signal that comes while it starts must not end it half-way.
  const signals = takeSignals(file, log, alarms);
  try {
    running = await start({ config, log });
    signals.reloads(running);
    const { status, routes } = running;
    const base = {
      daemon: name,
      version: VERSION,
      pid: process.pid,
      startedAt: new Date(startedAt).toISOString(),
    };
    const control = await serveControl(
      socketOf(config, name),
      {
        'GET /status': async () => ({
          ...base,
          config: config.file ?? null,
          stateDirectory: config.paths.state,
          memory: memoryMb(),
          alarmsUntold: alarms.waiting,
          ...(await status()),
        }),
        'POST /alarms/test': () => testAlarm(alarms, log),
        ...routes,
      },
      config.control.access,
    );
    log.info({ version: VERSION, state: config.paths.state }, 'ready');
    notifySystemd('READY=1', log);
    await signals.stopped;
    notifySystemd('STOPPING=1', log);
    control.close();
    control.closeAllConnections();
  } finally {
    try {
      await drain(running, log);
    } finally {
      rmSync(socketOf(config, name), { force: true });
      release();
    }
  }
  log.info('stopped');
}

/** So that an operator sees an alarm arrive before there is one. */
function testAlarm(alarms: Alarms, log: Logger): { targets: number } {
  log.warn({ alarm: 'test', asked: new Date().toISOString() }, 'a test: nothing is wrong');
  return { targets: alarms.targets };
}

/** Megabytes: resident, and of the JavaScript heap and what it holds outside. */
function memoryMb(): Record<string, number> {
  const { rss, heapUsed, external } = process.memoryUsage();
  const mb = (bytes: number) => Math.round(bytes / 1e5) / 10;
  return { rss: mb(rss), heap: mb(heapUsed), external: mb(external) };
}

interface Signals {
  /** Resolves when the daemon is told to stop. */
  stopped: Promise<void>;
  /** From now on SIGHUP reloads; one that came before is made up for. */
  reloads(running: RunningDaemon): void;
}

function takeSignals(file: string | undefined, log: Logger, alarms: Alarms): Signals {
  let running: RunningDaemon | undefined;
  let isStopping = false;
  let isReloadDue = false;
  const onReload = async () => {
    isReloadDue = running === undefined;
    if (isStopping || running === undefined) return;
    try {
      const config = loadConfig({ file });
      await running.reload?.(config);
      await alarms.use(config, log);
      log.info('configuration read again');
    } catch (thrown) {
      log.error({ hint: 'the configuration in force stays' }, `reload failed: ${messageOf(thrown)}`);
    }
  };
  process.on('SIGHUP', onReload);
  const stopped = new Promise<void>((resolve) => {
    const onStop = (cause: string) => {
      if (isStopping) return;
      isStopping = true;
      log.info({ cause }, 'stopping');
      if (running === undefined) endUnlessStarted(log, () => running !== undefined);
      resolve();
    };
    // All stay taken while it drains: a launcher and a process group may deliver one signal twice.
    process.on('SIGTERM', onStop);
    process.on('SIGINT', onStop);
    // Started by `grec up`: when that is gone, nobody would stop this daemon.
    if (process.channel !== undefined) {
      process.once('disconnect', () => onStop('its parent is gone'));
      process.channel.unref();
    }
  });
  return {
    stopped,
    reloads: (started) => {
      running = started;
      if (isReloadDue) void onReload();
    },
  };
}

/** A start that hangs must not keep a daemon from stopping: what it has written so far is safe against a crash. */
function endUnlessStarted(log: Logger, hasStarted: () => boolean): void {
  setTimeout(() => {
    if (hasStarted()) return;
    log.error(`told to stop, and not started within ${DRAIN_LIMIT_MS / 1000} s: ending all the same`);
    process.exit(1);
  }, DRAIN_LIMIT_MS).unref();
}

async function drain(running: RunningDaemon | undefined, log: Logger): Promise<void> {
  if (running === undefined) return;
  const limit = setTimeout(() => {
    log.error(`not drained within ${DRAIN_LIMIT_MS / 1000} s: ending all the same`);
    process.exit(1);
  }, DRAIN_LIMIT_MS);
  try {
    await running.stop();
  } finally {
    clearTimeout(limit);
  }
}

/**
 * Takes the daemon's lock in the state directory; the kernel frees it when the process ends, however it ends.
 * @returns what releases it
 * @throws GrecError STATE_UNUSABLE, STATE_IN_USE
 */
export function lockState(name: DaemonName, config: Config): () => void {
  const lockFile = join(config.paths.run, `${name}.lock`);
  const pidFile = join(config.paths.run, `${name}.pid`);
  const lock = openLock(lockFile, config.paths);
  try {
    lock.pragma('locking_mode = exclusive');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (thrown) {
    lock.close();
    throw new GrecError('STATE_IN_USE', `${name}${runningPid(pidFile)} already uses ${config.paths.state}`, {
      hint: 'stop it first, or give this one another [state] directory',
      cause: thrown,
    });
  }
  notePid(pidFile);
  return () => {
    rmSync(pidFile, { force: true });
    lock.close();
  };
}

/** Only for the message that another one gets: a full disk must not keep a daemon from starting. */
function notePid(pidFile: string): void {
  try {
    writeFileSync(pidFile, `${process.pid}\n`);
  } catch {
    rmSync(pidFile, { force: true });
  }
}

function openLock(lockFile: string, paths: Config['paths']): Database.Database {
  try {
    mkdirSync(paths.state, { recursive: true, mode: 0o750 });
    mkdirSync(paths.run, { recursive: true, mode: 0o750 });
    return new Database(lockFile, { timeout: 0 });
  } catch (thrown) {
    throw new GrecError(
      'STATE_UNUSABLE',
      `cannot use the state directory ${paths.state}: ${messageOf(thrown)}`,
      {
        hint: 'create it and give it to the user that runs grec, or set [state] directory',
        cause: thrown,
      },
    );
  }
}

function runningPid(pidFile: string): string {
  try {
    return ` (pid ${readFileSync(pidFile, 'utf8').trim()})`;
  } catch {
    return '';
  }
}

function notifySystemd(state: string, log: Logger): void {
  if (!process.env.NOTIFY_SOCKET) return;
  execFile('systemd-notify', [`--pid=${process.pid}`, state], (error) => {
    if (error) log.warn(`systemd-notify: ${error.message}`);
  });
}
