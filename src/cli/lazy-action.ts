// What a subcommand does is loaded only when it is called, so that `grec ls` starts fast.
import { type Command, InvalidArgumentError } from 'commander';
import type { RunAction } from './cli.ts';
import type { CliContext, GlobalOptions } from './context.ts';

/** What a subcommand does with its arguments and options; gives the exit code. */
export type Action<Args extends unknown[]> = (context: CliContext, ...args: Args) => Promise<number>;

/** Makes the handler commander calls of what brings the action. */
export type Lazily = <Args extends unknown[]>(
  load: () => Promise<Action<Args>>,
) => (...parsed: unknown[]) => Promise<void>;

/** Calls what `load` brings with the arguments and options of the command line, through `run`. */
export function lazyActions(program: Command, run: RunAction): Lazily {
  return <Args extends unknown[]>(load: () => Promise<Action<Args>>) =>
    (...parsed: unknown[]): Promise<void> => {
      // Commander appends the options and the command itself.
      const args = parsed.slice(0, -1) as Args;
      return run(program.opts<GlobalOptions>(), async (context) => (await load())(context, ...args));
    };
}

/** For an option that may be repeated: all its values. */
export function collect(value: string, values: string[] = []): string[] {
  return [...values, value];
}

/** A count from 1 to 1,000,000. */
export function readCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 1_000_000)
    throw new InvalidArgumentError('expected a whole number from 1 to 1000000');
  return count;
}
