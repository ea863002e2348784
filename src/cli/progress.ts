// The progress of a long copy, on a terminal only.
import type { CliContext } from './context.ts';

export interface Progress {
  /** @param part from 0 to 1 */
  update(part: number): void;
  /** Clears the line. */
  done(): void;
}

/** Shows `label 42 %` on standard error, rewritten in place; nothing at all when that is no terminal. */
export function progressOf({ stderr }: CliContext, label: string): Progress {
  if (stderr.isTTY !== true) return { update: () => undefined, done: () => undefined };
  let shown = -1;
  return {
    update: (part) => {
      const percent = Math.floor(part * 100);
      if (percent === shown) return;
      shown = percent;
      stderr.write(`\r${label} ${percent} %`);
    },
    done: () => {
      if (shown >= 0) stderr.write('\r\x1b[K');
    },
  };
}
