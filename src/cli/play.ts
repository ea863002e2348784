// `grec play`: a recording through the player that is installed, or as WAV into a pipe.
import { spawn } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { readMetadata } from '../archive/read.ts';
import { sidesOf } from '../archive/sides.ts';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { note } from './audited.ts';
import { type KeyOptions, withClear } from './clear-audio.ts';
import type { CliContext } from './context.ts';
import { isWav, withWav } from './decoded.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { writeChannel, writeSides } from './mixed-wav.ts';
import { findRecording, requireFiles } from './recording.ts';
import { printable } from './table.ts';

export interface PlayOptions extends KeyOptions {
  left?: boolean;
  right?: boolean;
  stdout?: boolean;
}

interface Player {
  program: string;
  /** Its arguments for one file. */
  argv(file: string): string[];
  playsWavAlone?: boolean;
}

/** What players and ALSA say, under much else, on a machine without sound. */
const NO_DEVICE = /audio open (failed|error)|no default audio device|cannot find card|unknown pcm/i;
/** How much of a player's complaint is kept, from its end. */
const SAID_CHARACTERS = 4000;

/** In the order of preference: the first two end with the file and say why they cannot play. */
const PLAYERS: readonly Player[] = [
  { program: 'ffplay', argv: (file) => ['-nodisp', '-autoexit', '-loglevel', 'error', '-i', file] },
  { program: 'play', argv: (file) => ['-q', file] },
  { program: 'pw-play', argv: (file) => [file] },
  { program: 'paplay', argv: (file) => [file] },
  { program: 'aplay', argv: (file) => ['-q', file], playsWavAlone: true },
];

/** @throws GrecError RECORDING_UNKNOWN, RECORDING_UNREADABLE, PLAYER_MISSING, PLAYER_FAILED, USAGE */
export async function play(
  context: CliContext,
  idOrPart: string,
  options: PlayOptions,
  players: readonly Player[] = PLAYERS,
): Promise<number> {
  if (options.stdout === true && context.stdout.isTTY === true)
    throw new GrecError('USAGE', '--stdout writes audio: send it into a pipe or a file');
  const row = findRecording(context, idOrPart);
  const { audio, directory } = requireFiles(context, row);
  const { left, right, stdout } = options;
  await note(context, { what: 'play', recording: row.id, details: { left, right, stdout } });
  const channel = options.left === true ? 0 : options.right === true ? 1 : undefined;
  const sides = options.stdout === true ? undefined : sidesToMix(directory);
  const needsWav = channel !== undefined || sides !== undefined || options.stdout === true;
  const playOn = (wav: string) =>
    withHeard(wav, channel, sides, async (file) => {
      if (options.stdout === true) await pipeline(createReadStream(file), context.stdout, { end: false });
      else await playFile(context, file, audio, shortId(row.id), isWav(file) ? players : anyFormat(players));
      return EXIT.ok;
    });
  return withClear(context, audio, options, (clear) =>
    needsWav ? withWav(context, clear, playOn) : playOn(clear),
  );
}

/** Without those that play nothing but WAV. */
function anyFormat(players: readonly Player[]): readonly Player[] {
  return players.filter(({ playsWavAlone }) => playsWavAlone !== true);
}

/** Runs `work` on the file, or on a private copy of what is to be heard of it, which is removed afterwards. */
async function withHeard<T>(
  audio: string,
  channel: number | undefined,
  sides: readonly (0 | 1)[] | undefined,
  work: (file: string) => Promise<T>,
): Promise<T> {
  if (channel === undefined && sides === undefined) return work(audio);
  // mkdtemp makes it readable by this user alone.
  const directory = mkdtempSync(join(tmpdir(), 'grec-play-'));
  try {
    const file = join(directory, 'channel.wav');
    if (channel !== undefined) writeChannel(audio, file, channel);
    else writeSides(audio, file, sides ?? []);
    return await work(file);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Players take a third channel for a bass, and leave it out: two sides are played then. */
function sidesToMix(directory: string): (0 | 1)[] | undefined {
  try {
    const sides = sidesOf(readMetadata(directory));
    return sides.length > 2 ? sides : undefined;
  } catch {
    // What is damaged besides the audio does not keep it from being heard.
    return undefined;
  }
}

async function playFile(
  context: CliContext,
  file: string,
  audio: string,
  id: string,
  players: readonly Player[],
): Promise<void> {
  for (const player of players) {
    const end = await runPlayer(player, file);
    if (end === 'missing') continue;
    if (end === 'played') return;
    throw new GrecError('PLAYER_FAILED', `${player.program} could not play it: ${end}`, {
      hint: `${context.command(`play ${id} --stdout`)} writes the WAV to a pipe; the file is ${audio}`,
    });
  }
  throw new GrecError(
    'PLAYER_MISSING',
    `none of ${players.map(({ program }) => program).join(', ')} is installed`,
    {
      hint: `install one (Debian: apt install ffmpeg), or play the file elsewhere: ${audio}`,
    },
  );
}

/** Resolves with what became of it; a player that cannot play is not believed when it says 0. */
function runPlayer({ program, argv }: Player, file: string): Promise<'played' | 'missing' | string> {
  return new Promise((resolve) => {
    const child = spawn(program, argv(file), { stdio: ['inherit', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-SAID_CHARACTERS);
    });
    // Ctrl-C reaches the player through the terminal; this process then still removes its temporary file.
    const wait = () => undefined;
    process.on('SIGINT', wait);
    const settle = (end: string) => {
      process.off('SIGINT', wait);
      resolve(end);
    };
    child.on('error', (error) => settle(systemCode(error) === 'ENOENT' ? 'missing' : messageOf(error)));
    child.on('close', (code, signal) => settle(judge(code, signal, said)));
  });
}

function judge(code: number | null, signal: NodeJS.Signals | null, said: string): 'played' | string {
  // ffplay ends with 123 on Ctrl-C, and with 0 when there is no sound device.
  const isStopped = signal === 'SIGINT' || code === 123 || code === 130;
  if (isStopped || (code === 0 && !NO_DEVICE.test(said))) return 'played';
  if (NO_DEVICE.test(said)) return 'there is no sound device here';
  const reason = said
    .trim()
    .split('\n')
    .find((line) => /fail|error|cannot/i.test(line));
  return printable(reason ?? (signal === null ? `status ${code}` : signal));
}
