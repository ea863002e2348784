// The lines of a session description that have parts: o=, c= and m= (RFC 8866 sections 5.2, 5.7 and 5.14).
import { isIP } from 'node:net';
import type { AddressType, Connection, MediaDescription, Origin } from './session-description.ts';

const LONGEST_HOST = 255;
const MOST_FORMATS = 256;
/** The origin's address only names the session, so it may be a host name of any fashion. */
const ORIGIN_ADDRESS = /^[A-Za-z0-9._:-]+$/;
const HOST_NAME = /^[A-Za-z0-9][A-Za-z0-9.-]*$/;
/** Digits and dots alone are a broken IPv4 address, not a name. */
const NUMERIC = /^[0-9.]+$/;
const DIGITS = /^[0-9]{1,40}$/;
/** token of RFC 8866 section 9, which has no space, quote, comma, slash or colon. */
const TOKEN = /^[!#-'*+.0-9A-Z^-~-]+$/;
const PROTOCOL = /^[!#-'*+.0-9A-Z^-~/-]+$/;

/** @returns the origin, or undefined for what is none; a user name with spaces (some phones) is taken as it is */
export function parseOrigin(value: string): Origin | undefined {
  const parts = value.trimEnd().split(' ');
  const [sessionId = '', sessionVersion = '', netType, addressType, address = ''] = parts.slice(-5);
  const username = parts.slice(0, -5).join(' ');
  if (username === '' || !DIGITS.test(sessionId) || !DIGITS.test(sessionVersion)) return undefined;
  if (netType !== 'IN' || !isAddressType(addressType)) return undefined;
  if (address.length > LONGEST_HOST || !ORIGIN_ADDRESS.test(address)) return undefined;
  return { username, sessionId, sessionVersion, addressType, address };
}

/** @returns the connection, or undefined when it is not on the Internet or its address is neither IP nor host name */
export function parseConnection(value: string): Connection | undefined {
  const [netType, addressType, whole, ...rest] = value.trimEnd().split(' ');
  if (netType !== 'IN' || !isAddressType(addressType) || whole === undefined || rest.length > 0)
    return undefined;
  const slash = whole.indexOf('/');
  const address = slash === -1 ? whole : whole.slice(0, slash);
  if (!isHost(address, addressType)) return undefined;
  if (slash === -1) return { addressType, address };
  const suffix = whole.slice(slash + 1);
  return /^[0-9]{1,5}(\/[0-9]{1,5})?$/.test(suffix) ? { addressType, address, suffix } : undefined;
}

/** @returns the media description with its first line alone, or undefined */
export function parseMedia(value: string): MediaDescription | undefined {
  const [media = '', portPart = '', protocol = '', ...formats] = value.trimEnd().split(' ');
  const port = parsePort(portPart);
  if (port === undefined || !TOKEN.test(media) || !PROTOCOL.test(protocol)) return undefined;
  if (formats.length > MOST_FORMATS || formats.includes('')) return undefined;
  return { media, ...port, protocol, formats, bandwidths: [], other: [], attributes: [] };
}

function parsePort(text: string): { port: number; portCount?: number } | undefined {
  const match = /^([0-9]{1,5})(?:\/([0-9]{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[1]);
  if (port > 65535) return undefined;
  if (match[2] === undefined) return { port };
  const portCount = Number(match[2]);
  return portCount > 0 ? { port, portCount } : undefined;
}

/** True for a numeric address of that type, or a host name. */
export function isHost(address: string, type: AddressType): boolean {
  const family = isIP(address);
  if (family !== 0) return !address.includes('%') && family === (type === 'IP4' ? 4 : 6);
  return address.length <= LONGEST_HOST && HOST_NAME.test(address) && !NUMERIC.test(address);
}

function isAddressType(text: string | undefined): text is AddressType {
  return text === 'IP4' || text === 'IP6';
}
