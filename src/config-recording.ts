// [recording]: what goes into recordings besides the voice, and how parties are told of them.
import { resolve } from 'node:path';
import * as v from 'valibot';
import { type Finding, flag, isTable, oneOf, section, text, within } from './toml-schema.ts';

export const TONE_PARTIES = ['all', 'agent', 'customer'] as const;

export const recordingSection = section({
  format: v.optional(oneOf(['wav', 'wav-g711', 'opus', 'mp3', 'flac']), 'wav'),
  channels: v.optional(oneOf(['two', 'mixed']), 'two'),
  dtmf: v.optional(oneOf(['record', 'drop']), 'record'),
  'consent-tone': section({
    file: v.optional(text('the path of a WAV file')),
    parties: v.optional(oneOf(TONE_PARTIES), 'all'),
    interval: v.optional(within(1500, 3_600_000, 'a whole number of milliseconds'), 30_000),
    record: v.optional(flag, false),
  }),
});

/** The file of the consent tone, relative to the directory `base`; undefined when there is none. */
export function placeToneFile(base: string, { file }: { file?: string | undefined }): string | undefined {
  return file === undefined ? undefined : resolve(base, file);
}

/** What the media server that is configured cannot do, and a tone that is described and not named. */
export function findRecordingMistakes(raw: unknown): Finding[] {
  if (!isTable(raw) || !isTable(raw['recording'])) return [];
  const { dtmf, 'consent-tone': tone } = raw['recording'];
  const findings: Finding[] = [];
  const isForeign = isTable(raw['media']) && raw['media']['engine'] === 'rtpengine';
  if (isForeign && dtmf === 'drop')
    findings.push({
      path: ['recording', 'dtmf'],
      message: 'rtpengine captures telephone events with all the rest: "drop" needs [media] engine = "grec"',
    });
  if (!isTable(tone)) return findings;
  const path = ['recording', 'consent-tone'];
  if (isForeign && tone['file'] !== undefined)
    findings.push({
      path: [...path, 'file'],
      message: 'a consent tone is played by grec-mediad: it needs [media] engine = "grec"',
    });
  const [first] = Object.keys(tone);
  if (first !== undefined && tone['file'] === undefined)
    findings.push({ path: [...path, first], message: 'needs file beside it: the tone that is to be played' });
  return findings;
}
