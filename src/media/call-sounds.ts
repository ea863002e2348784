// What the parties of a call hear besides each other: sounds that a controller plays, and the consent tone.
import type { Logger } from '../log.ts';
import type { NgOk } from '../ng/reply.ts';
import type { NgPlayMedia } from '../ng/request.ts';
import { directionOf } from '../sdp/offer-answer.ts';
import { soundMs } from '../sound-file.ts';
import type { Party } from '../spool/segment.ts';
import type { CallParty } from './call-party.ts';
import type { ReadyTone } from './consent-tones.ts';
import { type Listener, playbackFor, requestedSound } from './play-media.ts';
import { tonePlayback } from './tone-playback.ts';

/** A party that is to hear something, and the one that it hears as a rule. */
export interface Hearing {
  party: CallParty;
  other: CallParty;
}

/** Plays to each in its own law. @throws GrecError NG_REFUSED, SOUND_UNUSABLE: then to nobody */
export function playTo(hearings: readonly Hearing[], request: NgPlayMedia): NgOk {
  const sound = requestedSound(request);
  const playbacks = hearings.map((hearing) => playbackFor(listenerOf(hearing), sound, request));
  for (const [index, { party }] of hearings.entries()) party.leg.play(playbacks[index]);
  return { result: 'ok', duration: soundMs(sound) };
}

/** The tone once, for those who are to hear it. */
export function announceTo(
  hearings: readonly Hearing[],
  tone: ReadyTone,
  roleOf: (party: CallParty) => Party['role'] | undefined,
  log: Logger,
): void {
  for (const hearing of hearings) {
    const { party } = hearing;
    if (tone.parties !== 'all' && tone.parties !== roleOf(party)) continue;
    if (!isListening(party)) continue;
    const playback = tonePlayback(listenerOf(hearing), tone);
    if (playback !== undefined) party.leg.sound(playback);
    else warnOfNoTone(party, log);
  }
}

/** Who holds the other party, or has stopped all media, is sent nothing (RFC 3264 section 8.4): its turn comes again. */
function isListening({ description }: CallParty): boolean {
  if (description === undefined) return false;
  const direction = directionOf(description.audio, description.sdp);
  return direction === 'sendrecv' || direction === 'recvonly';
}

/** Once for each party: it is recorded, and is not told. */
function warnOfNoTone(party: CallParty, log: Logger): void {
  if (party.isToneRefused) return;
  party.isToneRefused = true;
  const takes = party.description?.formats.map(({ encoding }) => encoding);
  log.error(
    { alarm: 'consent-tone', tag: party.tag, takes, hint: 'offer it PCMU or PCMA' },
    'a party that is recorded cannot be played the consent tone: it takes no G.711',
  );
}

function listenerOf({ party, other }: Hearing): Listener {
  return {
    tag: party.tag,
    takes: party.description?.formats ?? [],
    others: other.description?.formats ?? [],
  };
}
