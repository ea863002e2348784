// Where the lines of a daemon's log go: all of ten milliseconds in one write.
import { LogDestination } from './log-destination.ts';

/** Milliseconds: a write costs more than ten lines in it. */
const GATHERED_MS = 10;
/** Characters that are written before that. */
const MOST_GATHERED = 1 << 16;

export interface LogOutput {
  write(line: string): void;
}

/**
 * Standard error. Lines are written soon after they were logged, or when the process exits, in order.
 */
export function standardErrorSoon(): LogOutput {
  const stream = new LogDestination();
  const output = gathered((text) => void stream.write(text));
  // Before the stream writes what waits.
  process.prependListener('exit', () => output.flush());
  return output;
}

/** Gathers what is written within ten milliseconds. */
export function gathered(write: (text: string) => void): LogOutput & { flush(): void } {
  let waiting = '';
  let soon: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(soon);
    soon = undefined;
    const text = waiting;
    waiting = '';
    if (text !== '') write(text);
  };
  return {
    write(line) {
      waiting += line;
      if (waiting.length > MOST_GATHERED) flush();
      else soon ??= setTimeout(flush, GATHERED_MS).unref();
    },
    flush,
  };
}
