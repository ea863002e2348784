// The subcommands for calls that are up, with their options.
import type { Command } from 'commander';
import type { CallsOptions, Operation, RequestOptions } from './calls.ts';
import type { Action, Lazily } from './lazy-action.ts';

const REQUESTS: readonly [Operation, string][] = [
  ['start', 'record a call that is up'],
  ['pause', 'write nothing of it for a while: its gap keeps its length'],
  ['resume', 'go on after a pause'],
  ['stop', 'record it no more; the call goes on'],
];

/** Adds the subcommands for calls that are up. */
export function addCallCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('Calls:');
  const callsFile = () => import('./calls.ts');
  program
    .command('calls')
    .description('list the calls that are up, with the state of their recordings')
    .option('--dn <number>', 'those in which this DN is')
    .option('--json', 'print a JSON array')
    .action(lazily(async (): Promise<Action<[CallsOptions]>> => (await callsFile()).calls));
  for (const [operation, description] of REQUESTS) {
    program
      .command(`${operation} <call>`)
      .description(`${description}; call: as \`grec calls\` shows it, or a DN that is in it`)
      .option('--reason <text>', 'why, for the metadata of the recording')
      .option('--json', 'print JSON')
      .action(
        lazily(async (): Promise<Action<[string, RequestOptions]>> => {
          const { request } = await callsFile();
          return (context, call, options) => request(context, operation, call, options);
        }),
      );
  }
  program
    .command('listen <call>')
    .description('write both parties of a call that is recorded to standard output, as WAV, while they speak')
    .action(lazily(async (): Promise<Action<[string]>> => (await import('./listen.ts')).listen));
  program
    .command('events')
    .description('print the events of calls and recordings as they happen')
    .option('--dn <number>', 'those of calls in which this DN is')
    .option('--json', 'print one JSON object a line')
    .action(lazily(async (): Promise<Action<[CallsOptions]>> => (await callsFile()).events));
}
