// Bytes to session description: one pass, bounded, and a reason for what is refused (RFC 8866 sections 5 and 9).
import { isUtf8 } from 'node:buffer';
import { parseConnection, parseMedia, parseOrigin } from './parse-line.ts';
import type { Attribute, Bandwidth, MediaDescription, SessionDescription } from './session-description.ts';

const LARGEST_BYTES = 64 * 1024;
const MOST_LINES = 4096;
const MOST_MEDIA = 64;

export type ParsedSdp = { ok: true; sdp: SessionDescription } | { ok: false; reason: string };

/** What the lines seen so far make up; the origin is required only at the end. */
interface Draft extends Omit<SessionDescription, 'origin' | 'sessionName'> {
  origin?: SessionDescription['origin'];
  sessionName?: string;
}

/**
 * Reads a session description. CRLF and bare LF end a line; lines may stand in any order but `v=` first and a media
 * description's lines after its `m=`; a missing `s=` or `t=` is forgiven; unknown lines and attributes are kept.
 * @param input at most 64 KiB; bytes that are not UTF-8 are read as Latin-1
 */
export function parseSdp(input: string | Buffer): ParsedSdp {
  if (input.length > LARGEST_BYTES) return refuse(`over ${LARGEST_BYTES} bytes`);
  const lines = splitLines(typeof input === 'string' ? input : decode(input));
  if (lines.length > MOST_LINES) return refuse(`over ${MOST_LINES} lines`);
  if (lines[0]?.trimEnd() !== 'v=0') return refuse('does not begin with v=0');
  const draft: Draft = { information: [], bandwidths: [], timing: [], other: [], attributes: [], media: [] };
  for (let index = 1; index < lines.length; index++) {
    const problem = addLine(draft, lines[index] ?? '');
    if (problem !== undefined) return refuse(`line ${index + 1}: ${problem}`);
  }
  const { origin, sessionName = '-', ...rest } = draft;
  if (origin === undefined) return refuse('no o= line');
  return { ok: true, sdp: { origin, sessionName, ...rest } };
}

function refuse(reason: string): ParsedSdp {
  return { ok: false, reason };
}

function decode(bytes: Buffer): string {
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}

/** Lines without their ends; empty ones at the end of the text are left out. */
function splitLines(text: string): string[] {
  const lines = text
    .split('\n', MOST_LINES + 2)
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

/** @returns what is wrong with the line, or undefined */
function addLine(draft: Draft, line: string): string | undefined {
  if (line.charCodeAt(1) !== 0x3d || !/^[A-Za-z]/.test(line)) return 'not of the form x=value';
  if (line.includes('\r') || line.includes('\0')) return 'a CR or NUL within the line';
  const type = line.charAt(0);
  const value = line.slice(2);
  if (type === 'm') return addMedia(draft, value);
  const media = draft.media.at(-1);
  return media === undefined ? addSessionLine(draft, type, value) : addMediaLine(media, type, value);
}

function addMedia(draft: Draft, value: string): string | undefined {
  if (draft.media.length >= MOST_MEDIA) return `over ${MOST_MEDIA} media descriptions`;
  const media = parseMedia(value);
  if (media === undefined) return 'not a media description';
  draft.media.push(media);
  return undefined;
}

function addSessionLine(draft: Draft, type: string, value: string): string | undefined {
  switch (type) {
    case 'v':
      return 'a second v= line';
    case 'o':
      if (draft.origin !== undefined) return 'a second o= line';
      draft.origin = parseOrigin(value);
      return draft.origin === undefined ? 'not an origin' : undefined;
    case 's':
      if (draft.sessionName !== undefined) return 'a second s= line';
      draft.sessionName = value;
      return undefined;
    case 't':
    case 'r':
    case 'z':
      draft.timing.push({ type, value });
      return undefined;
    case 'i':
    case 'u':
    case 'e':
    case 'p':
      draft.information.push({ type, value });
      return undefined;
    default:
      return addSharedLine(draft, type, value);
  }
}

function addMediaLine(media: MediaDescription, type: string, value: string): string | undefined {
  if (type === 'v' || type === 'o' || type === 's') return `${type}= within a media description`;
  if (type === 'i' && media.title === undefined) {
    media.title = value;
    return undefined;
  }
  return addSharedLine(media, type, value);
}

/** The lines that a session and a media description have in common: c, b, a and what is kept as it stands. */
function addSharedLine(
  to: Pick<MediaDescription, 'connection' | 'bandwidths' | 'attributes' | 'other'>,
  type: string,
  value: string,
): string | undefined {
  if (type === 'c') {
    if (to.connection !== undefined) return 'a second c= line';
    to.connection = parseConnection(value);
    return to.connection === undefined ? 'not an Internet connection address' : undefined;
  }
  if (type === 'b') return addPair(value, (bandwidth) => to.bandwidths.push(bandwidth));
  if (type === 'a') return addAttribute(value, to.attributes);
  to.other.push({ type, value });
  return undefined;
}

function addPair(value: string, push: (bandwidth: Bandwidth) => void): string | undefined {
  const colon = value.indexOf(':');
  if (colon < 1) return 'not a bandwidth';
  push({ type: value.slice(0, colon), value: value.slice(colon + 1) });
  return undefined;
}

function addAttribute(value: string, attributes: Attribute[]): string | undefined {
  const colon = value.indexOf(':');
  const name = colon === -1 ? value.trimEnd() : value.slice(0, colon);
  if (name === '') return 'an attribute without a name';
  attributes.push(colon === -1 ? { name } : { name, value: value.slice(colon + 1) });
  return undefined;
}
