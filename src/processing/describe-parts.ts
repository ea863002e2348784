// Parts of the metadata of a recording: its file, what was masked, which keys were pressed, which codecs were spoken. Pure.
import { mediaIdOf } from '../archive/ids.ts';
import type { Metadata } from '../archive/metadata.ts';
import type { Binding } from './channels.ts';
import type { CodecChange, PressedKey } from './heard-words.ts';
import type { Mixdown } from './mixdown.ts';
import { pausesOf } from './pauses.ts';
import type { EventOf, PendingCall } from './situation.ts';

type MediaFile = Metadata['mediaFiles'][number];
type Decided = EventOf<'recording.decided'>;

/** Two captures of one key press lie no further apart, in microseconds. */
const SAME_KEY_US = 1_000_000;

/** @param micros microseconds since 1970 */
export function iso(micros: number): string {
  return new Date(Math.floor(micros / 1000)).toISOString();
}

/** The names are those of Genesys's media server, and what they hold too. */
export function describeFile(
  file: MediaFile,
  of: Pick<Metadata, 'id' | 'callUuids' | 'startTime' | 'stopTime'> &
    Pick<Metadata, 'callerPhoneNumber' | 'dialedPhoneNumber' | 'recordDn' | 'agentId'>,
): MediaFile {
  const { id, callUuids, startTime, stopTime, recordDn, agentId } = of;
  const [callUUID] = callUuids;
  return {
    mediaId: mediaIdOf(id, file.mediaPath),
    ...file,
    startTime,
    stopTime,
    callUUID,
    parameters: {
      dnis: of.dialedPhoneNumber,
      ani: of.callerPhoneNumber,
      connId: callUUID,
      recordDN: recordDn,
      agentId,
      dateTime: startTime,
    },
  };
}

export function describeDecision({ reason, side, rule, mandatory }: Decided): Metadata['decision'] {
  return { reason, side, rule, mandatory };
}

export function masksOf(calls: readonly PendingCall[]): Metadata['masked'] {
  const masks = pausesOf(calls).map(({ recording, from, to, by, reason }) => {
    return {
      startTime: iso(from),
      stopTime: Number.isFinite(to) ? iso(to) : undefined,
      recording,
      by,
      reason,
    };
  });
  return masks.length === 0 ? undefined : masks;
}

/** Keys and codecs by channel; what two switches captured of one key is one. */
export function describeHeard(
  { lanes }: Binding,
  { heard: { keys, codecs } }: Mixdown,
): Pick<Metadata, 'dtmf' | 'codecs'> {
  const channelOf = ({ lane }: { lane: number }) => lanes[lane]?.channel ?? lane;
  const pressed = onceEach(keys, channelOf).map((one) => {
    return { occurredAt: iso(one.at), channel: channelOf(one), key: one.key };
  });
  return {
    dtmf: pressed.length === 0 ? undefined : pressed,
    codecs: changesOf(codecs, channelOf),
  };
}

function onceEach(keys: readonly PressedKey[], channelOf: (key: PressedKey) => number): PressedKey[] {
  const kept: PressedKey[] = [];
  for (const key of keys.toSorted((one, other) => one.at - other.at)) {
    const isKnown = kept.some(
      (one) =>
        one.lane !== key.lane &&
        one.key === key.key &&
        channelOf(one) === channelOf(key) &&
        key.at - one.at < SAME_KEY_US,
    );
    if (!isKnown) kept.push(key);
  }
  return kept;
}

function changesOf(
  codecs: readonly CodecChange[],
  channelOf: (change: CodecChange) => number,
): Metadata['codecs'] {
  return codecs
    .toSorted((one, other) => one.at - other.at || one.lane - other.lane)
    .map((one) => ({ occurredAt: iso(one.at), channel: channelOf(one), codec: one.codec }));
}
