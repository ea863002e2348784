// How one party is to hear the consent tone, by what it takes.
import type { Format } from '../spool/segment.ts';
import type { ReadyTone } from './consent-tones.ts';
import type { TonePlayback } from './io/tone.ts';
import { type Listener, lawOf } from './play-media.ts';
import { LAWS, type Law } from './sound.ts';

/** Known without a description (RFC 3551 table 4). */
const STATIC_LAWS: readonly [number, Law][] = [
  [0, 'PCMU'],
  [8, 'PCMA'],
];
/** What goes with voice and is none. */
const COMPANIONS = new Set(['TELEPHONE-EVENT', 'CN']);

/** @returns undefined when it takes no G.711 */
export function tonePlayback(listener: Omit<Listener, 'tag'>, tone: ReadyTone): TonePlayback | undefined {
  const own = lawOf(listener);
  if (own === undefined) return undefined;
  const laws = new Map(STATIC_LAWS);
  const others: number[] = [];
  for (const format of listener.takes) {
    const law = lawNamed(format);
    laws.delete(format.payloadType);
    if (law !== undefined) laws.set(format.payloadType, law);
    else if (!COMPANIONS.has(format.encoding)) others.push(format.payloadType);
  }
  return {
    sound: tone.sounds[own.law],
    payloadType: own.payloadType,
    laws: [...laws].map(([payloadType, law]) => ({ payloadType, law })),
    others,
    isRecorded: tone.isRecorded,
  };
}

function lawNamed({ encoding, clockRate }: Format): Law | undefined {
  return clockRate === 8000 ? LAWS.find((law) => law === encoding) : undefined;
}
