// The audio of a recording as WAV, whatever it is archived as: for what reads samples.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { CliContext } from './context.ts';

export function isWav(audio: string): boolean {
  return extname(audio) === '.wav';
}

/**
 * Runs `work` on the file itself, or on a private WAV copy of it, which is removed afterwards.
 * @throws GrecError FFMPEG_MISSING, FFMPEG_FAILED
 */
export async function withWav<T>(
  context: CliContext,
  audio: string,
  work: (wav: string) => T | Promise<T>,
): Promise<T> {
  if (isWav(audio)) return work(audio);
  // mkdtemp makes it readable by this user alone.
  const directory = mkdtempSync(join(tmpdir(), 'grec-wav-'));
  try {
    const wav = join(directory, 'audio.wav');
    const { transcode } = await import('./transcode.ts');
    const { ffmpeg } = context.config.export;
    await transcode({ source: audio, target: wav, format: 'wav', duration: 1, ffmpeg });
    return await work(wav);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
