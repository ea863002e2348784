// `grec up`: the daemons in the foreground, for real phones, until Ctrl-C.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type Config, type ListenAddress, loadConfig } from '../config.ts';
import { askDaemon, socketOf } from '../control.ts';
import { GrecError, messageOf } from '../errors.ts';
import { printConfig, showHostPort } from './config-toml.ts';
import type { CliContext } from './context.ts';
import { type DaemonEnd, type DaemonsRunning, describeEnd, startDaemons } from './daemons-runner.ts';
import { EXIT } from './exit-codes.ts';
import { logPrinter } from './log-lines.ts';

export interface UpOptions {
  listen?: string;
}

/** A launcher and a terminal may both deliver one Ctrl-C; only one that comes later than this is a second one. */
const SAME_CTRL_C_MS = 500;

/** Runs the daemons until SIGINT, SIGTERM or SIGHUP (the terminal is gone), or until one of them ends by itself. */
export async function up(context: CliContext, options: UpOptions): Promise<number> {
  const derived = options.listen === undefined ? undefined : writeDerived(context.config, options.listen);
  const configFile = derived ?? context.configFile;
  try {
    const config = loadConfig({ file: configFile });
    const daemons = startDaemons({
      daemonsDirectory: context.daemonsDirectory,
      configFile,
      onLine: logPrinter(context, config.log.format),
    });
    return await supervise(context, config, daemons);
  } finally {
    if (derived !== undefined) rmSync(derived, { force: true });
  }
}

async function supervise(context: CliContext, config: Config, daemons: DaemonsRunning): Promise<number> {
  const signals = new StopSignals();
  try {
    const start = await Promise.race([
      daemons.ready.then(() => undefined),
      signals.first,
      // The last lines of a daemon that ended have been printed before this is known.
      daemons.died.then((end) => new GrecError('DAEMON_ENDED', `${describeEnd(end)} before it was ready`)),
    ]);
    if (start instanceof GrecError) throw start;
    if (start === undefined) {
      context.note(...(await welcome(context, config)));
      const end = await Promise.race([signals.first, daemons.died]);
      if (typeof end === 'object') throw new GrecError('DAEMON_ENDED', describeEnd(end));
    }
    context.note('stopping; Ctrl-C again ends at once');
    const ends = await stopOrForce(context, daemons, signals);
    const failed = ends.filter(({ code }) => code !== 0);
    context.note(...failed.map(describeEnd));
    if (signals.wasForced) return EXIT.interrupted;
    return failed.length === 0 ? EXIT.ok : EXIT.failure;
  } catch (thrown) {
    context.note(
      `${context.paint('red', 'grec:', context.stderr)} ${messageOf(thrown)}; stopping the others`,
    );
    await stopOrForce(context, daemons, signals);
    return EXIT.failure;
  } finally {
    signals.release();
  }
}

function stopOrForce(
  context: CliContext,
  daemons: DaemonsRunning,
  signals: StopSignals,
): Promise<DaemonEnd[]> {
  signals.onSecond = () => {
    context.note('ending at once');
    daemons.kill();
  };
  return daemons.stop();
}

/** The signals that end `grec up`: the first stops it in order, the second by force. */
class StopSignals {
  readonly first: Promise<NodeJS.Signals>;
  onSecond: () => void = () => undefined;
  wasForced = false;
  private readonly names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  private firstAt: number | undefined;
  private announce: (signal: NodeJS.Signals) => void = () => undefined;

  constructor() {
    this.first = new Promise((resolve) => {
      this.announce = resolve;
    });
    for (const name of this.names) process.on(name, this.receive);
  }

  release(): void {
    for (const name of this.names) process.off(name, this.receive);
  }

  private readonly receive = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (this.firstAt === undefined) {
      this.firstAt = now;
      this.announce(signal);
    } else if (!this.wasForced && now - this.firstAt > SAME_CTRL_C_MS) {
      this.wasForced = true;
      this.onSecond();
    }
  };
}

/**
 * The configuration of this run, with its own address, in a file beside the control sockets.
 * @throws GrecError USAGE, STATE_UNUSABLE
 */
function writeDerived(config: Config, listen: string): string {
  const file = join(config.paths.run, 'up.toml');
  const text = printConfig(withListen(config, listen));
  try {
    mkdirSync(config.paths.run, { recursive: true, mode: 0o750 });
    writeFileSync(file, `# Written by \`grec up --listen ${listen}\` for this run.\n${text}`, {
      mode: 0o640,
    });
  } catch (thrown) {
    throw new GrecError('STATE_UNUSABLE', `cannot write ${file}: ${messageOf(thrown)}`, {
      hint: 'give the state directory to the user that runs grec, or set [state] directory',
      cause: thrown,
    });
  }
  return file;
}

/**
 * SIP and media on `listen`, an address of this machine with or without a port (5060).
 * @throws GrecError USAGE
 */
export function withListen(config: Config, listen: string, isOwn = isOwnAddress): Config {
  const match = /^(?:\[([^\]]+)\]|([^:]+)|([0-9A-Fa-f:.]+:[0-9A-Fa-f:.]*))(?::(\d{1,5}))?$/.exec(listen);
  const host = isIP(listen) === 0 ? (match?.[1] ?? match?.[2]) : listen;
  const port = isIP(listen) === 0 ? Number(match?.[4] ?? 5060) : 5060;
  if (host === undefined || isIP(host) === 0 || port < 1 || port > 65535) {
    throw new GrecError('USAGE', `--listen ${listen}: expected ADDRESS or ADDRESS:PORT`, {
      hint: `such as --listen ${ownAddresses()[0] ?? '192.0.2.10'}`,
    });
  }
  // Phones are told this address in SDP: "any" is nothing they could send to.
  if (/^[0.:]+$/.test(host)) {
    throw new GrecError('USAGE', `--listen ${listen}: phones need one address of this machine to send to`, {
      hint: `addresses here: ${ownAddresses().join(', ') || 'none but loopback'}`,
    });
  }
  if (!isOwn(host)) {
    throw new GrecError('USAGE', `--listen ${listen}: this machine has no address ${host}`, {
      hint: `addresses here: ${ownAddresses().join(', ') || 'none but loopback'}`,
    });
  }
  const addresses: ListenAddress[] = (['udp', 'tcp'] as const).map((protocol) => ({ protocol, host, port }));
  // TLS keeps its own port.
  const secure = config.sip.listen.find(({ protocol }) => protocol === 'tls');
  if (secure !== undefined) addresses.push({ ...secure, host });
  return {
    ...config,
    sip: { ...config.sip, listen: addresses },
    mediad: { ...config.mediad, address: host },
  };
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .map(({ address }) => address);
}

/** Whether an address belongs to this machine: those of its interfaces, and all of 127.0.0.0/8. */
function isOwnAddress(host: string): boolean {
  const own = new BlockList();
  own.addSubnet('127.0.0.0', 8);
  for (const { address, family } of Object.values(networkInterfaces()).flatMap((list) => list ?? []))
    own.addAddress(address, family === 'IPv6' ? 'ipv6' : 'ipv4');
  return own.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
}

async function welcome(context: CliContext, config: Config): Promise<string[]> {
  const places = config.sip.listen.map(
    (address) => `${address.protocol.toUpperCase()} ${showHostPort(address)}`,
  );
  const bold = (text: string) => context.paint('bold', text, context.stderr);
  return [
    '',
    bold(`grec is up. Phones register at ${places.join(', ')}`),
    ...(await nextSteps(context, config)),
    ...(config.sip.listen.every(({ host }) => host.startsWith('127.') || host === '::1')
      ? [`  Only phones on this machine reach it; for others: ${context.command('up --listen ADDRESS')}`]
      : []),
    '  Ctrl-C stops all daemons.',
    '',
  ];
}

async function nextSteps(context: CliContext, config: Config): Promise<string[]> {
  const found = await askDaemon<{ dns?: unknown[] }>(
    'grec-sipd',
    socketOf(config, 'grec-sipd'),
    'GET',
    '/dns',
  ).catch(() => undefined);
  const count = found?.dns?.length ?? 0;
  const add = context.command('dn add 7001 record=true');
  if (count === 0)
    return [
      '  No number exists yet. In another terminal:',
      `    ${add}`,
      `    ${context.command('dn add 7002')}`,
    ];
  return [
    `  ${count} number${count === 1 ? '' : 's'} (${context.command('dn list')}); recordings: ${context.command('ls')}; state: ${context.command('status')}`,
  ];
}
