// The subcommands of DNs, agents, trunks and the routing strategy, with their options.
import { type Command, Option } from 'commander';
import { DN_TYPES } from '../dn-settings.ts';
import type { AgentLoginOptions } from './agent.ts';
import type { DnChangeOptions, DnListOptions } from './dn.ts';
import type { DnExportOptions, DnImportOptions } from './dn-file.ts';
import { type Action, collect, type Lazily } from './lazy-action.ts';
import type { StrategyTestOptions } from './strategy.ts';

/** Adds the subcommands that say which numbers there are, who is logged in on them, and where calls go. */
export function addNumberCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('Numbers:');
  addDnCommands(program, lazily);
  addAgentCommands(program, lazily);
  addTrunkCommands(program, lazily);
  addStrategyCommands(program, lazily);
}

function addDnCommands(program: Command, lazily: Lazily): void {
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
  addDnFileCommands(dn, lazily);
}

function addDnFileCommands(dn: Command, lazily: Lazily): void {
  const dnFile = () => import('./dn-file.ts');
  dn.command('export [file]')
    .description('write the DNs to a file, or to standard output; without passwords')
    .option('--force', 'replace an existing file')
    .option('--json', 'print what was written as JSON')
    .action(
      lazily(async (): Promise<Action<[string | undefined, DnExportOptions]>> => (await dnFile()).dnExport),
    );
  dn.command('import <file>')
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
