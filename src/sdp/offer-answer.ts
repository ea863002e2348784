// What a media relay and a phone do with offers and answers of audio (RFC 3264).
import { isIPv6 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import {
  audioOf,
  type Direction,
  directionOf,
  isDirection,
  isHeldByAddress,
  mediaAddress,
  reverseDirection,
} from './audio.ts';
import { isSpeech, type RtpFormat, rtpFormats, staticPayloadType } from './rtp-format.ts';
import type { Attribute, Connection, MediaDescription, SessionDescription } from './session-description.ts';

export * from './audio.ts';
export { isSpeech, type RtpFormat, rtpFormats } from './rtp-format.ts';

/** Attributes that hold for one transport address only, or for keys bound to it; they die when media is redirected. */
const TRANSPORT_BOUND = new Set([
  'rtcp',
  'rtcp-mux',
  'rtcp-mux-only',
  'candidate',
  'end-of-candidates',
  'remote-candidates',
  'ice-ufrag',
  'ice-pwd',
  'ice-options',
  'ice-lite',
  'ice-mismatch',
  'ice-pacing',
  'crypto',
  'fingerprint',
  'setup',
  'connection',
  'tls-id',
  'key-mgmt',
  'zrtp-hash',
  'group',
  'bundle-only',
  'source-filter',
  'altc',
]);

/** One's own end of the audio. */
export interface RedirectTarget {
  /** A numeric address. */
  address: string;
  rtpPort: number;
  rtcpPort: number;
}

/**
 * A copy in which the audio line points to `target`, without attributes bound to the old transport; every other
 * media line is refused but stays, so that answers keep matching offers line by line (RFC 3264 section 6).
 * A hold by unspecified address becomes a hold by direction, since the address is no longer the party's.
 */
export function redirectAudio(sdp: SessionDescription, target: RedirectTarget): SessionDescription {
  const audio = audioOf(sdp);
  return {
    ...structuredClone(sdp),
    connection: connectionTo(target.address),
    attributes: withoutTransport(sdp.attributes),
    media: sdp.media.map((media) => (media === audio ? redirect(sdp, media, target) : refuse(media))),
  };
}

function redirect(
  sdp: SessionDescription,
  media: MediaDescription,
  target: RedirectTarget,
): MediaDescription {
  const { connection: _connection, portCount: _portCount, ...kept } = structuredClone(media);
  let attributes = withoutTransport(kept.attributes);
  if (isHeldByAddress(sdp, media)) {
    attributes = attributes.filter(({ name }) => !isDirection(name));
    attributes.push({ name: directionOf(media, sdp) });
  }
  if (target.rtcpPort !== target.rtpPort + 1) attributes.push({ name: 'rtcp', value: `${target.rtcpPort}` });
  return { ...kept, port: target.rtpPort, attributes };
}

/** The media line with port 0 and nothing of its transport. */
function refuse(media: MediaDescription): MediaDescription {
  const { connection: _connection, portCount: _portCount, ...kept } = structuredClone(media);
  return { ...kept, port: 0, attributes: withoutTransport(kept.attributes) };
}

function withoutTransport(attributes: Attribute[]): Attribute[] {
  return attributes.filter(({ name }) => !TRANSPORT_BOUND.has(name)).map((attribute) => ({ ...attribute }));
}

function connectionTo(address: string): Connection {
  return { addressType: isIPv6(address) ? 'IP6' : 'IP4', address };
}

/**
 * A copy whose audio line keeps only the formats that `keep` wants, with their rtpmap, fmtp and rtcp-fb.
 * @returns undefined when there is no audio line, or no format that carries speech would be left
 */
export function keepFormats(
  sdp: SessionDescription,
  keep: (format: RtpFormat) => boolean,
): SessionDescription | undefined {
  const audio = audioOf(sdp);
  if (audio === undefined) return undefined;
  const kept = rtpFormats(audio).filter(keep);
  if (!kept.some(isSpeech)) return undefined;
  const formats = kept.map(({ payloadType }) => `${payloadType}`);
  const attributes = audio.attributes.filter((attribute) => isOfFormats(attribute, formats));
  const media = sdp.media.map((one) => (one === audio ? { ...one, formats, attributes } : one));
  return structuredClone({ ...sdp, media });
}

function isOfFormats({ name, value = '' }: Attribute, formats: string[]): boolean {
  if (name !== 'rtpmap' && name !== 'fmtp' && name !== 'rtcp-fb') return true;
  const format = value.split(' ', 1)[0] ?? '';
  return format === '*' || formats.includes(format);
}

/**
 * The description with the origin that an earlier one of the same session had: version kept when nothing else
 * changed, one more otherwise (RFC 3264 section 8). Without an earlier one it is returned as it is.
 */
export function continueSession(
  previous: SessionDescription | undefined,
  next: SessionDescription,
): SessionDescription {
  if (previous === undefined) return next;
  const same = { ...next, origin: previous.origin };
  return isDeepStrictEqual(same, previous) ? same : bumpVersion(same);
}

/** A copy with the session version one higher. */
export function bumpVersion(sdp: SessionDescription): SessionDescription {
  const sessionVersion = `${BigInt(sdp.origin.sessionVersion) + 1n}`;
  return { ...sdp, origin: { ...sdp.origin, sessionVersion } };
}

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
  if (audio === undefined || mediaAddress(offer, audio) === undefined) return undefined;
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
