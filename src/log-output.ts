// Where the lines of a daemon's log go: all of one turn of the event loop in one write.
import { LogDestination } from './log-destination.ts';

/** Lines of one turn that are written before its end, in characters. */
const MOST_IN_TURN = 1 << 16;

export interface LogOutput {
  write(line: string): void;
}

/**
 * Standard error. Lines are written at the end of the turn in which they were logged, or when the process exits, in order.
 */
export function standardErrorInTurns(): LogOutput {
  const stream = new LogDestination();
  const output = inTurns((text) => void stream.write(text));
  // Before the stream writes what waits.
  process.prependListener('exit', () => output.flush());
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
