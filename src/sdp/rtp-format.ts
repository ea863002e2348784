// RTP payload types as a media line binds them to encodings (RFC 3551 section 6, RFC 8866 section 6.6).
import type { MediaDescription } from './session-description.ts';

export interface RtpFormat {
  payloadType: number;
  /** Upper case: PCMU, TELEPHONE-EVENT … */
  encoding: string;
  /** Hertz, of the RTP timestamp. */
  clockRate: number;
  channels: number;
  fmtp?: string;
}

/** RFC 3551 tables 4 and 5, audio; G722 counts 8000 although it samples at 16000. */
const STATIC: ReadonlyMap<number, readonly [encoding: string, clockRate: number, channels: number]> = new Map(
  [
    [0, ['PCMU', 8000, 1]],
    [3, ['GSM', 8000, 1]],
    [4, ['G723', 8000, 1]],
    [5, ['DVI4', 8000, 1]],
    [6, ['DVI4', 16000, 1]],
    [7, ['LPC', 8000, 1]],
    [8, ['PCMA', 8000, 1]],
    [9, ['G722', 8000, 1]],
    [10, ['L16', 44100, 2]],
    [11, ['L16', 44100, 1]],
    [12, ['QCELP', 8000, 1]],
    [13, ['CN', 8000, 1]],
    [14, ['MPA', 90000, 1]],
    [15, ['G728', 8000, 1]],
    [16, ['DVI4', 11025, 1]],
    [17, ['DVI4', 22050, 1]],
    [18, ['G729', 8000, 1]],
  ],
);

const RTPMAP = /^([0-9]{1,3}) +([^ /]+)\/([0-9]{1,6})(?:\/([0-9]{1,2}))?$/;
const PAYLOAD_TYPE = /^[0-9]{1,3}$/;
/** Encodings that accompany speech and cannot carry a conversation alone (RFC 4733, 3389). */
const COMPANIONS = new Set(['TELEPHONE-EVENT', 'CN', 'RED']);

/** The formats of an RTP media line, in its order; a dynamic payload type without `a=rtpmap` is left out. */
export function rtpFormats(media: MediaDescription): RtpFormat[] {
  const mapped = readRtpmaps(media);
  const parameters = readFmtps(media);
  const formats: RtpFormat[] = [];
  for (const text of new Set(media.formats)) {
    const payloadType = PAYLOAD_TYPE.test(text) ? Number(text) : 128;
    const format = mapped.get(payloadType) ?? staticFormat(payloadType);
    if (format === undefined) continue;
    const fmtp = parameters.get(payloadType);
    formats.push(fmtp === undefined ? format : { ...format, fmtp });
  }
  return formats;
}

/** True for an encoding that carries speech itself. */
export function isSpeech(format: RtpFormat): boolean {
  return !COMPANIONS.has(format.encoding);
}

/** The static payload type of an encoding at its usual clock rate, or undefined. */
export function staticPayloadType(encoding: string): number | undefined {
  for (const [payloadType, [name]] of STATIC) if (name === encoding) return payloadType;
  return undefined;
}

function staticFormat(payloadType: number): RtpFormat | undefined {
  const entry = STATIC.get(payloadType);
  if (entry === undefined) return undefined;
  const [encoding, clockRate, channels] = entry;
  return { payloadType, encoding, clockRate, channels };
}

function readRtpmaps(media: MediaDescription): Map<number, RtpFormat> {
  const formats = new Map<number, RtpFormat>();
  for (const { name, value = '' } of media.attributes) {
    if (name !== 'rtpmap') continue;
    const match = RTPMAP.exec(value.trim());
    const payloadType = Number(match?.[1] ?? 128);
    const clockRate = Number(match?.[3]);
    if (match === null || payloadType > 127 || clockRate === 0 || formats.has(payloadType)) continue;
    const encoding = (match[2] ?? '').toUpperCase();
    formats.set(payloadType, { payloadType, encoding, clockRate, channels: Number(match[4] ?? 1) || 1 });
  }
  return formats;
}

function readFmtps(media: MediaDescription): Map<number, string> {
  const parameters = new Map<number, string>();
  for (const { name, value = '' } of media.attributes) {
    const space = value.indexOf(' ');
    if (name !== 'fmtp' || space === -1 || !PAYLOAD_TYPE.test(value.slice(0, space))) continue;
    const payloadType = Number(value.slice(0, space));
    if (!parameters.has(payloadType)) parameters.set(payloadType, value.slice(space + 1).trim());
  }
  return parameters;
}
