// Converting audio through ffmpeg: the one place that knows fluent-ffmpeg.
import ffmpeg from 'fluent-ffmpeg';
import { GrecError, messageOf } from '../errors.ts';
import { packagedFfmpeg } from '../ffmpeg.ts';
import type { TranscodedFormat } from './transcode-formats.ts';

/** Codec and container; the rates suit two channels of telephone speech. */
const ENCODINGS: Record<TranscodedFormat, { codec: string; container: string; bitrate?: string }> = {
  mp3: { codec: 'libmp3lame', container: 'mp3', bitrate: '48k' },
  flac: { codec: 'flac', container: 'flac' },
  ogg: { codec: 'libvorbis', container: 'ogg' },
  opus: { codec: 'libopus', container: 'opus', bitrate: '32k' },
  m4a: { codec: 'aac', container: 'ipod', bitrate: '48k' },
};

export interface TranscodeRequest {
  source: string;
  target: string;
  format: TranscodedFormat;
  /** The length of the source in milliseconds, for the progress. */
  duration: number;
  /** `[export] ffmpeg`; otherwise the one in PATH, then that of @ffmpeg-installer/ffmpeg. */
  ffmpeg: string | undefined;
  /** From 0 to 1. */
  onProgress?: ((part: number) => void) | undefined;
}

/**
 * Converts a WAV file; `target` is replaced when it exists.
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
  return new Promise((resolve, reject) => {
    const command = ffmpeg(request.source).audioCodec(codec).format(container);
    if (bitrate !== undefined) command.audioBitrate(bitrate);
    if (program !== undefined) command.setFfmpegPath(program);
    command
      .on('progress', ({ timemark }) => request.onProgress?.(partOf(timemark, request.duration)))
      .on('error', (error) => reject(explain(error, request)))
      .on('end', () => resolve())
      .save(request.target);
  });
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

function explain(error: Error, { format, ffmpeg: configured }: TranscodeRequest): GrecError {
  const message = messageOf(error).trim();
  if (/cannot find ffmpeg|ENOENT|EACCES/i.test(message)) {
    const what = configured === undefined ? 'ffmpeg is not installed' : `cannot run ${configured}`;
    return new GrecError('FFMPEG_MISSING', `${what}; ${format} needs it`, {
      hint: 'install it (Debian: apt install ffmpeg), set [export] ffmpeg, or export as wav, which needs no ffmpeg',
      cause: error,
    });
  }
  return new GrecError('FFMPEG_FAILED', `ffmpeg failed: ${message}`, {
    hint: 'a wav export needs no ffmpeg',
    cause: error,
  });
}
