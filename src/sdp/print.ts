// Session description to text, its lines in the order of RFC 8866 section 5.
import { GrecError } from '../errors.ts';
import type {
  Attribute,
  Bandwidth,
  Connection,
  Line,
  MediaDescription,
  Origin,
  SessionDescription,
} from './session-description.ts';

/**
 * The text of a session description, each line ended by CRLF; `parseSdp` reads it back as the same value.
 * @throws GrecError SDP_INVALID for a value that would break out of its line (never one that `parseSdp` gave)
 */
export function printSdp(sdp: SessionDescription): string {
  const lines = [
    'v=0',
    `o=${printOrigin(sdp.origin)}`,
    `s=${sdp.sessionName}`,
    ...sdp.information.map(printLine),
    ...printConnection(sdp.connection),
    ...sdp.bandwidths.map(printBandwidth),
    ...sdp.timing.map(printLine),
    ...sdp.other.map(printLine),
    ...sdp.attributes.map(printAttribute),
    ...sdp.media.flatMap(printMedia),
  ];
  const broken = lines.find((line) => /[\r\n\0]/.test(line));
  if (broken !== undefined) {
    // The keys of SRTP stand in lines too.
    const shown = broken.replace(/inline:.*/s, 'inline:…').slice(0, 80);
    throw new GrecError('SDP_INVALID', `a line break within ${JSON.stringify(shown)}`);
  }
  return `${lines.join('\r\n')}\r\n`;
}

function printOrigin(origin: Origin): string {
  const { username, sessionId, sessionVersion, addressType, address } = origin;
  return `${username} ${sessionId} ${sessionVersion} IN ${addressType} ${address}`;
}

function printMedia(media: MediaDescription): string[] {
  const port = media.portCount === undefined ? `${media.port}` : `${media.port}/${media.portCount}`;
  return [
    `m=${[media.media, port, media.protocol, ...media.formats].join(' ')}`,
    ...(media.title === undefined ? [] : [`i=${media.title}`]),
    ...printConnection(media.connection),
    ...media.bandwidths.map(printBandwidth),
    ...media.other.map(printLine),
    ...media.attributes.map(printAttribute),
  ];
}

function printConnection(connection: Connection | undefined): string[] {
  if (connection === undefined) return [];
  const { addressType, address, suffix } = connection;
  return [`c=IN ${addressType} ${address}${suffix === undefined ? '' : `/${suffix}`}`];
}

function printBandwidth({ type, value }: Bandwidth): string {
  return `b=${type}:${value}`;
}

function printLine({ type, value }: Line): string {
  return `${type}=${value}`;
}

function printAttribute({ name, value }: Attribute): string {
  return value === undefined ? `a=${name}` : `a=${name}:${value}`;
}
