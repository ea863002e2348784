// Where the lines of a daemon's log go: all of one turn of the event loop in one write.
import { pino } from 'pino';

/** While nothing can be written, on a full disk say, that much waits, in bytes; what comes then is lost. */
const MOST_WAITING = 1 << 20;
/** Lines of one turn that are written before its end, in characters. */
const MOST_IN_TURN = 1 << 16;

export interface LogOutput {
  write(line: string): void;
}

/** Standard error, line by line. A log that cannot be written never ends a daemon. */
export function standardError() {
  const stream = pino.destination({ fd: 2, sync: true, maxLength: MOST_WAITING });
  return stream.on('error', () => undefined);
}

/**
 * Standard error. Lines are written at the end of the turn in which they were logged, or when the process exits, in order.
 */
export function standardErrorInTurns(): LogOutput {
  const stream = standardError();
  const output = inTurns((text) => void stream.write(text));
  process.on('exit', () => output.flush());
  return output;
}

/** Gathers what is written within a turn of the event loop. */
export function inTurns(write: (text: string) => void): LogOutput & { flush(): void } {
  let waiting = '';
  let turn: NodeJS.Immediate | undefined;
  const flush = () => {
    clearImmediate(turn);
    turn = undefined;
    const text = waiting;
    waiting = '';
    if (text !== '') write(text);
  };
  return {
    write(line) {
      waiting += line;
      if (waiting.length > MOST_IN_TURN) flush();
      else turn ??= setImmediate(flush);
    },
    flush,
  };
}
