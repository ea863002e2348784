// Logs: pino, JSON lines on a pipe, readable lines on a terminal. Call and leg ids ride on child loggers.
import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import pretty from 'pino-pretty';
import { LogDestination } from './log-destination.ts';
import type { LogLevel } from './log-levels.ts';
import { standardErrorSoon } from './log-output.ts';
import { withoutSecrets } from './log-secrets.ts';

export { LOG_LEVELS, type LogLevel } from './log-levels.ts';
export type Logger = PinoLogger;

export interface LogOptions {
  name: string;
  level: LogLevel;
  /** Readable lines instead of JSON; by default when standard error is a terminal. */
  readable?: boolean;
  destination?: DestinationStream;
}

/**
 * A logger on standard error. Lines about a call carry `call` and `leg`: use `log.child({ call, leg })`.
 */
export function createLogger(options: LogOptions): Logger {
  const readable = options.readable ?? process.stderr.isTTY === true;
  const destination = options.destination ?? (readable ? prettyStream() : standardErrorSoon());
  const log = pino(
    {
      name: options.name,
      level: options.level,
      base: { name: options.name, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: withoutSecrets },
    },
    destination,
  );
  return withChildren(log);
}

/** Children's fields are printed once, when a child is made: they are looked at then. */
function withChildren(log: Logger): Logger {
  const { child } = log;
  return Object.assign(log, {
    child(this: Logger, bindings: Record<string, unknown>, options?: Record<string, unknown>) {
      return child.call(this, withoutSecrets(bindings), options);
    },
  });
}

function prettyStream(): DestinationStream {
  return pretty({
    destination: new LogDestination(),
    colorize: process.stderr.isTTY === true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid',
    singleLine: true,
  });
}

/** A logger that says nothing: for tests and for library use without one. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
