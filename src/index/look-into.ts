// Looking into one recording: what its metadata and its audio tell.
import { join } from 'node:path';
import { findAudio, SEALED_ENDING } from '../archive/audio-format.ts';
import { readMetadata } from '../archive/read.ts';
import { GrecError } from '../errors.ts';
import { analyse } from '../speech/analytics.ts';
import { withWav } from '../speech/decode.ts';
import { hearSpeech } from '../speech/hear.ts';
import type { IndexedRow } from './rows.ts';
import type { Found } from './writer.ts';

export interface LookOptions {
  archive: string;
  /** For what is in clear for a moment. */
  folder: string;
  ffmpeg: string | undefined;
}

/**
 * What was found; undefined when it is what was found before.
 * @throws GrecError RECORDING_UNREADABLE, RECORDING_SEALED, FFMPEG_MISSING, FFMPEG_FAILED
 */
export async function lookInto(row: IndexedRow, options: LookOptions): Promise<Found | undefined> {
  const directory = join(options.archive, row.path);
  const metadata = readMetadata(directory);
  if (row.madeOf !== null && row.madeOf === metadata.madeOf) return undefined;
  const audio = findAudio(directory);
  if (audio.endsWith(SEALED_ENDING))
    throw new GrecError('RECORDING_SEALED', 'its audio is encrypted, and no daemon has a key', {
      hint: 'an index in clear would tell what encryption keeps: it is found by number and time alone',
    });
  const { ffmpeg, folder } = options;
  const speech = await withWav(audio, { ffmpeg, folder, duration: metadata.duration }, hearSpeech);
  return { madeOf: metadata.madeOf, agent: metadata.agentId, analytics: analyse(metadata, speech) };
}
