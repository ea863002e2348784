// The consent tone of a configuration: read, and known to be one that can be played as it is configured.
import type { Config } from './config.ts';
import { GrecError } from './errors.ts';
import { loadSound, type SoundFile, soundMs } from './sound-file.ts';

const TABLE = 'recording.consent-tone';

export interface ConsentTone {
  sound: SoundFile;
  /** Who hears it. */
  parties: Config['recording']['consent-tone']['parties'];
  /** From the beginning of one to that of the next. */
  intervalMs: number;
  /** It is in the recording too. */
  isRecorded: boolean;
}

/** What is wrong with a tone, which only its file tells. */
export interface ToneProblem {
  key: string;
  message: string;
  hint: string;
}

type ToneConfig = Pick<Config, 'file' | 'paths' | 'recording'>;

/**
 * The tone, or undefined when none is configured.
 * @throws GrecError CONFIG_INVALID
 */
export function loadConsentTone(config: ToneConfig): ConsentTone | undefined {
  const read = readConsentTone(config);
  if (read === undefined || 'sound' in read) return read;
  const { key, message, hint } = read;
  const place = config.file === undefined ? '' : `${config.file}: `;
  throw new GrecError('CONFIG_INVALID', `${place}${key}: ${message}`, { hint });
}

export function readConsentTone({ paths, recording }: ToneConfig): ConsentTone | ToneProblem | undefined {
  const file = paths.consentTone;
  if (file === undefined) return undefined;
  const { parties, interval, record } = recording['consent-tone'];
  const sound = load(file);
  if ('message' in sound) return sound;
  const lasts = soundMs(sound);
  if (lasts <= interval) return { sound, parties, intervalMs: interval, isRecorded: record };
  return {
    key: `${TABLE}.interval`,
    message: `${file} lasts ${lasts} ms, and would begin again after ${interval}`,
    hint: 'take a longer interval or a shorter tone',
  };
}

function load(file: string): SoundFile | ToneProblem {
  try {
    return loadSound(file);
  } catch (thrown) {
    if (!(thrown instanceof GrecError)) throw thrown;
    const { message, hint = 'name another file' } = thrown;
    return { key: `${TABLE}.file`, message, hint };
  }
}
