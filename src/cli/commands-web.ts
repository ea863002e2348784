// The subcommands for those who use Web Services, with their options.
import type { Command } from 'commander';
import { type Action, collect, type Lazily } from './lazy-action.ts';
import type { TokenAddOptions, TokenListOptions } from './token.ts';
import type { UserAddOptions, UserPasswordOptions } from './user.ts';

/** Adds the subcommands for users and tokens. */
export function addWebCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('Web Services:');
  addUserCommands(program.command('user').description('the users of Web Services'), lazily);
  addTokenCommands(
    program.command('token').description('the tokens of programs that use Web Services'),
    lazily,
  );
}

function addUserCommands(user: Command, lazily: Lazily): void {
  const file = () => import('./user.ts');
  user
    .command('add <name>')
    .description('make a user')
    .requiredOption('--role <role>', 'agent, supervisor, admin or auditor')
    .option('--dn <number>', 'a DN or agent login that is theirs; may be repeated', collect)
    .option('--place <path>', 'where they are in the hierarchy (default: /)')
    .option('--password-stdin', 'read the password from standard input; a terminal is asked without echo')
    .option('--password-file <file>', 'read the password from the first line of a file')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string, UserAddOptions]>> => (await file()).userAdd));
  user
    .command('ls', { isDefault: true })
    .description('list the users')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await file()).userList));
  user
    .command('passwd <name>')
    .description('give a user another password')
    .option('--password-stdin', 'read the password from standard input; a terminal is asked without echo')
    .option('--password-file <file>', 'read the password from the first line of a file')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string, UserPasswordOptions]>> => (await file()).userPasswd));
  user
    .command('rm <name>')
    .description('remove a user, with all their tokens')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string]>> => (await file()).userRemove));
}

function addTokenCommands(token: Command, lazily: Lazily): void {
  const file = () => import('./token.ts');
  token
    .command('add <user>')
    .description('make a token, and print it once')
    .option('--name <text>', 'what it is for')
    .option('--scope <right>', 'this right of the user alone; may be repeated (default: all)', collect)
    .option('--days <number>', 'how long it is good', '90')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string, TokenAddOptions]>> => (await file()).tokenAdd));
  token
    .command('ls', { isDefault: true })
    .description('list the tokens; none is shown itself')
    .option('--user <name>', 'of this user')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[TokenListOptions]>> => (await file()).tokenList));
  token
    .command('rm <id>')
    .description('remove a token: it is good no longer')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string]>> => (await file()).tokenRemove));
}
