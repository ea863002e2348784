// The subcommands of the index: sums over recordings, and the index itself.
import { type Command, Option } from 'commander';
import type { FindOptions } from './find.ts';
import type { IndexProblemsOptions, IndexRebuildOptions } from './index-command.ts';
import { type Action, type Lazily, readCount } from './lazy-action.ts';
import type { ReportOptions } from './report.ts';
import type { TranscriptOptions } from './transcript.ts';

export function addIndexCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('What was said:');
  program
    .command('find [words...]')
    .description(
      'find what was said: words, "phrases", begin*, NEAR/5, OR, NOT; and recordings by what is known of them',
    )
    .addOption(new Option('--party <party>', 'said by this one').choices(['agent', 'customer']))
    .option('--dn <number>', 'recorded for this DN')
    .option('--agent <id>', 'of this agent')
    .option('--number <number>', 'with this caller, callee or recorded DN')
    .option('--topic <name>', 'about this topic, or one of this program')
    .option('--since <time>', 'from this time on: 2026-01-31, 2026-01-31T09:00, today, 2h, 7d')
    .option('--until <time>', 'before this time')
    .option('--longer-than <length>', 'that last longer: 90s, 5m, 1h')
    .option('--shorter-than <length>', 'that are shorter')
    .addOption(
      new Option('--sort <order>', 'in this order')
        .choices(['newest', 'oldest', 'relevance'])
        .default('newest'),
    )
    .option('--limit <count>', 'at most so many', readCount, 50)
    .option('--json', 'print a JSON array')
    .action(lazily(async (): Promise<Action<[string[], FindOptions]>> => (await import('./find.ts')).find));
  program
    .command('report')
    .description('sum up who talked how long, over whom, and how long nobody did')
    .addOption(
      new Option('--by <what>', 'one row for each of these').choices(['dn', 'agent', 'day']).default('day'),
    )
    .option('--since <time>', 'recordings that began then or later: 2026-01-31, today, 2h, 7d')
    .option('--until <time>', 'recordings that began before')
    .option('--csv', 'print comma-separated values')
    .addOption(new Option('--json', 'print a JSON array').conflicts('csv'))
    .action(lazily(async (): Promise<Action<[ReportOptions]>> => (await import('./report.ts')).report));
  program
    .command('transcript <id>')
    .description('show what was said in a recording; or put a corrected transcript beside it')
    .addOption(
      new Option('--format <format>', 'text, WebVTT or JSON')
        .choices(['text', 'vtt', 'json'])
        .default('text'),
    )
    .option('--original', 'as the engine heard it, whatever was corrected')
    .option('--correct <file>', 'take this WebVTT file for what was said; - for standard input')
    .option('--json', 'the same as --format json')
    .action(
      lazily(
        async (): Promise<Action<[string, TranscriptOptions]>> =>
          (await import('./transcript.ts')).transcript,
      ),
    );
  const index = program.command('index').description('the index: what it lacks, and making it anew');
  const indexFile = () => import('./index-command.ts');
  index
    .command('status', { isDefault: true })
    .description('show how much is indexed, and how far the index is behind')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await indexFile()).indexStatus));
  index
    .command('problems')
    .description('list the recordings that could not be indexed, and why')
    .option('--limit <count>', 'at most so many', readCount, 50)
    .option('--json', 'print a JSON array')
    .action(lazily(async (): Promise<Action<[IndexProblemsOptions]>> => (await indexFile()).indexProblems));
  index
    .command('rebuild')
    .description('look into every recording again')
    .addOption(
      new Option('--problems', 'those alone that could not be indexed').conflicts(['transcripts', 'topics']),
    )
    .addOption(
      new Option('--topics', 'tag it anew by topics.toml, and nothing else').conflicts('transcripts'),
    )
    .option('--transcripts', 'and transcribe it again, with the engine that is configured now')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[IndexRebuildOptions]>> => (await indexFile()).indexRebuild));
}
