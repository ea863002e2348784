// Comparing descriptions: whether one says something else about its audio than another, and which one says more (RFC 3264).
import { isCrypto } from '../sdp/crypto.ts';
import { audioOf, isSpeech, mediaAddress, rtpFormats } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import type { SessionDescription } from '../sdp/session-description.ts';

/** What the processor can make audible. */
const SPOKEN = new Set(['PCMU', 'PCMA']);

/** True when both want the same formats at the same place, under the same keys. */
export function isSameMedia(one: Buffer, other: Buffer): boolean {
  if (one.equals(other)) return true;
  const [before, after] = [read(one), read(other)];
  return before !== undefined && after !== undefined && shown(before) === shown(after);
}

function shown(sdp: SessionDescription): string {
  const audio = audioOf(sdp);
  if (audio === undefined) return '';
  const formats = rtpFormats(audio).filter(isSpeech);
  return JSON.stringify([
    mediaAddress(sdp, audio),
    formats.map(({ payloadType, encoding }) => [payloadType, encoding]),
    audio.attributes.filter(isCrypto),
  ]);
}

/**
 * True when `one` names more formats that can be recorded than `other` does: an answer names what was chosen, an offer all
 * that its party can do.
 */
export function isRicher(one: Buffer | undefined, other: Buffer | undefined): boolean {
  return spokenFormats(one) > spokenFormats(other);
}

function spokenFormats(sdp: Buffer | undefined): number {
  const parsed = sdp && read(sdp);
  const audio = parsed && audioOf(parsed);
  if (audio === undefined) return 0;
  return rtpFormats(audio).filter(({ encoding }) => SPOKEN.has(encoding)).length;
}

function read(sdp: Buffer): SessionDescription | undefined {
  const parsed = parseSdp(sdp);
  return parsed.ok ? parsed.sdp : undefined;
}
