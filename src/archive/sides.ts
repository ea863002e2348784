// On which side each channel of a recording belongs, where only two can be heard: agents left, customers right.
import type { Metadata } from './metadata.ts';

/** No file of ours has more. */
const MOST_CHANNELS = 16;

/** By channel: 0 left, 1 right. Of one channel there is but one side. */
export function sidesOf({ mediaFiles, parties }: Pick<Metadata, 'mediaFiles' | 'parties'>): (0 | 1)[] {
  return Array.from({ length: Math.min(MOST_CHANNELS, mediaFiles[0]?.channels ?? 0) }, (_, channel) => {
    if (channel < 2) return channel === 0 ? 0 : 1;
    const isAgents = parties.some((party) => party.channel === channel && party.role === 'agent');
    return isAgents ? 0 : 1;
  });
}
