// Logs: pino, JSON lines on a pipe, readable lines on a terminal. Call and leg ids ride on child loggers.
import {
  type DestinationStream,
  type LoggerOptions,
  type Logger as PinoLogger,
  pino,
  stdTimeFunctions,
} from 'pino';
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
  /** Is told of each line that names an alarm, at level warn or above. It must not throw. */
  onAlarm?: ((line: AlarmLine) => void) | undefined;
}

/** A line that names an alarm, without secrets, and with the fields of the logger that wrote it. */
export interface AlarmLine {
  alarm: string;
  severity: 'warning' | 'error' | 'fatal';
  message: string;
  facts: Record<string, unknown>;
}

const SEVERITIES: Record<number, AlarmLine['severity']> = { 40: 'warning', 50: 'error', 60: 'fatal' };

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
      ...(options.onAlarm && { hooks: { logMethod: watcher(options.onAlarm) } }),
    },
    destination,
  );
  return withChildren(log);
}

function watcher(onAlarm: (line: AlarmLine) => void): NonNullable<LoggerOptions['hooks']>['logMethod'] {
  return function watch(args, method, level) {
    const [fields, message] = args as unknown[];
    const severity = SEVERITIES[level];
    if (severity !== undefined && typeof fields === 'object' && fields !== null && 'alarm' in fields) {
      const { name: _name, pid: _pid, ...bindings } = this.bindings();
      const { alarm, ...facts } = withoutSecrets({ ...bindings, ...fields });
      onAlarm({ alarm: String(alarm), severity, message: String(message ?? ''), facts });
    }
    method.apply(this, args);
  };
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
