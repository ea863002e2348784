// The replies of the ng protocol (rtpengine, docs/ng_control_protocol).
import type { BencodeDict, BencodeValue } from './bencode.ts';
import { textOf } from './fields.ts';

/** Counters of one packet stream, or of all. */
export interface NgStats {
  packets: number;
  bytes: number;
  errors: number;
}

export interface NgEndpoint {
  family: 'IPv4' | 'IPv6';
  address: string;
  port: number;
}

export interface NgStream {
  'local port'?: number;
  /** Of a real rtpengine. */
  'local address'?: string;
  /** Where packets go. */
  endpoint?: NgEndpoint;
  /** What the description said. */
  'advertised endpoint'?: NgEndpoint;
  /** Seconds since 1970; 0 when none came. */
  'last packet': number;
  /** `RTP` or `RTCP`, `filled`, `confirmed` … */
  flags: string[];
  stats: NgStats;
}

export interface NgMedia {
  /** From 1. */
  index: number;
  type: string;
  protocol: string;
  flags: string[];
  streams: NgStream[];
}

export interface NgTag {
  tag: string;
  /** Seconds since 1970. */
  created: number;
  label?: string;
  'in dialogue with'?: string;
  medias: NgMedia[];
}

/** A reply that grants the request. The keys after `warning` are those of `query` (and of `delete`). */
export interface NgOk {
  result: 'ok' | 'pong';
  /** The rewritten description, for offer and answer. */
  sdp?: string;
  warning?: string;
  /** In a `pong` of grec-mediad: another one for each of its lives. */
  instance?: string;
  /** Seconds since 1970. */
  created?: number;
  'last signal'?: number;
  /** By tag. Make it with Object.create(null) or Object.fromEntries: tags come from strangers. */
  tags?: Record<string, NgTag>;
  totals?: { RTP: NgStats; RTCP: NgStats };
  /** Of `list`: Call-IDs. */
  calls?: string[];
  /** Of `play media`: how long the sound is, in milliseconds. */
  duration?: number;
  /** Of `statistics`, by rtpengine's names; counts. */
  statistics?: NgStatisticsTable;
}

export interface NgStatisticsTable {
  currentstatistics: { sessionsown: number; sessionstotal: number; sessionsrecording: number };
  totalstatistics: {
    /** Seconds. */
    uptime: number;
    managedsessions: number;
    rejectedsessions: number;
    relayedpackets: number;
    relayedpacketerrors: number;
  };
}

export interface NgError {
  result: 'error';
  'error-reason': string;
}

/** Only for controllers that support it: another media server may have room. */
export interface NgLoadLimit {
  result: 'load limit';
  message: string;
}

export type NgReply = NgOk | NgError | NgLoadLimit;

/** A decoded value as plain text, numbers, lists and prototype-free objects. */
type Plain = string | number | Plain[] | { [key: string]: Plain };

function plain(value: BencodeValue): Plain {
  if (typeof value === 'number') return value;
  if (Buffer.isBuffer(value)) return textOf(value);
  if (Array.isArray(value)) return value.map(plain);
  const object: { [key: string]: Plain } = Object.create(null);
  for (const [key, entry] of Object.entries(value)) object[key] = plain(entry);
  return object;
}

/**
 * Reads a reply's dictionary. Its result, description, warning and reason are checked; the statistics of `query` are
 * taken as they come, for they are only shown.
 * @returns undefined when it is no reply
 */
export function readNgReply(dict: BencodeDict): NgOk | NgError | undefined {
  const reply = plain(dict) as { [key: string]: Plain };
  const { result, sdp, warning, instance } = reply;
  if (result === 'ok' || result === 'pong') {
    const isSound = [sdp, warning, instance].every((text) => text === undefined || typeof text === 'string');
    return isSound ? (reply as unknown as NgOk) : undefined;
  }
  if (typeof result !== 'string') return undefined;
  const reason = reply['error-reason'] ?? reply.message;
  return { result: 'error', 'error-reason': typeof reason === 'string' ? reason : result };
}

/** What a media server tells unasked. Sent three times under one cookie, never answered. */
export type NgEvent = NgDigits | NgLost;

/** A party has dialled a feature code. */
export interface NgDigits {
  event: 'dtmf';
  'call-id': string;
  tag: string;
  code: string;
}

/** The media of a call is gone, and the media server knows the call no more. */
export interface NgLost {
  event: 'lost';
  'call-id': string;
  reason: string;
}

/** @returns undefined when the dictionary is no event */
export function readNgEvent(dict: BencodeDict): NgEvent | undefined {
  const text = (key: string) => {
    const value = dict[key];
    return Buffer.isBuffer(value) ? textOf(value) : undefined;
  };
  const [event, call, tag, code, reason] = ['event', 'call-id', 'tag', 'code', 'reason'].map(text);
  if (call === undefined) return undefined;
  if (event === 'lost') return { event, 'call-id': call, reason: reason ?? 'no reason given' };
  if (event !== 'dtmf' || tag === undefined || code === undefined) return undefined;
  return { event, 'call-id': call, tag, code };
}
