// The requests of the ng protocol that grec speaks, checked (rtpengine, docs/ng_control_protocol).
import type { BencodableDict, BencodeDict } from './bencode.ts';
import { type Fields, type FieldValues, readDictFields } from './fields.ts';
import { expandFlags } from './rtpp-flags.ts';

/** What an offer and an answer have in common, by rtpengine's names. Keys that are not listed are ignored. */
interface SdpFields {
  'call-id': string;
  /** Tag of whoever made the offer. */
  'from-tag': string;
  'via-branch'?: string;
  sdp: string;
  flags?: string[];
  /** `origin`, `session-connection` … */
  replace?: string[];
  direction?: string[];
  'rtcp-mux'?: string[];
  ICE?: string;
  'address family'?: string;
  /** `RTP/AVP`, `RTP/SAVP` …: how the other party is offered its media. */
  'transport protocol'?: string;
  /** `off`, `no-AES_CM_128_HMAC_SHA1_32`, `only-AEAD_AES_128_GCM` …: suites of SRTP towards the other party. */
  SDES?: string[];
  /** `offer`: RTP/AVP with keys, which leaves the other party the choice (RFC 8643); `off`. */
  OSRTP?: string[];
  /** Numeric address at which the sender of the description really is. */
  'media address'?: string;
  /** Address family (`IP4`, `IP6`) and source address of the SIP message. */
  'received-from'?: string[];
  /** `yes`, `no`, `on` or `off`. */
  'record call'?: string;
  metadata?: string;
  label?: string;
  /**
   * Of grec-mediad: what the sender of the description may dial as telephone events (RFC 4733) that are not to be passed on, such
   * as `*1`. When one is dialled, the controller gets an event, see {@link NgEvent}.
   */
  'feature-codes'?: string[];
  codec?: NgCodec;
  /** `load limit`: the controller takes such a result for an offer, and asks another media server. */
  supports?: string[];
}

/** Lists of encodings, as `PCMA` or `opus/48000`, that change what an offer holds; `all` in `strip` stands for every one. */
export type NgCodec = {
  /** Taken out. */
  strip?: string[];
  /** Taken out too: rtpengine would hide them from the answerer and transcode. */
  mask?: string[];
  /** Stay, whatever `strip` says. */
  except?: string[];
  /** Stay, whatever `strip` says, and come first, in this order. */
  offer?: string[];
};

export interface NgPing {
  command: 'ping';
}

export interface NgOffer extends SdpFields {
  command: 'offer';
  'to-tag'?: string;
}

export interface NgAnswer extends SdpFields {
  command: 'answer';
  /** Tag of whoever made the answer. */
  'to-tag': string;
}

export interface NgDelete {
  command: 'delete';
  'call-id': string;
  'from-tag'?: string;
  'to-tag'?: string;
  'via-branch'?: string;
  /** `fatal`: an unknown call is an error, not a warning. */
  flags?: string[];
  /** Seconds. */
  'delete-delay'?: number;
}

export interface NgQuery {
  command: 'query';
  'call-id': string;
  'from-tag'?: string;
  'to-tag'?: string;
}

export interface NgStartRecording {
  command: 'start recording';
  'call-id': string;
  'from-tag'?: string;
  'to-tag'?: string;
  'via-branch'?: string;
  flags?: string[];
  metadata?: string;
}

export interface NgStopRecording {
  command: 'stop recording';
  'call-id': string;
  'from-tag'?: string;
  'to-tag'?: string;
  'via-branch'?: string;
  flags?: string[];
}

export interface NgPauseRecording extends Omit<NgStopRecording, 'command'> {
  command: 'pause recording';
}

/** Whose media, or telephone events, are not passed on to the other party, or are again: the party of `from-tag`, or both when there is none. */
export interface NgBlock {
  command: 'block media' | 'unblock media' | 'block DTMF' | 'unblock DTMF';
  'call-id': string;
  'from-tag'?: string;
  'to-tag'?: string;
  'via-branch'?: string;
  flags?: string[];
}

/** A sound for the party of `from-tag`, or for all of them: flag `all`, or no tag. */
export interface NgPlayMedia {
  command: 'play media';
  'call-id': string;
  'from-tag'?: string;
  'to-tag'?: string;
  'via-branch'?: string;
  /** `all`. */
  flags?: string[];
  all?: string;
  /** Absolute path of a WAV file on the machine of the media server. */
  file?: string;
  /** A WAV file itself. */
  blob?: Buffer;
  /** Of rtpengine; not taken. */
  'db-id'?: string;
  /** How often it is played, at least once. */
  'repeat-times'?: number;
  /** Milliseconds from its beginning. */
  'start-pos'?: number;
}

export interface NgStopMedia extends Omit<NgStopRecording, 'command'> {
  command: 'stop media';
  all?: string;
}

export interface NgList {
  command: 'list';
  /** Most calls that are named; 32 when left out. */
  limit?: number;
}

export interface NgStatistics {
  command: 'statistics';
}

export type NgRequest =
  | NgPing
  | NgOffer
  | NgAnswer
  | NgDelete
  | NgQuery
  | NgStartRecording
  | NgStopRecording
  | NgPauseRecording
  | NgBlock
  | NgPlayMedia
  | NgStopMedia
  | NgList
  | NgStatistics;
export type NgCommand = NgRequest['command'];

const PARTY: Fields = { 'call-id': 'text', 'from-tag': 'text?', 'to-tag': 'text?', 'via-branch': 'text?' };
const SDP: Fields = {
  ...PARTY,
  'from-tag': 'text',
  sdp: 'text',
  flags: 'texts?',
  replace: 'texts?',
  direction: 'texts?',
  'rtcp-mux': 'texts?',
  ICE: 'text?',
  'address family': 'text?',
  'transport protocol': 'text?',
  SDES: 'texts?',
  OSRTP: 'texts?',
  'media address': 'text?',
  'received-from': 'texts?',
  'record call': 'text?',
  metadata: 'text?',
  label: 'text?',
  'feature-codes': 'texts?',
  codec: 'lists?',
  supports: 'texts?',
};
const CONTROL: Fields = { ...PARTY, flags: 'texts?' };
const FIELDS: Record<NgCommand, Fields> = {
  ping: {},
  offer: SDP,
  answer: { ...SDP, 'to-tag': 'text' },
  delete: { ...PARTY, flags: 'texts?', 'delete-delay': 'integer?' },
  query: PARTY,
  'start recording': { ...PARTY, flags: 'texts?', metadata: 'text?' },
  'stop recording': CONTROL,
  'pause recording': CONTROL,
  'play media': {
    ...CONTROL,
    all: 'text?',
    file: 'text?',
    blob: 'bytes?',
    'db-id': 'text?',
    'repeat-times': 'integer?',
    'start-pos': 'integer?',
  },
  'stop media': { ...CONTROL, all: 'text?' },
  'block media': CONTROL,
  'unblock media': CONTROL,
  'block DTMF': CONTROL,
  'unblock DTMF': CONTROL,
  list: { limit: 'integer?' },
  statistics: {},
};

export type NgRequestRead = { ok: true; request: NgRequest } | { ok: false; reason: string };

/** Checks a decoded dictionary; unknown keys are ignored, since real controllers send many. */
export function readNgRequest(dict: BencodeDict): NgRequestRead {
  const command = Buffer.isBuffer(dict.command) ? dict.command.toString('latin1') : undefined;
  if (command === undefined) return { ok: false, reason: 'no command' };
  if (!isCommand(command)) {
    return { ok: false, reason: `unknown command ${JSON.stringify(command.slice(0, 40))}` };
  }
  const read = readDictFields(expandFlags(dict), FIELDS[command]);
  if (!read.ok) return { ok: false, reason: `${command}: ${read.reason}` };
  return { ok: true, request: { command, ...readFlags(read.values) } as NgRequest };
}

const CODEC_FLAG = /^codec-(strip|mask|except|offer)-(.+)$/;

/** Flags may hold what has a key of its own. */
function readFlags(values: FieldValues): FieldValues {
  if (!Array.isArray(values.flags)) return values;
  const codec: Record<string, string[]> = { ...(values.codec as Record<string, string[]> | undefined) };
  for (const flag of values.flags) {
    const [, list = '', name = ''] = CODEC_FLAG.exec(flag) ?? [];
    if (list !== '') codec[list] = [...(codec[list] ?? []), name];
  }
  return Object.keys(codec).length === 0 ? values : { ...values, codec };
}

/** Whether a flag is set, in either of its spellings. @param flag with hyphens */
export function hasFlag({ flags = [] }: { flags?: string[] }, flag: string): boolean {
  return flags.some((one) => one.replaceAll(' ', '-') === flag);
}

function isCommand(text: string): text is NgCommand {
  return Object.hasOwn(FIELDS, text);
}

/** The dictionary of a request, under names that old and new rtpengines take. */
export function requestDict(request: NgRequest): BencodableDict {
  if (request.command !== 'delete') return { ...request };
  const { 'delete-delay': delay, ...rest } = request;
  return { ...rest, 'delete delay': delay };
}
