// The subcommands for recordings, and for the proof that they are what was archived, with their options.
import { type Command, Option } from 'commander';
import type { CaptureOptions } from './capture.ts';
import type { ExportOptions } from './export.ts';
import type { ImportCommandOptions } from './import.ts';
import { type Action, collect, type Lazily, readCount } from './lazy-action.ts';
import type { LsOptions } from './ls.ts';
import type { PlayOptions } from './play.ts';
import type { ReconcileOptions } from './reconcile.ts';
import type { VerifyCommandOptions } from './verify.ts';

/** Adds the subcommands that find, show, play, export and import recordings. */
export function addRecordingCommands(program: Command, lazily: Lazily): void {
  program.commandsGroup('Recordings:');
  program
    .command('ls')
    .description('list recordings, newest first')
    .option('--since <time>', 'from this time on: 2026-01-31, 2026-01-31T09:00, today, 2h, 7d')
    .option('--until <time>', 'before this time')
    .option('--number <number>', 'with this DN, caller or callee')
    .addOption(new Option('--state <state>', 'in this state').choices(['complete', 'partial', 'failed']))
    .option('--label <label>', 'with this label')
    .option('--held', 'under hold')
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
    .option('--private-key <file>', 'open an encrypted recording with this key; may be repeated', collect)
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
    .option('--private-key <file>', 'open an encrypted recording with this key; may be repeated', collect)
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
  addCaptureCommand(program, lazily);
}

function addCaptureCommand(program: Command, lazily: Lazily): void {
  program
    .command('capture <file>')
    .description('copy a capture of the spool in the clear, for Wireshark; file: capture.pcap, or its folder')
    .requiredOption('-o, --output <target>', 'a file, or - for standard output')
    .option('--force', 'replace an existing file')
    .action(
      lazily(
        async (): Promise<Action<[string, CaptureOptions]>> => (await import('./capture.ts')).clearCapture,
      ),
    );
}

/** Adds the subcommands that prove them. */
export function addEvidenceCommands(program: Command, lazily: Lazily): void {
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
    .option('--private-key <file>', 'open every encrypted recording as well; may be repeated', collect)
    .option('-q, --quiet', 'print nothing but what is wrong')
    .option('--json', 'print JSON')
    .action(
      lazily(
        async (): Promise<Action<[string[], VerifyCommandOptions]>> => (await import('./verify.ts')).verify,
      ),
    );
  program
    .command('reindex')
    .description('make the catalog anew from the archive alone, while grec-procd is stopped')
    .option('--json', 'print JSON')
    .action(lazily(async (): Promise<Action<[]>> => (await import('./reindex.ts')).reindexCatalog));
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
