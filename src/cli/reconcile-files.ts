// Whether a recording can be played: its metadata can be read, and its audio is as long as it says.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { readMetadata } from '../archive/read.ts';
import { wavFormat } from '../archive/wav-file.ts';
import { messageOf } from '../errors.ts';

/** What the metadata rounds. */
const ROUNDED_MS = 1;

/** @returns what is wrong with it; undefined when it can be played */
export function faultOf(directory: string): string | undefined {
  try {
    const { mediaFiles } = readMetadata(directory);
    if (mediaFiles.length === 0) return 'it has no media file';
    for (const { mediaPath, size, duration, type, encryption } of mediaFiles) {
      const file = join(directory, mediaPath);
      const found = statSync(file).size;
      if (found !== size) return `${mediaPath}: ${found} bytes, the metadata says ${size}`;
      const fault =
        type === 'audio/wav' && encryption === undefined ? lengthFault(file, duration) : undefined;
      if (fault !== undefined) return `${mediaPath}: ${fault}`;
    }
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

function lengthFault(file: string, duration: number): string | undefined {
  const { frames, sampleRate } = wavFormat(file);
  const ms = (frames * 1000) / sampleRate;
  return Math.abs(ms - duration) <= ROUNDED_MS
    ? undefined
    : `${Math.round(ms)} ms of audio, the metadata says ${duration}`;
}
