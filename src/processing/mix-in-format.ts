// The mixdown in the format that is configured, and in WAV when that cannot be made: no recording is lost for its format.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AudioFormat, audioKind } from '../archive/audio-format.ts';
import { GrecError } from '../errors.ts';
import type { AudioSetting } from './audio-file.ts';
import { type Mixdown, type MixdownPlan, type MixdownSegment, mixDown } from './mixdown.ts';

export interface MixedInFormat {
  mixdown: Mixdown;
  file: string;
  format: AudioFormat;
  /** Why it is WAV when it should not be. */
  remarks: string[];
}

/**
 * @param directory where the file is made
 * @throws what mixDown throws, but for what ffmpeg could not do
 */
export async function mixInFormat(
  segments: readonly MixdownSegment[],
  directory: string,
  setting: AudioSetting,
  plan?: MixdownPlan,
): Promise<MixedInFormat> {
  const format = setting.format ?? 'wav';
  const file = join(directory, audioKind(format).mediaPath);
  try {
    return { mixdown: await mixDown(segments, file, setting, plan), file, format, remarks: [] };
  } catch (thrown) {
    const isFormat = thrown instanceof GrecError && /^FFMPEG_/.test(thrown.code);
    if (!isFormat || format === 'wav') throw thrown;
    await rm(file, { force: true });
    const made = await mixInFormat(segments, directory, { ...setting, format: 'wav' }, plan);
    return { ...made, remarks: [`archived as WAV: ${thrown.message}`] };
  }
}
