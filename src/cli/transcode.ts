// Converting audio through ffmpeg: the one place that knows fluent-ffmpeg.
import { accessSync, constants } from 'node:fs';
import ffmpeg from 'fluent-ffmpeg';
import { GrecError, messageOf } from '../errors.ts';
import { packagedFfmpeg } from '../ffmpeg.ts';
import type { ExportFormat } from './transcode-formats.ts';

/** Codec and container; the rates suit two channels of telephone speech. */
const ENCODINGS: Record<ExportFormat, { codec: string; container: string; bitrate?: string }> = {
  wav: { codec: 'pcm_s16le', container: 'wav' },
  mp3: { codec: 'libmp3lame', container: 'mp3', bitrate: '48k' },
  flac: { codec: 'flac', container: 'flac' },
  ogg: { codec: 'libvorbis', container: 'ogg' },
  opus: { codec: 'libopus', container: 'opus', bitrate: '32k' },
  m4a: { codec: 'aac', container: 'ipod', bitrate: '48k' },
};

export interface TranscodeRequest {
  source: string;
  target: string;
  format: ExportFormat;
  /** Of each channel of the source, when there are more than two: 0 left, 1 right. */
  sides?: readonly (0 | 1)[] | undefined;
  /** The length of the source in milliseconds, for the progress. */
  duration: number;
  /** `[export] ffmpeg`; otherwise the one in PATH, then that of @ffmpeg-installer/ffmpeg. */
  ffmpeg: string | undefined;
  /** From 0 to 1. */
  onProgress?: ((part: number) => void) | undefined;
}

/**
 * Converts an audio file; `target` is replaced when it exists.
 * @throws GrecError FFMPEG_MISSING, FFMPEG_FAILED
 */
export async function transcode(request: TranscodeRequest): Promise<void> {
  try {
    await convert(request, request.ffmpeg);
  } catch (thrown) {
    const packaged = request.ffmpeg === undefined ? packagedFfmpeg() : undefined;
    if (packaged === undefined || !isMissing(thrown)) throw thrown;
    await convert(request, packaged);
  }
}

function convert(request: TranscodeRequest, program: string | undefined): Promise<void> {
  const { codec, container, bitrate } = ENCODINGS[request.format];
  const obstacle = obstacleOf(program);
  if (obstacle !== undefined) return Promise.reject(explain(obstacle, request));
  return new Promise((resolve, reject) => {
    const command = ffmpeg(request.source).audioCodec(codec).format(container);
    const filter = channelFilter(request);
    if (filter !== undefined) command.audioFilters(filter);
    if (bitrate !== undefined) command.audioBitrate(bitrate);
    if (program !== undefined) command.setFfmpegPath(program);
    command
      .on('progress', ({ timemark }) => request.onProgress?.(partOf(timemark, request.duration)))
      .on('error', (error) => reject(explain(error, request)))
      .on('end', () => resolve())
      .save(request.target);
  });
}

/** What ffmpeg calls so many channels. */
const LAYOUTS: Record<number, string | undefined> = {
  3: '3.0',
  4: 'quad',
  5: '5.0',
  6: '5.1',
  7: '6.1',
  8: '7.1',
};

/** Left to itself, ffmpeg takes a third channel for a bass and leaves it out. */
function channelFilter({ format, sides = [] }: TranscodeRequest): string | undefined {
  if (sides.length <= 2 || format === 'wav') return undefined;
  const layout = LAYOUTS[sides.length];
  if (format === 'flac' && layout !== undefined)
    return `channelmap=${sides.map((_, channel) => channel).join('|')}:${layout}`;
  const sumOf = (side: number) =>
    sides.flatMap((one, channel) => (one === side ? [`c${channel}`] : [])).join('+');
  return `pan=stereo|c0=${sumOf(0)}|c1=${sumOf(1)}`;
}

/** fluent-ffmpeg throws where nobody can catch it when a program is gone and another one was used before. */
function obstacleOf(program: string | undefined): Error | undefined {
  if (program?.includes('/') !== true) return undefined;
  try {
    accessSync(program, constants.X_OK);
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error(messageOf(thrown));
  }
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof GrecError && thrown.code === 'FFMPEG_MISSING';
}

/** @param timemark `hh:mm:ss.cc`; `N/A` at first. @param duration milliseconds */
function partOf(timemark: string, duration: number): number {
  const [hours = 0, minutes = 0, seconds = 0] = timemark.split(':').map(Number);
  const part = ((hours * 3600 + minutes * 60 + seconds) * 1000) / duration;
  return Number.isFinite(part) ? Math.min(1, part) : 0;
}

/** What can be had all the same. */
const WITHOUT = {
  wav: 'export it without --format: the file as it is archived needs no ffmpeg',
  other: 'export as wav, which needs no ffmpeg',
};

function explain(error: Error, { format, ffmpeg: configured }: TranscodeRequest): GrecError {
  const message = messageOf(error).trim();
  if (/cannot find ffmpeg|ENOENT|EACCES/i.test(message)) {
    const what = configured === undefined ? 'ffmpeg is not installed' : `cannot run ${configured}`;
    return new GrecError('FFMPEG_MISSING', `${what}; ${format} needs it`, {
      hint: `install it (Debian: apt install ffmpeg), set [export] ffmpeg, or ${WITHOUT[format === 'wav' ? 'wav' : 'other']}`,
      cause: error,
    });
  }
  return new GrecError('FFMPEG_FAILED', `ffmpeg failed: ${message}`, {
    hint: WITHOUT[format === 'wav' ? 'wav' : 'other'],
    cause: error,
  });
}
