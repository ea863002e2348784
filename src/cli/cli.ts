// The command line: one program, its subcommands loaded when they are called, errors turned into words and a status.
import { Command, CommanderError } from 'commander';
import { GrecError, messageOf } from '../errors.ts';
import { VERSION } from '../version.ts';
import { addCommands } from './commands.ts';
import { CliContext, type CliHost, type GlobalOptions } from './context.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';

/**
 * Runs one command line.
 * @param argv arguments after the program's name
 * @returns the exit status; nothing is thrown
 */
export async function runCli(argv: readonly string[], host: CliHost): Promise<number> {
  // Errors that arise before the options are parsed must know their form too.
  const json = argv.includes('--json');
  const early = new CliContext(host, { json, color: !argv.includes('--no-color') });
  stayQuietOnClosedPipe(early);
  let status: number = EXIT.ok;
  let context = early;
  const program = createProgram(early, async (options, action) => {
    context = new CliContext(host, { ...options, json });
    status = await action(context);
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return EXIT.ok;
    const error = asUsageError(thrown);
    printError(context, error);
    return exitCodeOf(error);
  }
  return status;
}

/** Runs the action of a subcommand with the global options of its command line. */
export type RunAction = (
  options: GlobalOptions,
  action: (context: CliContext) => Promise<number>,
) => Promise<void>;

function createProgram(context: CliContext, run: RunAction): Command {
  const program = new Command('grec')
    .description(
      'Records telephone calls: run the daemons, configure numbers, find, hear and export recordings.',
    )
    .version(`grec ${VERSION}`, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show the help of a command')
    .option(
      '--config <file>',
      'the configuration (default: $GREC_CONFIG, then grec.toml of the user or of /etc/grec)',
    )
    .option('--no-color', 'no colours')
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      // Mistakes come back as CommanderError and are printed like all other errors.
      outputError: () => undefined,
    });
  addCommands(program, run);
  return program;
}

function asUsageError(thrown: unknown): unknown {
  if (!(thrown instanceof CommanderError)) return thrown;
  // `grec` alone: its help has been printed.
  if (thrown.code === 'commander.help') return new GrecError('USAGE', 'a command is missing');
  const [message = '', suggestion] = thrown.message.replace(/^error: /, '').split('\n');
  return new GrecError('USAGE', message, {
    hint: [suggestion, 'see `grec --help`, `grec COMMAND --help` or `man grec`'].filter(Boolean).join(' '),
  });
}

function printError(context: CliContext, thrown: unknown): void {
  const error = thrown instanceof GrecError ? thrown : undefined;
  const message = messageOf(thrown);
  const hint = error?.hint === undefined ? undefined : context.withCommands(error.hint);
  if (context.json) {
    const { code = 'INTERNAL' } = error ?? {};
    context.note(JSON.stringify({ error: { code, message, hint } }));
    return;
  }
  context.note(`${context.paint('red', 'grec:', context.stderr)} ${message}`);
  if (hint !== undefined) context.note(`  ${hint}`);
  if (error === undefined && thrown instanceof Error) context.note(thrown.stack ?? '');
}

/** `grec ls | head`: the reader has seen enough, which is no error. */
function stayQuietOnClosedPipe({ stdout, stderr }: CliContext): void {
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failure);
    });
  }
}
