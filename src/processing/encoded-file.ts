// A compressed audio file, which ffmpeg writes: samples go to it through a pipe, as they become final.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { open, stat } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { GrecError } from '../errors.ts';
import { findFfmpeg, forgetFfmpeg, requireStreams } from '../ffmpeg.ts';
import type { AudioFile } from './audio-file.ts';

const STALL_MS = 30_000;
const LONGEST_ERROR = 300;

type EncodedFormat = 'opus' | 'mp3' | 'flac';

/**
 * The rates suit telephone speech. Two parties are two sounds that have nothing in common: MP3 must not make sum and
 * difference of them, and Opus gets more than speech in stereo needs.
 */
const ENCODINGS: Record<
  EncodedFormat,
  { encoder: string; container: string; two: string[]; mixed: string[] }
> = {
  opus: { encoder: 'libopus', container: 'opus', two: ['-b:a', '48k'], mixed: ['-b:a', '24k'] },
  mp3: {
    encoder: 'libmp3lame',
    container: 'mp3',
    two: ['-b:a', '48k', '-joint_stereo', '0'],
    mixed: ['-b:a', '24k'],
  },
  flac: { encoder: 'flac', container: 'flac', two: [], mixed: [] },
};

export interface EncodedTarget {
  file: string;
  format: EncodedFormat;
  count: number;
  sampleRate: number;
  ffmpeg?: string | undefined;
  stallMs?: number | undefined;
}

/** @throws GrecError FFMPEG_MISSING, also when it lacks the encoder; Node's system errors */
export async function openEncodedFile(target: EncodedTarget): Promise<AudioFile> {
  const { encoder } = ENCODINGS[target.format];
  const found = await findFfmpeg(target.ffmpeg);
  if ('problem' in found) throw missing(target.format, found.problem);
  if (!found.encoders.has(encoder))
    throw missing(target.format, `${found.program} lacks the encoder ${encoder}`);
  // It keeps the mode of a file that it finds.
  await (await open(target.file, 'w', 0o640)).close();
  return new EncodedFile(found.program, target);
}

function missing(format: string, why: string): GrecError {
  return new GrecError('FFMPEG_MISSING', `${format} needs ffmpeg: ${why}`);
}

class EncodedFile implements AudioFile {
  readonly channels: number;
  readonly #target: EncodedTarget;
  readonly #child: ChildProcessByStdio<Writable, null, Readable>;
  #errors = '';
  #problem: string | undefined;
  #isClosed = false;
  #moved: () => void = () => {};

  constructor(program: string, target: EncodedTarget) {
    this.#target = target;
    this.channels = target.count;
    this.#child = spawn(program, argumentsOf(target), { stdio: ['pipe', 'ignore', 'pipe'] });
    requireStreams(this.#child);
    this.#child.on('error', (error) => this.#fail(`it cannot be run: ${error.message}`));
    this.#child.on('close', (code, signal) => {
      this.#isClosed = true;
      if (code !== 0) this.#fail(this.#errors.trim().split('\n')[0] || `it ended with ${code ?? signal}`);
      this.#moved();
    });
    this.#child.stdin.on('error', () => this.#moved()).on('drain', () => this.#moved());
    this.#child.stderr
      .on('error', () => {})
      .on('data', (bytes: Buffer) => {
        if (this.#errors.length < LONGEST_ERROR)
          this.#errors += bytes.toString('latin1').slice(0, LONGEST_ERROR);
      });
  }

  async write(bytes: Buffer): Promise<void> {
    // The bytes are used again as soon as this resolves, and a pipe may take them later.
    const hasRoom =
      this.#problem !== undefined || this.#isClosed || this.#child.stdin.write(Buffer.from(bytes));
    if (!hasRoom) await this.#until(() => !this.#child.stdin.writableNeedDrain);
    this.#check();
    if (this.#isClosed) this.#give('it ended before the audio did');
  }

  async finish(): Promise<void> {
    this.#child.stdin.end();
    await this.#until(() => false);
    this.#check();
    const handle = await open(this.#target.file, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    if ((await stat(this.#target.file)).size === 0) this.#give('it wrote nothing');
  }

  async close(): Promise<void> {
    if (!this.#isClosed) this.#fail('it is not wanted any more');
  }

  async #until(isReached: () => boolean): Promise<void> {
    const stallMs = this.#target.stallMs ?? STALL_MS;
    while (!this.#isClosed && this.#problem === undefined && !isReached()) {
      const hasMoved = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), stallMs);
        this.#moved = () => {
          clearTimeout(timer);
          resolve(true);
        };
      });
      this.#moved = () => {};
      if (!hasMoved) this.#fail(`it stood still for ${stallMs / 1000} s`);
    }
  }

  #fail(problem: string): void {
    this.#problem ??= problem.replaceAll(/[^\x20-\x7e]/g, '?');
    this.#child.kill('SIGKILL');
    this.#child.stdin.destroy();
    this.#child.stderr.destroy();
    this.#moved();
  }

  #check(): void {
    if (this.#problem !== undefined) this.#give(this.#problem);
  }

  #give(why: string): never {
    forgetFfmpeg();
    throw new GrecError('FFMPEG_FAILED', `ffmpeg made no ${this.#target.format} of it: ${why}`);
  }
}

/** What ffmpeg calls so many channels; it would take a third one for a bass, and leave it out. */
const LAYOUTS = ['mono', 'stereo', '3.0', 'quad', '5.0', '5.1', '6.1', '7.1'];

/** Channels as they are: their places say nothing. */
function layoutOf(count: number): string[] {
  const channels = Array.from({ length: count }, (_, channel) => channel).join('|');
  return count <= 2 ? [] : ['-af', `channelmap=${channels}:${LAYOUTS[count - 1]}`];
}

function argumentsOf({ file, format, count, sampleRate }: EncodedTarget): string[] {
  const { encoder, container, two, mixed } = ENCODINGS[format];
  return [
    ...['-hide_banner', '-nostats', '-v', 'error', '-nostdin', '-y', '-threads', '1'],
    ...['-f', 's16le', '-ar', `${sampleRate}`, '-ac', `${count}`, '-i', 'pipe:0', '-map_metadata', '-1'],
    ...layoutOf(count),
    ...['-c:a', encoder, ...(count === 1 ? mixed : two), '-fflags', '+bitexact', '-flags:a', '+bitexact'],
    ...['-f', container, `file:${file}`],
  ];
}
