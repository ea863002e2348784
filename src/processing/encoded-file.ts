// A compressed audio file, which ffmpeg writes: samples go to it through a pipe, as they become final.
import { open, stat } from 'node:fs/promises';
import { GrecError } from '../errors.ts';
import { findFfmpeg, forgetFfmpeg } from '../ffmpeg.ts';
import { syncPath } from '../sync.ts';
import type { AudioFile } from './audio-file.ts';
import { FfmpegProcess } from './ffmpeg-process.ts';

const STALL_MS = 30_000;

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
  readonly #ffmpeg: FfmpegProcess;

  constructor(program: string, target: EncodedTarget) {
    const { stallMs = STALL_MS } = target;
    this.#target = target;
    this.channels = target.count;
    this.#ffmpeg = new FfmpegProcess({ program, args: argumentsOf(target), stallMs, called: 'it' });
  }

  async write(bytes: Buffer): Promise<void> {
    // The bytes are used again as soon as this resolves, and a pipe may take them later.
    if (!this.#ffmpeg.write(Buffer.from(bytes))) await this.#ffmpeg.drained();
    this.#check();
    if (this.#ffmpeg.isClosed) this.#give('it ended before the audio did');
  }

  async finish(): Promise<void> {
    await this.#ffmpeg.end();
    this.#check();
    await syncPath(this.#target.file);
    if ((await stat(this.#target.file)).size === 0) this.#give('it wrote nothing');
  }

  async close(): Promise<void> {
    this.#ffmpeg.kill();
  }

  #check(): void {
    const { problem } = this.#ffmpeg;
    if (problem !== undefined) this.#give(problem);
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
    ...[
      '-y',
      '-f',
      's16le',
      '-ar',
      `${sampleRate}`,
      '-ac',
      `${count}`,
      '-i',
      'pipe:0',
      '-map_metadata',
      '-1',
    ],
    ...layoutOf(count),
    ...['-c:a', encoder, ...(count === 1 ? mixed : two), '-fflags', '+bitexact', '-flags:a', '+bitexact'],
    ...['-f', container, `file:${file}`],
  ];
}
