// The codecs that ffmpeg decodes: how their RTP payloads are cut into frames, and in which format these are given to it. Pure.
import { type AmrOptions, amrOptions, readAmr } from '../rtp/amr.ts';
import { OPUS_CLOCK_RATE, opusTicks } from '../rtp/opus-packet.ts';
import type { Format } from '../spool/segment.ts';
import { LONGEST_OGG_PACKET, OggOpus } from './ogg-opus.ts';

/** What is decoded as one, and sounds for a known time. */
export interface Frame {
  data: Uint8Array;
  /** Ticks of the RTP clock after the packet's timestamp. */
  at: number;
  ticks: number;
}

/** What makes one stream of bytes of frames. */
export interface FrameStream {
  head(): Uint8Array;
  wrap(data: Uint8Array, ticks: number): Uint8Array;
}

export interface Codec {
  encoding: string;
  /** The same for all that one decoder can go on with. */
  key: string;
  /** Of the RTP timestamps, hertz. */
  clockRate: number;
  /** Names of ffmpeg's decoders; the first one that it has is taken. */
  decoders: readonly string[];
  /** Options of ffmpeg for its input. */
  input: readonly string[];
  /** Ticks by which encoders of this kind delay the sound. */
  delay: number;
  /** The frames that hold sound; undefined when the payload is none of this codec. */
  unpack(payload: Uint8Array): Frame[] | undefined;
  createStream(): FrameStream;
}

type CodecMaker = (format: Format) => Partial<Codec> & Pick<Codec, 'decoders' | 'input' | 'unpack'>;

const RAW: FrameStream = { head: () => new Uint8Array(), wrap: (data) => data };
/** What libopus looks ahead, 6.5 ms: RTP tells no pre-skip, and no other encoder is in use (RFC 7845 section 4.2). */
const OPUS_DELAY = 312;
const G729_SPEECH_BYTES = 10;
const G729_SID_BYTES = 2;
const GSM_BYTES = 33;
const GSM_SIGNATURE = 0xd;
/** Bytes of a G.723.1 frame by the two low bits of its first byte: two rates, comfort noise, nothing (RFC 3551 section 4.5.3). */
const G723_BYTES = [24, 20, 4, 1];

const MAKERS: Record<string, CodecMaker | undefined> = {
  G722: () => ({ decoders: ['g722'], input: ['-f', 'g722'], unpack: cutBits(8) }),
  G729: () => ({ decoders: ['g729'], input: ['-f', 'g729'], unpack: cutG729 }),
  G723: () => ({ decoders: ['g723_1'], input: ['-f', 'g723_1'], unpack: cutG723 }),
  GSM: () => ({ decoders: ['gsm', 'libgsm'], input: ['-f', 'gsm'], unpack: cutGsm }),
  OPUS: () => ({
    decoders: ['libopus', 'opus'],
    input: ['-f', 'ogg'],
    delay: OPUS_DELAY,
    unpack: cutOpus,
    createStream: () => new OggOpus(),
  }),
  L16: ({ clockRate, channels }) => ({
    decoders: ['pcm_s16be'],
    input: ['-f', 's16be', '-ar', `${clockRate}`, '-ac', `${channels}`],
    unpack: cutBits(16 * channels),
  }),
  AMR: ({ fmtp }) => amr(amrOptions(false, fmtp)),
  'AMR-WB': ({ fmtp }) => amr(amrOptions(true, fmtp)),
  ...Object.fromEntries(
    [2, 3, 4, 5].flatMap((bits) => [
      [`G726-${bits * 8}`, () => g726('g726le', bits)],
      [`AAL2-G726-${bits * 8}`, () => g726('g726', bits)],
    ]),
  ),
};
/** Codecs whose RTP clock runs at one rate, whatever is sampled (RFC 7587 section 4.1, RFC 4867 section 4.1); L16 takes the rate of its rtpmap, the rest 8000 Hz. */
const CLOCK_RATES: Record<string, number | undefined> = { OPUS: OPUS_CLOCK_RATE, 'AMR-WB': 16_000 };
const MOST_RATE = 192_000;

/** What decodes a format of SDP; undefined when nothing does. */
export function codecOf(format: Format): Codec | undefined {
  const { clockRate, channels, fmtp = '' } = format;
  const encoding = format.encoding.toUpperCase();
  const make = Object.hasOwn(MAKERS, encoding) ? MAKERS[encoding] : undefined;
  if (make === undefined || clockRate > MOST_RATE) return undefined;
  if (encoding !== 'L16' && clockRate !== (CLOCK_RATES[encoding] ?? 8000)) return undefined;
  if (channels !== 1 && encoding !== 'OPUS' && !(encoding === 'L16' && channels === 2)) return undefined;
  const made = make(format);
  if (made.decoders.length === 0) return undefined;
  const key = [encoding, clockRate, channels, encoding.startsWith('AMR') ? fmtp : ''].join('/');
  return { delay: 0, createStream: () => RAW, ...made, encoding, key, clockRate };
}

/** Sound without frames: a sample of all channels has so many bits, and a tick is one sample. */
function cutBits(bits: number): Codec['unpack'] {
  return (payload) => {
    const ticks = Math.floor((payload.length * 8) / bits);
    const data = payload.subarray(0, Math.floor((ticks * bits) / 8));
    return ticks === 0 ? [] : [{ data, at: 0, ticks }];
  };
}

function g726(format: string, bits: number): ReturnType<CodecMaker> {
  return {
    decoders: [format],
    input: ['-f', format, '-code_size', `${bits}`, '-ar', '8000'],
    unpack: cutG726(bits),
  };
}

/** Whole groups of eight samples, which are whole bytes (RFC 3551 section 4.5.4). */
function cutG726(bits: number): Codec['unpack'] {
  return (payload) => {
    const data = payload.subarray(0, payload.length - (payload.length % bits));
    return data.length === 0 ? [] : [{ data, at: 0, ticks: (data.length * 8) / bits }];
  };
}

/** Frames of 10 ms, and comfort noise at the end (RFC 3551 section 4.5.6). */
function cutG729(payload: Uint8Array): Frame[] | undefined {
  const rest = payload.length % G729_SPEECH_BYTES;
  if (rest !== 0 && rest !== G729_SID_BYTES) return undefined;
  return cutEqual(payload.subarray(0, payload.length - rest), G729_SPEECH_BYTES, 80);
}

function cutGsm(payload: Uint8Array): Frame[] | undefined {
  if (payload.length % GSM_BYTES !== 0) return undefined;
  const frames = cutEqual(payload, GSM_BYTES, 160);
  return frames.every(({ data }) => (data[0] ?? 0) >> 4 === GSM_SIGNATURE) ? frames : undefined;
}

function cutEqual(payload: Uint8Array, bytes: number, ticks: number): Frame[] {
  return Array.from({ length: payload.length / bytes }, (_, index) => {
    return { data: payload.subarray(index * bytes, (index + 1) * bytes), at: index * ticks, ticks };
  });
}

function cutG723(payload: Uint8Array): Frame[] | undefined {
  const frames: Frame[] = [];
  let at = 0;
  for (let from = 0; from < payload.length; at += 240) {
    const bytes = G723_BYTES[(payload[from] ?? 0) & 3] ?? 1;
    const data = payload.subarray(from, from + bytes);
    if (data.length < bytes) return undefined;
    if (bytes >= 20) frames.push({ data, at, ticks: 240 });
    from += bytes;
  }
  return frames;
}

function cutOpus(payload: Uint8Array): Frame[] | undefined {
  if (payload.length === 0) return [];
  const ticks = opusTicks(payload);
  if (ticks === undefined || payload.length > LONGEST_OGG_PACKET) return undefined;
  return [{ data: payload, at: 0, ticks }];
}

function amr(options: AmrOptions | undefined): ReturnType<CodecMaker> {
  if (options === undefined) return { decoders: [], input: [], unpack: () => undefined };
  const ticks = options.isWide ? 320 : 160;
  const magic = Buffer.from(options.isWide ? '#!AMR-WB\n' : '#!AMR\n', 'latin1');
  return {
    decoders: options.isWide ? ['amrwb', 'libopencore_amrwb'] : ['amrnb', 'libopencore_amrnb'],
    input: ['-f', 'amr'],
    unpack: (payload) => cutAmr(payload, options, ticks),
    createStream: () => ({ head: () => magic, wrap: (data) => data }),
  };
}

function cutAmr(payload: Uint8Array, options: AmrOptions, ticks: number): Frame[] | undefined {
  if (payload.length === 0) return [];
  return readAmr(payload, options)?.flatMap((data, index) => {
    return data === undefined ? [] : [{ data, at: index * ticks, ticks }];
  });
}
