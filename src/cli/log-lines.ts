// The log lines of several daemons on one terminal: each with its daemon's name before it.
import { prettyFactory } from 'pino-pretty';
import type { Config } from '../config.ts';
import type { DaemonName } from '../control.ts';
import type { CliContext, Style } from './context.ts';
import { DAEMON_NAMES } from './daemons-runner.ts';

const STYLES: Record<DaemonName, Style> = {
  'grec-sipd': 'cyan',
  'grec-mediad': 'magenta',
  'grec-procd': 'yellow',
  'grec-webd': 'green',
};
const WIDTH = Math.max(...DAEMON_NAMES.map((name) => name.length));

/**
 * What prints a daemon's line on standard error. Daemons write JSON into the pipe; it is shown readable, unless the
 * configuration asks for JSON: then it passes unchanged, as each line has its daemon's name.
 */
export function logPrinter(context: CliContext, format: Config['log']['format']) {
  const colorize = context.paint('bold', 'x', context.stderr) !== 'x';
  const readable = prettyFactory({
    colorize,
    singleLine: true,
    ignore: 'pid,name',
    translateTime: 'SYS:HH:MM:ss.l',
  });
  return (name: DaemonName, line: string): void => {
    if (format === 'json') return context.note(line);
    const prefix = context.paint(STYLES[name], `${name.padEnd(WIDTH)} |`, context.stderr);
    const shown = line.startsWith('{') ? readable(line) : line;
    for (const part of shown.trimEnd().split('\n')) context.note(`${prefix} ${part}`);
  };
}
