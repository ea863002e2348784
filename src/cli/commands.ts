// The subcommands with their options. Each is loaded only when it is called, so that `grec ls` starts fast.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DN_TYPES } from '../dn-settings.ts';
import type { AgentLoginOptions } from './agent.ts';
import type { CallsOptions, Operation, RequestOptions } from './calls.ts';
import type { RunAction } from './cli.ts';
import type { CliContext, GlobalOptions } from './context.ts';
import type { DemoOptions } from './demo.ts';
import type { DnChangeOptions, DnListOptions } from './dn.ts';
import type { DnExportOptions, DnImportOptions } from './dn-file.ts';
import type { ExportOptions } from './export.ts';
import type { ImportCommandOptions } from './import.ts';
import type { LsOptions } from './ls.ts';
import type { PlayOptions } from './play.ts';
import type { ReconcileOptions } from './reconcile.ts';
import type { StrategyTestOptions } from './strategy.ts';
import type { UpOptions } from './up.ts';
import type { VerifyCommandOptions } from './verify.ts';

type Action<Args extends unknown[]> = (context: CliContext, ...args: Args) => Promise<number>;

/** Adds every subcommand to `program`; `run` gets what each one does. */
export function addCommands(program: Command, run: RunAction): void {
  /** Calls what `load` brings with the arguments and options of the command line. */
  const lazily =
    <Args extends unknown[]>(load: () => Promise<Action<Args>>) =>
    (...parsed: unknown[]): Promise<void> => {
      // Commander appends the options and the command itself.
      const args = parsed.slice(0, -1) as Args;
      return run(program.opts<GlobalOptions>(), async (context) => (await load())(context, ...args));
    };
  addDaemonCommands(program, lazily);
  addDnCommands(program, lazily);
  addDnFileCommands(program, lazily);
  addAgentCommands(program, lazily);
  addTrunkCommands(program, lazily);
  addStrategyCommands(program, lazily);
  addCallCommands(program, lazily);
  addRecordingCommands(program, lazily);
  addEvidenceCommands(program, lazily);
  addOtherCommands(program, lazily);
}

type Lazily = <Args extends unknown[]>(
  load: () => Promise<Action<Args>>,
) => (...parsed: unknown[]) => Promise<void>;

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
}

function addDnCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('Numbers:');
  const dn = program.command('dn').description('the directory numbers (DNs) of the switch');
  const dnFile = () => import('./dn.ts');
  const changeOptions = (command: Command) =>
    command
      .addOption(new Option('--type <type>', 'the kind of DN (default: extension)').choices(DN_TYPES))
      .option('--password-stdin', 'read the password from the first line of standard input')
      .option('--password-file <file>', 'read the password from the first line of a file')
      .option('--json', 'print JSON');
  changeOptions(dn.command('add <number> [settings...]'))
    .description(
      'add a DN; settings: record=true|false name=TEXT …, see man grec-dn. Without a password one is made and shown once',
    )
    .action(lazily(async (): Promise<Action<[string, string[], DnChangeOptions]>> => (await dnFile()).dnAdd));
  changeOptions(dn.command('set <number> [settings...]'))
    .description('change a DN; settings as for add')
    .option('--new-password', 'make a new password and show it once')
    .action(lazily(async (): Promise<Action<[string, string[], DnChangeOptions]>> => (await dnFile()).dnSet));
  dn.command('list')
    .alias('ls')
    .description('list the DNs and their registrations')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[DnListOptions]>> => (await dnFile()).dnList));
  dn.command('show <number>')
    .description('show one DN')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string]>> => (await dnFile()).dnShow));
  dn.command('rm <number>')
    .description('remove a DN; no error when there is none')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string]>> => (await dnFile()).dnRemove));
}

function addDnFileCommands(program: Command, lazily: Lazily): void {
  const dn = program.commands.find((command) => command.name() === 'dn');
  const dnFile = () => import('./dn-file.ts');
  dn?.command('export [file]')
    .description('write the DNs to a file, or to standard output; without passwords')
    .option('--force', 'replace an existing file')
    .option('--json', 'print what was written as JSON')
    .action(
      lazily(async (): Promise<Action<[string | undefined, DnExportOptions]>> => (await dnFile()).dnExport),
    );
  dn?.command('import <file>')
    .description('make the DNs of a file what it says, all or none; - is standard input')
    .option('--dry-run', 'check the file, and change nothing')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string, DnImportOptions]>> => (await dnFile()).dnImport));
}

function addAgentCommands(program: Command, lazily: Lazily): void {
  const agent = program.command('agent').description('agents: who is logged in on which DN');
  const agentFile = () => import('./agent.ts');
  agent
    .command('login <agent>')
    .description('log an agent in on a DN: its settings hold there from the next call on')
    .requiredOption('--dn <number>', 'the DN: an extension or an ACD position')
    .option('--force', 'log out whoever stands in the way')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string, AgentLoginOptions]>> => (await agentFile()).agentLogin));
  agent
    .command('logout <agent>')
    .description('log an agent out; no error when they are not logged in')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string]>> => (await agentFile()).agentLogout));
  agent
    .command('list')
    .alias('ls')
    .description('list the agents, and where they are logged in')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await agentFile()).agentList));
}

function addTrunkCommands(program: Command, lazily: Lazily): void {
  const trunk = program.command('trunk').description('the trunks of the switch');
  trunk
    .command('list', { isDefault: true })
    .alias('ls')
    .description('list the trunks: whether they answer, and where we are registered')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await import('./trunk.ts')).trunkList));
}

function addStrategyCommands(program: Command, lazily: Lazily): void {
  const strategy = program
    .command('strategy')
    .description('the routing strategy: where calls go, and which are recorded');
  const strategyFile = () => import('./strategy.ts');
  strategy
    .command('check [file]')
    .description('check a strategy; every mistake with its line')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string | undefined]>> => (await strategyFile()).strategyCheck));
  strategy
    .command('test')
    .description('show what the strategy decides for a call, and by which rule')
    .requiredOption('--from <number>', 'the caller: a DN, or with --trunk any number')
    .requiredOption('--to <number>', 'the number that is dialled')
    .option('--at <time>', 'when: 2026-01-31T09:00, today, 2h', 'now')
    .option('--header <name=value>', 'a SIP header of the call; may be repeated', collect)
    .option('--trunk <name>', 'the call comes from this trunk')
    .option('--session-id <hex>', 'the identifier of the call, on which samples depend')
    .option('--file <file>', 'this strategy, not the one in force')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[StrategyTestOptions]>> => (await strategyFile()).strategyTest));
}

function collect(value: string, values: string[] = []): string[] {
  return [...values, value];
}

const REQUESTS: readonly [Operation, string][] = [
  ['start', 'record a call that is up'],
  ['pause', 'write nothing of it for a while: its gap keeps its length'],
  ['resume', 'go on after a pause'],
  ['stop', 'record it no more; the call goes on'],
];

function addCallCommands(program: Command, lazily: Lazily): void {
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

function addRecordingCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('Recordings:');
  program
    .command('ls')
    .description('list recordings, newest first')
    .option('--since <time>', 'from this time on: 2026-01-31, 2026-01-31T09:00, today, 2h, 7d')
    .option('--until <time>', 'before this time')
    .option('--number <number>', 'with this DN, caller or callee')
    .addOption(new Option('--state <state>', 'in this state').choices(['complete', 'partial', 'failed']))
    .option('--limit <count>', 'at most so many', readCount, 50)
    .option('--json', 'print a JSON array')
    .action(lazily(async (): Promise<Action<[LsOptions]>> => (await import('./ls.ts')).ls));
  program
    .command('show <id>')
    .description('show a recording; id: as `grec ls` shows it, any part of it, or "last"')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string]>> => (await import('./show.ts')).show));
  program
    .command('why <id>')
    .description(
      'show what was decided on a call, and why; id: of a call or a recording, any part of it, or "last"',
    )
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string]>> => (await import('./why.ts')).why));
  program
    .command('reconcile')
    .description('compare the calls that had to be recorded with the recordings that can be played')
    .option('--since <time>', 'calls and recordings that began then or later: 2026-01-31, today, 2h, 7d')
    .option('--json', 'print JSON')
    .action(
      lazily(async (): Promise<Action<[ReconcileOptions]>> => (await import('./reconcile.ts')).reconcile),
    );
  program
    .command('play <id>')
    .description('hear a recording')
    .addOption(new Option('--left', 'the agent alone').conflicts('right'))
    .option('--right', 'the customer alone')
    .option('--stdout', 'write the WAV to standard output instead, for a pipe')
    .action(lazily(async (): Promise<Action<[string, PlayOptions]>> => (await import('./play.ts')).play));
  program
    .command('export <id>')
    .description('copy a recording to a file, verified or converted')
    .option('-o, --output <target>', 'a file, a directory, or - for standard output', '.')
    .addOption(
      new Option('--format <format>', 'by default that of the file name, else that of the archive').choices([
        'wav',
        'mp3',
        'flac',
        'ogg',
        'opus',
        'm4a',
      ]),
    )
    .option('--force', 'replace an existing file')
    .option('--metadata', 'write the metadata beside it, as .json')
    .option('--json', 'print what was written as JSON')
    .action(
      lazily(
        async (): Promise<Action<[string, ExportOptions]>> => (await import('./export.ts')).exportRecording,
      ),
    );
  program
    .command('import <files...>')
    .description('make recordings from captures of SIP and RTP: pcap or pcapng, of tcpdump, tshark, sngrep …')
    .option(
      '--agent <number>',
      'this number is an agent, whose channel is the left one; may be repeated',
      collect,
    )
    .option('--dry-run', 'list the calls in them, and import nothing')
    .option('--json', 'print JSON')
    .action(
      lazily(
        async (): Promise<Action<[string[], ImportCommandOptions]>> =>
          (await import('./import.ts')).importFiles,
      ),
    );
}

function addEvidenceCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('Evidence:');
  program
    .command('verify [ids...]')
    .description(
      'prove that recordings are what was archived, and that none is missing; works without the daemons',
    )
    .option('--all', 'every recording, and the whole chain of manifests')
    .option('--since <time>', 'the recordings of this day and later: 2026-01-31, yesterday, 7d')
    .option('--archive <directory>', 'this archive, or copy of one (default: as configured)')
    .option('--key <id>', 'trust this key alone; may be repeated', collect)
    .option('--expect <link>', 'with --all: the chain must have this link, NUMBER:SHA256')
    .option('-q, --quiet', 'print nothing but what is wrong')
    .option('--json', 'print JSON')
    .action(
      lazily(
        async (): Promise<Action<[string[], VerifyCommandOptions]>> => (await import('./verify.ts')).verify,
      ),
    );
  const key = program.command('key').description('the key that signs the manifests of recordings');
  const keyFile = () => import('./key.ts');
  key
    .command('show', { isDefault: true })
    .description('show the key in use, and all keys of the archive')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await keyFile()).keyShow));
  key
    .command('new')
    .description('make a key where there is none; grec-procd does so too, at its first start')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await keyFile()).keyNew));
  key
    .command('rotate')
    .description('put a new key in the place of the one in use; the archive keeps the public keys of both')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await keyFile()).keyRotate));
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

function readCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 1_000_000)
    throw new InvalidArgumentError('expected a whole number from 1 to 1000000');
  return count;
}
