// The subcommands of what becomes of recordings after they are finished.
import { type Command, Option } from 'commander';
import { AUDITED } from '../audit/words.ts';
import type { AuditOptions } from './audit.ts';
import type { RetryOptions } from './failed.ts';
import type { HoldOptions, LabelOptions } from './hold.ts';
import { type Action, collect, type Lazily, readCount } from './lazy-action.ts';
import type { PurgeOptions } from './purge.ts';

export function addLifeCycleCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('What becomes of recordings:');
  const holdFile = () => import('./hold.ts');
  program
    .command('hold <ids...>')
    .description('put recordings under hold: nothing deletes them')
    .requiredOption('--reason <text>', 'why')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string[], HoldOptions]>> => (await holdFile()).hold));
  program
    .command('unhold <ids...>')
    .description('end the hold on recordings')
    .requiredOption('--reason <text>', 'why')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string[], HoldOptions]>> => (await holdFile()).unhold));
  program
    .command('label <id> [labels...]')
    .description('label a recording, comment on it, attach data to it')
    .option('--remove <label>', 'take this label away; may be repeated', collect)
    .option('--comment <text>', 'add a comment')
    .option('--data <key=value>', 'attach data; may be repeated', collect)
    .option('--remove-data <key>', 'take attached data away; may be repeated', collect)
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string, string[], LabelOptions]>> => (await holdFile()).label));
  program
    .command('purge')
    .description('delete the recordings whose time is over, as their retention classes say')
    .option('--dry-run', 'say which these are, and delete nothing')
    .option('--trust-clock', 'delete also when nothing was recorded for 60 days: the clock is right')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[PurgeOptions]>> => (await import('./purge.ts')).purge));
  const storage = program
    .command('storage')
    .description('the storage classes: where recordings are copied to');
  const storageFile = () => import('./storage.ts');
  storage
    .command('list', { isDefault: true })
    .description('list them, with what waits, what has failed, and why')
    .option('--json', 'print a JSON array')
    .action(lazily(async (): Promise<Action<[]>> => (await storageFile()).storageList));
  storage
    .command('test <name>')
    .description('put a file into one, read it back and remove it')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[string]>> => (await storageFile()).storageTest));
  program
    .command('failed')
    .description('list what could not be made, why, and whether trying it again can help')
    .option('--json', 'print a JSON array')
    .action(lazily(async (): Promise<Action<[]>> => (await import('./failed.ts')).failed));
  program
    .command('retry [ids...]')
    .description('try again what has failed; id: as `grec failed` shows it, or any part of it')
    .option('--all', 'everything that a retry can help')
    .option('--json', 'print a JSON array')
    .action(
      lazily(async (): Promise<Action<[string[], RetryOptions]>> => (await import('./failed.ts')).retry),
    );
  program
    .command('audit')
    .description(
      'show who listed, heard, exported, held and deleted what; or prove that no entry was changed',
    )
    .option('--since <time>', 'from this time on: 2026-01-31, 2026-01-31T09:00, today, 2h, 7d')
    .option('--until <time>', 'before this time')
    .addOption(new Option('--what <what>', 'entries of this kind').choices(AUDITED))
    .option('--user <name>', 'of this user')
    .option('--recording <id>', 'about this recording: its id, or a part of it')
    .option('--limit <count>', 'at most so many', readCount, 50)
    .option('--verify', 'prove that no entry was changed, and none is missing')
    .option('--expect <entry>', 'with --verify: the log must have this entry, NUMBER:SHA256')
    .option('--json', 'print a JSON array; with --verify an object')
    .action(lazily(async (): Promise<Action<[AuditOptions]>> => (await import('./audit.ts')).audit));
}
