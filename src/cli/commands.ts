// The subcommands with their options: this file holds those that run grec itself.
import type { Command } from 'commander';
import type { AlarmsOptions } from './alarms.ts';
import type { RunAction } from './cli.ts';
import { addCallCommands } from './commands-calls.ts';
import { addIndexCommands } from './commands-index.ts';
import { addLifeCycleCommands } from './commands-life-cycle.ts';
import { addNumberCommands } from './commands-numbers.ts';
import { addEvidenceCommands, addRecordingCommands } from './commands-recordings.ts';
import { addWebCommands } from './commands-web.ts';
import type { DemoOptions } from './demo.ts';
import { type Action, type Lazily, lazyActions } from './lazy-action.ts';
import type { UpOptions } from './up.ts';

/** Adds every subcommand to `program`; `run` gets what each one does. */
export function addCommands(program: Command, run: RunAction): void {
  const lazily = lazyActions(program, run);
  addDaemonCommands(program, lazily);
  addNumberCommands(program, lazily);
  addCallCommands(program, lazily);
  addRecordingCommands(program, lazily);
  addIndexCommands(program, lazily);
  addLifeCycleCommands(program, lazily);
  addEvidenceCommands(program, lazily);
  addWebCommands(program, lazily);
  addOtherCommands(program, lazily);
}

function addDaemonCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('Running it:');
  program
    .command('demo')
    .description('record a real call on this machine and show it')
    .option('--keep <directory>', 'keep the state in this directory (default: a new temporary one)')
    .option('--verbose', 'show what the daemons log')
    .option('--json', 'print the result as JSON')
    .action(lazily(async (): Promise<Action<[DemoOptions]>> => (await import('./demo.ts')).runDemo));
  program
    .command('up')
    .description('run the daemons in the foreground until Ctrl-C')
    .option(
      '--listen <address[:port]>',
      'address for phones and media (default: as configured, else loopback)',
    )
    .action(lazily(async (): Promise<Action<[UpOptions]>> => (await import('./up.ts')).up));
  program
    .command('status')
    .description('show the daemons, what they do, and alarms')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await import('./status.ts')).status));
  const alarms = program
    .command('alarms')
    .description('show the alarms of recordings, and test who is told of alarms')
    .option('--limit <number>', 'show so many, the newest first (default: 50)')
    .option('--all', 'show those as well that are over: the recording was made after all')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[AlarmsOptions]>> => (await import('./alarms.ts')).alarms));
  alarms
    .command('test')
    .description('raise an alarm that says that it is a test, in every daemon that runs')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await import('./alarms.ts')).testAlarms));
}

function addOtherCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('Other:');
  const config = program.command('config').description('the configuration');
  config
    .command('check [file]')
    .description('check a configuration; every mistake with its line')
    .option('--json', 'print JSON')
    .action(
      lazily(async (): Promise<Action<[string | undefined]>> => (await import('./config.ts')).configCheck),
    );
  config
    .command('show')
    .description('print the values in force, as a configuration file')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await import('./config.ts')).configShow));
  program
    .command('version')
    .description('print the versions of grec and what it runs on')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await import('./version.ts')).version));
}
