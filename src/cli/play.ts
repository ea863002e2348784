// `grec play`: a recording through the player that is installed, or as WAV into a pipe.
import { spawn } from 'node:child_process';
import { closeSync, createReadStream, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { note } from './audited.ts';
import { type KeyOptions, withClear } from './clear-audio.ts';
import type { CliContext } from './context.ts';
import { isWav, withWav } from './decoded.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { findRecording, requireFiles } from './recording.ts';
import { printable } from './table.ts';
import { readWav } from './wav-file.ts';

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
  const { audio } = requireFiles(context, row);
  const { left, right, stdout } = options;
  await note(context, { what: 'play', recording: row.id, details: { left, right, stdout } });
  const channel = options.left === true ? 0 : options.right === true ? 1 : undefined;
  const needsWav = channel !== undefined || options.stdout === true;
  const playOn = (wav: string) =>
    withChannel(wav, channel, async (file) => {
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

/** Runs `work` on the file, or on a private copy with one channel alone, which is removed afterwards. */
async function withChannel<T>(
  audio: string,
  channel: number | undefined,
  work: (file: string) => Promise<T>,
): Promise<T> {
  if (channel === undefined) return work(audio);
  // mkdtemp makes it readable by this user alone.
  const directory = mkdtempSync(join(tmpdir(), 'grec-play-'));
  try {
    const file = join(directory, 'channel.wav');
    writeChannel(audio, file, channel);
    return await work(file);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Writes one channel of a WAV file as a mono WAV file. @throws GrecError RECORDING_UNREADABLE */
export function writeChannel(audio: string, file: string, channel: number): void {
  const fd = openSync(file, 'wx', 0o600);
  try {
    readWav(
      audio,
      ({ sampleRate, frames, channels }) => {
        if (channel >= channels) throw new Error(`it has ${channels} channel${channels === 1 ? '' : 's'}`);
        writeSync(fd, monoHeader(sampleRate, frames));
      },
      (samples, { channels }) => {
        const mono = new Int16Array(samples.length / channels);
        for (let frame = 0; frame < mono.length; frame++)
          mono[frame] = samples[frame * channels + channel] ?? 0;
        writeSync(fd, mono);
      },
    );
  } finally {
    closeSync(fd);
  }
}

function monoHeader(sampleRate: number, frames: number): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + frames * 2, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(frames * 2, 40);
  return header;
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
