// The audio of a recording as WAV, whatever it is archived as.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { extname, join } from 'node:path';
import { GrecError } from '../errors.ts';
import { findFfmpeg } from '../ffmpeg.ts';

/** It decodes some hundred times as fast as one listens. */
const SHORTEST_LIMIT_MS = 60_000;
const LONGEST_ERROR = 300;

export interface DecodeOptions {
  /** For the copy, which is removed afterwards. */
  folder: string;
  /** `[export] ffmpeg`; otherwise the one that is found. */
  ffmpeg: string | undefined;
  /** Of the audio, in milliseconds: so long it may take. */
  duration: number;
}

/**
 * Runs `work` on the file itself, or on a WAV copy that this user alone can read.
 * @throws GrecError FFMPEG_MISSING, FFMPEG_FAILED
 */
export async function withWav<T>(
  audio: string,
  options: DecodeOptions,
  work: (wav: string) => T | Promise<T>,
): Promise<T> {
  if (extname(audio) === '.wav') return work(audio);
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const directory = mkdtempSync(join(options.folder, 'wav-'));
  try {
    const wav = join(directory, 'audio.wav');
    await decode(audio, wav, options);
    return await work(wav);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function decode(audio: string, wav: string, { ffmpeg, duration }: DecodeOptions): Promise<void> {
  const found = await findFfmpeg(ffmpeg);
  if ('problem' in found)
    throw new GrecError('FFMPEG_MISSING', `${audio} cannot be decoded: ${found.problem}`, {
      hint: 'install ffmpeg (Debian: apt install ffmpeg), or set [export] ffmpeg',
    });
  const quiet = ['-hide_banner', '-nostats', '-v', 'error', '-nostdin', '-y', '-threads', '1'];
  const problem = await run(
    found.program,
    [...quiet, '-i', audio, '-c:a', 'pcm_s16le', wav],
    Math.max(SHORTEST_LIMIT_MS, duration),
  );
  if (problem !== undefined)
    throw new GrecError('FFMPEG_FAILED', `ffmpeg cannot decode ${audio}: ${problem}`);
}

/** @returns what went wrong, if anything did */
function run(program: string, args: readonly string[], limitMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let said = '';
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    child.stderr.on('data', (bytes: Buffer) => {
      if (said.length < LONGEST_ERROR) said += bytes.toString('latin1');
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => {
      const [line] = said.trim().split('\n');
      resolve(code === 0 ? undefined : line?.slice(0, LONGEST_ERROR) || `it ended with ${code ?? signal}`);
    });
  });
}
