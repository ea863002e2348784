// Where somebody speaks in a WAV file, by channel.
import { readWav } from '../archive/wav-file.ts';
import type { Span } from './spans.ts';
import { VoiceActivity } from './voice-activity.ts';

/** Reads the file in pieces. @throws GrecError RECORDING_UNREADABLE */
export function hearSpeech(wav: string): Span[][] {
  const channels: VoiceActivity[] = [];
  readWav(
    wav,
    ({ sampleRate, channels: count }) => {
      for (let channel = 0; channel < count; channel++) channels.push(new VoiceActivity(sampleRate));
    },
    (samples) => {
      for (const [channel, activity] of channels.entries()) activity.push(samples, channel, channels.length);
    },
  );
  return channels.map((activity) => activity.end());
}
