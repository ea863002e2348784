// An offer whose formats are taken out or put in another order by the names of their encodings (RFC 3264 section 5.1).
import { audioOf } from './audio.ts';
import { isOfFormats } from './redirect.ts';
import { isSpeech, type RtpFormat, rtpFormats } from './rtp-format.ts';
import type { SessionDescription } from './session-description.ts';

/** Names of encodings, with or without clock rate and channels: `PCMA`, `opus/48000/2`. In any case of letters. */
export interface FormatChoice {
  /** Taken out; `all` and `full` stand for every one. */
  strip: readonly string[];
  /** Stay, whatever is stripped. */
  except: readonly string[];
  /** Stay, and come first, in this order. */
  first: readonly string[];
}

const EVERY = new Set(['ALL', 'FULL']);

/**
 * A copy whose audio line holds what the choice leaves, with its rtpmap, fmtp and rtcp-fb.
 * @returns undefined when there is no audio line, or no format that carries speech would be left
 */
export function selectFormats(
  sdp: SessionDescription,
  { strip, except, first }: FormatChoice,
): SessionDescription | undefined {
  const audio = audioOf(sdp);
  if (audio === undefined) return undefined;
  const isStripped = (format: RtpFormat) => strip.some((name) => isCalled(format, name));
  const stays = (format: RtpFormat) => [...except, ...first].some((name) => isCalled(format, name, false));
  const left = rtpFormats(audio).filter((format) => stays(format) || !isStripped(format));
  const rankOf = (format: RtpFormat) => {
    const rank = first.findIndex((name) => isCalled(format, name, false));
    return rank === -1 ? first.length : rank;
  };
  left.sort((one, other) => rankOf(one) - rankOf(other));
  if (!left.some(isSpeech)) return undefined;
  const formats = left.map(({ payloadType }) => `${payloadType}`);
  const attributes = audio.attributes.filter((attribute) => isOfFormats(attribute, formats));
  const media = sdp.media.map((one) => (one === audio ? { ...one, formats, attributes } : one));
  return structuredClone({ ...sdp, media });
}

/** @param mayBeAll whether the words for every encoding count as a name */
function isCalled({ encoding, clockRate, channels }: RtpFormat, name: string, mayBeAll = true): boolean {
  const [wanted = '', rate, count] = name.toUpperCase().split('/');
  if (mayBeAll && EVERY.has(wanted)) return true;
  if (wanted !== encoding) return false;
  return (rate === undefined || rate === `${clockRate}`) && (count === undefined || count === `${channels}`);
}
