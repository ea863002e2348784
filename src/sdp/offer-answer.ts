// Offers and answers of one audio line, as a phone makes them; and the door to all that is done with them (RFC 3264).
import { audioOf, type Direction, directionOf, isSecure, mediaAddress, reverseDirection } from './audio.ts';
import { connectionTo } from './redirect.ts';
import { type RtpFormat, rtpFormats, staticPayloadType } from './rtp-format.ts';
import type { Attribute, MediaDescription, SessionDescription } from './session-description.ts';

export {
  audioOf,
  type Direction,
  directionOf,
  hasKeysInSdp,
  isSecure,
  type MediaAddress,
  mediaAddress,
  reverseDirection,
} from './audio.ts';
export { keepFormats, type RedirectTarget, redirectAudio } from './redirect.ts';
export { isSpeech, type RtpFormat, rtpFormats } from './rtp-format.ts';
export { bumpVersion, continueSession } from './session-version.ts';

/** A phone's side of the audio. */
export interface LocalAudio {
  /** Numeric; RTCP is on the port after `port`. */
  address: string;
  port: number;
  /** Upper case, in order of preference: PCMA, PCMU, G722, OPUS … */
  encodings: readonly string[];
  /** Offers or accepts telephone-event (RFC 4733). */
  telephoneEvent?: boolean;
  /** `sendrecv` when left out. */
  direction?: Direction;
  /** Digits; the port when left out. */
  sessionId?: string;
  /** 1 when left out. */
  sessionVersion?: string;
}

const FIRST_DYNAMIC_PAYLOAD_TYPE = 96;
const TELEPHONE_EVENT_PAYLOAD_TYPE = 101;

/** An offer of one audio line. Encodings without a static payload type get 96 and up. */
export function createOffer(local: LocalAudio): SessionDescription {
  let dynamic = FIRST_DYNAMIC_PAYLOAD_TYPE;
  const formats = local.encodings.map((encoding): RtpFormat => {
    const payloadType = staticPayloadType(encoding) ?? dynamic++;
    const isOpus = encoding === 'OPUS';
    return { payloadType, encoding, clockRate: isOpus ? 48000 : 8000, channels: isOpus ? 2 : 1 };
  });
  if (local.telephoneEvent === true) formats.push(telephoneEvent(TELEPHONE_EVENT_PAYLOAD_TYPE));
  return describe(local, [audioLine(local.port, 'RTP/AVP', formats, local.direction ?? 'sendrecv')]);
}

function telephoneEvent(payloadType: number): RtpFormat {
  return { payloadType, encoding: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1, fmtp: '0-15' };
}

/**
 * An answer: the formats in common, ours by preference under the offer's payload types; as many media lines as the
 * offer has, all but its audio refused; the direction reversed and narrowed by our own.
 * @returns undefined when no plain RTP audio is offered, or no encoding is common
 */
export function createAnswer(offer: SessionDescription, local: LocalAudio): SessionDescription | undefined {
  const audio = audioOf(offer);
  if (audio === undefined || isSecure(audio) || mediaAddress(offer, audio) === undefined) return undefined;
  const offered = rtpFormats(audio);
  const common = local.encodings.flatMap((encoding) =>
    offered.filter((format) => format.encoding === encoding),
  );
  if (common.length === 0) return undefined;
  const event = offered.find(({ encoding }) => encoding === 'TELEPHONE-EVENT');
  if (local.telephoneEvent === true && event !== undefined) common.push(telephoneEvent(event.payloadType));
  const direction = narrow(reverseDirection(directionOf(audio, offer)), local.direction ?? 'sendrecv');
  const line = audioLine(local.port, audio.protocol, common, direction);
  return describe(
    local,
    offer.media.map((media) => (media === audio ? line : refuseBare(media))),
  );
}

/** What both directions allow. */
function narrow(one: Direction, other: Direction): Direction {
  const sends = sending(one) && sending(other);
  const receives = receiving(one) && receiving(other);
  if (sends) return receives ? 'sendrecv' : 'sendonly';
  return receives ? 'recvonly' : 'inactive';
}

function sending(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'sendonly';
}

function receiving(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'recvonly';
}

function refuseBare({ media, protocol, formats }: MediaDescription): MediaDescription {
  return { media, port: 0, protocol, formats: [...formats], bandwidths: [], other: [], attributes: [] };
}

function describe(local: LocalAudio, media: MediaDescription[]): SessionDescription {
  const connection = connectionTo(local.address);
  const { sessionId = `${local.port}`, sessionVersion = '1' } = local;
  return {
    origin: { username: '-', sessionId, sessionVersion, ...connection },
    sessionName: '-',
    information: [],
    connection,
    bandwidths: [],
    timing: [{ type: 't', value: '0 0' }],
    other: [],
    attributes: [],
    media,
  };
}

function audioLine(
  port: number,
  protocol: string,
  formats: RtpFormat[],
  direction: Direction,
): MediaDescription {
  return {
    media: 'audio',
    port,
    protocol,
    formats: formats.map(({ payloadType }) => `${payloadType}`),
    bandwidths: [],
    other: [],
    attributes: [...formats.flatMap(formatAttributes), { name: direction }],
  };
}

function formatAttributes(format: RtpFormat): Attribute[] {
  const { payloadType, encoding, clockRate, channels, fmtp } = format;
  const name = encoding === 'TELEPHONE-EVENT' ? 'telephone-event' : encoding;
  const rtpmap = `${payloadType} ${name}/${clockRate}${channels > 1 ? `/${channels}` : ''}`;
  const attributes: Attribute[] = [{ name: 'rtpmap', value: rtpmap }];
  if (fmtp !== undefined) attributes.push({ name: 'fmtp', value: `${payloadType} ${fmtp}` });
  return attributes;
}
