// Looking into one recording: what its metadata, its audio and its transcript tell.
import { join } from 'node:path';
import { findAudio, SEALED_ENDING } from '../archive/audio-format.ts';
import type { Metadata } from '../archive/metadata.ts';
import { readMetadata } from '../archive/read.ts';
import { GrecError, messageOf } from '../errors.ts';
import { analyse } from '../speech/analytics.ts';
import { withWav } from '../speech/decode.ts';
import { hearSpeech } from '../speech/hear.ts';
import type { Span } from '../speech/spans.ts';
import { type Engine, transcribe } from '../speech/transcribe.ts';
import { readTranscript, type Transcript, writeTranscript } from '../speech/transcript.ts';
import type { IndexedRow } from './rows.ts';
import type { Found } from './writer.ts';

export interface LookOptions {
  archive: string;
  transcripts: string;
  /** For what is in clear for a moment. */
  folder: string;
  ffmpeg: string | undefined;
}

/** What was found, and why that is not all. */
export interface Looked {
  found: Found;
  problem?: string;
}

/**
 * What was found; undefined when it is what was found before.
 * @param engineOf undefined when nothing is to be transcribed; throws GrecError TRANSCRIBER_UNUSABLE
 * @throws GrecError RECORDING_UNREADABLE, RECORDING_SEALED, FFMPEG_MISSING, FFMPEG_FAILED
 */
export async function lookInto(
  row: IndexedRow,
  options: LookOptions,
  engineOf: () => Promise<Engine | undefined> = async () => undefined,
): Promise<Looked | undefined> {
  const directory = join(options.archive, row.path);
  const metadata = readMetadata(directory);
  if (row.madeOf !== null && row.madeOf === metadata.madeOf && row.isAnew === 0) return undefined;
  const audio = findAudio(directory);
  if (audio.endsWith(SEALED_ENDING))
    throw new GrecError('RECORDING_SEALED', 'its audio is encrypted, and no daemon has a key', {
      hint: 'an index in clear would tell what encryption keeps: it is found by number and time alone',
    });
  const { ffmpeg, folder } = options;
  return withWav(audio, { ffmpeg, folder, duration: metadata.duration }, async (wav) => {
    const speech = hearSpeech(wav);
    const found = { madeOf: metadata.madeOf, agent: metadata.agentId, analytics: analyse(metadata, speech) };
    try {
      const heard = await hear({ wav, metadata, speech, isAnew: row.isAnew === 1 }, options, engineOf);
      return { found: { ...found, passages: heard?.passages ?? [] } };
    } catch (thrown) {
      return { found: { ...found, passages: [] }, problem: messageOf(thrown) };
    }
  });
}

interface Heard {
  wav: string;
  metadata: Metadata;
  speech: readonly Span[][];
  isAnew: boolean;
}

/** The transcript: as it was corrected, as it is known, or as the engine hears it now. */
async function hear(
  { wav, metadata, speech, isAnew }: Heard,
  { transcripts }: LookOptions,
  engineOf: () => Promise<Engine | undefined>,
): Promise<Transcript | undefined> {
  const known = (kind: 'original' | 'corrected') => {
    const transcript = readTranscript(transcripts, metadata.id, kind);
    return transcript?.madeOf === metadata.madeOf ? transcript : undefined;
  };
  const original = isAnew ? undefined : known('original');
  if (original === undefined) {
    const engine = await engineOf();
    if (engine === undefined) return known('corrected') ?? known('original');
    const heard = await transcribe(wav, metadata, speech, engine);
    writeTranscript(transcripts, heard, 'original');
    return known('corrected') ?? heard;
  }
  return known('corrected') ?? original;
}
