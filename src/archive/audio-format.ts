// The formats in which audio is archived: what the file is called, and what it is.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const AUDIO_TYPES = ['audio/wav', 'audio/ogg', 'audio/mpeg', 'audio/flac'] as const;
export type AudioFormat = 'wav' | 'wav-g711' | 'opus' | 'mp3' | 'flac';

interface AudioKind {
  mediaPath: string;
  type: (typeof AUDIO_TYPES)[number];
}

const WAV: AudioKind = { mediaPath: 'audio.wav', type: 'audio/wav' };
const KINDS: Record<AudioFormat, AudioKind> = {
  wav: WAV,
  'wav-g711': WAV,
  opus: { mediaPath: 'audio.opus', type: 'audio/ogg' },
  mp3: { mediaPath: 'audio.mp3', type: 'audio/mpeg' },
  flac: { mediaPath: 'audio.flac', type: 'audio/flac' },
};

/** The file of a recording in this format. */
export function audioKind(format: AudioFormat): AudioKind {
  return KINDS[format];
}

/** What the name of an encrypted file ends with. */
export const SEALED_ENDING = '.cms';

/** The audio that stands in a recording's directory; where there is none, the name that it has by default. */
export function findAudio(directory: string): string {
  const clear = Object.values(KINDS).map(({ mediaPath }) => mediaPath);
  const names = clear.flatMap((name) => [name, `${name}${SEALED_ENDING}`]);
  return join(directory, names.find((name) => existsSync(join(directory, name))) ?? WAV.mediaPath);
}
