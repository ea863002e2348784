// [recording]: what goes into recordings besides the voice.

import * as v from 'valibot';
import { type Finding, isTable, oneOf, section } from './toml-schema.ts';

export const recordingSection = section({
  dtmf: v.optional(oneOf(['record', 'drop']), 'record'),
});

/** What the media server that is configured cannot do. */
export function findRecordingMistakes(raw: unknown): Finding[] {
  if (!isTable(raw) || !isTable(raw['recording']) || !isTable(raw['media'])) return [];
  if (raw['media']['engine'] !== 'rtpengine' || raw['recording']['dtmf'] !== 'drop') return [];
  return [
    {
      path: ['recording', 'dtmf'],
      message: 'rtpengine captures telephone events with all the rest: "drop" needs [media] engine = "grec"',
    },
  ];
}
