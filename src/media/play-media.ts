// ng `play media`: a sound for one party or all, in place of what the other one says (rtpengine, docs/ng_control_protocol).
import { isAbsolute } from 'node:path';
import { GrecError } from '../errors.ts';
import type { NgPlayMedia } from '../ng/request.ts';
import { loadSound, readSound, type SoundFile, soundMs } from '../sound-file.ts';
import type { Format } from '../spool/segment.ts';
import type { Playback } from './io/player.ts';
import { BYTES_PER_MS, compand, LAWS, type Law } from './sound.ts';

/** What was asked for, read. @throws GrecError NG_REFUSED, SOUND_UNUSABLE */
export function requestedSound({ file, blob, 'db-id': id }: NgPlayMedia): SoundFile {
  if (blob !== undefined) return readSound(blob, 'in the request');
  if (id !== undefined) throw refused('there is no data base of sounds: name a file, or send a blob');
  if (file === undefined) throw refused('no sound is named: send file=/path/of/a.wav, or a blob');
  if (!isAbsolute(file)) throw refused(`the file ${JSON.stringify(file)} is not named by an absolute path`);
  return loadSound(file);
}

/** A party as far as a sound for it goes. */
export interface Listener {
  tag: string;
  /** What it takes, by preference. */
  takes: readonly Format[];
  /** What the other one takes. */
  others: readonly Format[];
}

/** @throws GrecError NG_REFUSED */
export function playbackFor(listener: Listener, sound: SoundFile, request: NgPlayMedia): Playback {
  const format = lawOf(listener);
  if (format === undefined) throw refused(`${describe(listener)}: only PCMU and PCMA can be played`);
  const companded = compand(sound, format.law);
  const startAt = (request['start-pos'] ?? 0) * BYTES_PER_MS;
  if (startAt >= companded.bytes.length)
    throw refused(`start-pos is ${request['start-pos']} ms, and the sound lasts ${soundMs(sound)} ms`);
  const { payloadType } = format;
  return { sound: companded, payloadType, startAt, times: Math.max(1, request['repeat-times'] ?? 1) };
}

/** The law that a party hears: one that both take, as after an answer no other may be sent (RFC 3264 section 6.1). */
export function lawOf({
  takes,
  others,
}: Omit<Listener, 'tag'>): { law: Law; payloadType: number } | undefined {
  const known = takes.flatMap(({ encoding, clockRate, payloadType }) => {
    const law = clockRate === 8000 ? LAWS.find((one) => one === encoding) : undefined;
    return law === undefined ? [] : [{ law, payloadType }];
  });
  return known.find(({ law }) => others.some(({ encoding }) => encoding === law)) ?? known[0];
}

function describe({ tag, takes }: Listener): string {
  if (takes.length === 0) return `the party with tag ${JSON.stringify(tag)} has described no audio yet`;
  const names = takes.map(({ encoding }) => encoding).join(', ');
  return `the party with tag ${JSON.stringify(tag)} takes ${names}`;
}

function refused(message: string): GrecError {
  return new GrecError('NG_REFUSED', message);
}
