// Descriptions rewritten on their way through a relay: where the audio goes, and which formats it may have (RFC 3264).
import { isIPv6 } from 'node:net';
import { audioOf, directionOf, isDirection, isHeldByAddress } from './audio.ts';
import { isSpeech, type RtpFormat, rtpFormats } from './rtp-format.ts';
import type { Attribute, Connection, MediaDescription, SessionDescription } from './session-description.ts';

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
    // Media lines are copied below, once: with thousands of attributes a copy takes milliseconds.
    ...structuredClone({ ...sdp, attributes: [], media: [] }),
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
  const { connection: _connection, portCount: _portCount, ...kept } = withoutAttributes(media);
  let attributes = withoutTransport(media.attributes);
  if (isHeldByAddress(sdp, media)) {
    attributes = attributes.filter(({ name }) => !isDirection(name));
    attributes.push({ name: directionOf(media, sdp) });
  }
  if (target.rtcpPort !== target.rtpPort + 1) attributes.push({ name: 'rtcp', value: `${target.rtcpPort}` });
  return { ...kept, port: target.rtpPort, attributes };
}

/** The media line with port 0 and nothing of its transport. */
function refuse(media: MediaDescription): MediaDescription {
  const { connection: _connection, portCount: _portCount, ...kept } = withoutAttributes(media);
  return { ...kept, port: 0, attributes: withoutTransport(media.attributes) };
}

/** A copy of the rest: attributes are many, and copied as they are chosen. */
function withoutAttributes(media: MediaDescription): MediaDescription {
  return structuredClone({ ...media, attributes: [] });
}

function withoutTransport(attributes: Attribute[]): Attribute[] {
  return attributes.filter(({ name }) => !TRANSPORT_BOUND.has(name)).map((attribute) => ({ ...attribute }));
}

/** `c=` for a numeric address. */
export function connectionTo(address: string): Connection {
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

/** Whether an attribute says nothing of formats that are not among these payload types. */
export function isOfFormats({ name, value = '' }: Attribute, formats: string[]): boolean {
  if (name !== 'rtpmap' && name !== 'fmtp' && name !== 'rtcp-fb') return true;
  const format = value.split(' ', 1)[0] ?? '';
  return format === '*' || formats.includes(format);
}
