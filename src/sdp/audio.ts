// What the audio of a session description says: which line, which way, where to (RFC 3264, 3605, 5761).
import {
  type Attribute,
  attributeOf,
  type MediaDescription,
  type SessionDescription,
} from './session-description.ts';

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

export interface MediaAddress {
  /** Numeric, or a host name. */
  address: string;
  rtpPort: number;
  /** Of `a=rtcp`, else the port after RTP's. */
  rtcpPort: number;
  /** RTP and RTCP on one port are offered or accepted. */
  rtcpMux: boolean;
}

const PLAIN_RTP = /^RTP\/AVPF?$/i;
const SECURE_RTP = /^(?:UDP\/TLS\/)?RTP\/SAVPF?$/i;
const UNSPECIFIED = new Set(['0.0.0.0', '::']);

/**
 * The audio line that carries the call: the first active one over plain RTP, which everybody can do, of those that a phone offers
 * side by side; failing that the first over SRTP with its keys in the description, then any over SRTP. Undefined when
 * every audio line is refused or not RTP.
 */
export function audioOf(sdp: SessionDescription): MediaDescription | undefined {
  const active = sdp.media.filter(({ media, port }) => media === 'audio' && port !== 0);
  const isPlain = ({ protocol }: MediaDescription) => PLAIN_RTP.test(protocol);
  return active.find(isPlain) ?? active.find(hasKeysInSdp) ?? active.find(isSecure);
}

/** True for RTP/SAVP, RTP/SAVPF and their DTLS kin. */
export function isSecure(media: MediaDescription): boolean {
  return SECURE_RTP.test(media.protocol);
}

/** True for SRTP whose keys stand in the description (RFC 4568), not agreed by DTLS. */
export function hasKeysInSdp(media: MediaDescription): boolean {
  return /^RTP\/SAVPF?$/i.test(media.protocol);
}

/**
 * The direction as its sender sees it. An unspecified address is hold as RFC 2543 had it (RFC 3264 section 8.4): its
 * sender wants to receive nothing.
 */
export function directionOf(media: MediaDescription, session: SessionDescription): Direction {
  const stated = statedDirection(media.attributes) ?? statedDirection(session.attributes) ?? 'sendrecv';
  if (!isHeldByAddress(session, media)) return stated;
  return stated === 'sendrecv' || stated === 'sendonly' ? 'sendonly' : 'inactive';
}

/** The direction that answers another: what one sends, the other receives (RFC 3264 section 6.1). */
export function reverseDirection(direction: Direction): Direction {
  if (direction === 'sendonly') return 'recvonly';
  return direction === 'recvonly' ? 'sendonly' : direction;
}

/** True for an attribute that states a direction. */
export function isDirection(name: string): name is Direction {
  return name === 'sendrecv' || name === 'sendonly' || name === 'recvonly' || name === 'inactive';
}

/** True when the address of the line is 0.0.0.0 or ::. */
export function isHeldByAddress(session: SessionDescription, media: MediaDescription): boolean {
  const connection = media.connection ?? session.connection;
  return connection !== undefined && UNSPECIFIED.has(connection.address);
}

/**
 * Where the sender of the description wants its media; undefined when no `c=` line covers it. Port 65535 has no next:
 * RTCP then goes to the RTP port.
 */
export function mediaAddress(sdp: SessionDescription, media: MediaDescription): MediaAddress | undefined {
  const connection = media.connection ?? sdp.connection;
  if (connection === undefined) return undefined;
  const rtpPort = media.port;
  const rtcpPort = statedRtcpPort(media) ?? Math.min(rtpPort + 1, 65535);
  return {
    address: connection.address,
    rtpPort,
    rtcpPort,
    rtcpMux: attributeOf(media, 'rtcp-mux') !== undefined,
  };
}

function statedDirection(attributes: Attribute[]): Direction | undefined {
  for (const { name } of attributes) if (isDirection(name)) return name;
  return undefined;
}

function statedRtcpPort(media: MediaDescription): number | undefined {
  const port = Number(/^([0-9]{1,5})(?: |$)/.exec(attributeOf(media, 'rtcp') ?? '')?.[1]);
  return port >= 1 && port <= 65535 ? port : undefined;
}
