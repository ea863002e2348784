// Whose packet it is and how it is coded: by the port at which it arrived and what SDP said at that time (RFC 3264).
import { ALAW_TO_LINEAR, MULAW_TO_LINEAR } from '../rtp/g711.ts';
import type { Format, SegmentFacts, Stream } from '../spool/segment.ts';
import { type Codec, codecOf } from './codecs.ts';

export type Label = Stream['label'];

/** What a payload type holds. `table` gives the linear sample of each byte. */
export type PayloadKind =
  | { kind: 'audio'; encoding: string; clockRate: number; table: Int16Array }
  /** An encoding that ffmpeg decodes. */
  | { kind: 'coded'; encoding: string; clockRate: number; codec: Codec }
  /** Comfort noise and telephone events: no speech, so the timeline stays silent. */
  | { kind: 'silence'; encoding: string; clockRate?: number }
  /** An encoding that grec cannot decode, or a payload type that SDP never named. */
  | { kind: 'undecodable'; encoding: string; clockRate?: number };

/** How the encoding of a payload type begins that SDP never named. */
export const UNNAMED = 'payload type ';
const SAMPLE_RATE = 8000;
const TABLES: Record<string, Int16Array | undefined> = { PCMU: MULAW_TO_LINEAR, PCMA: ALAW_TO_LINEAR };
const SILENT = new Set(['CN', 'TELEPHONE-EVENT']);
/** Payload types that need no SDP to be known (RFC 3551 table 4). */
const STATIC_FORMATS: Format[] = [
  { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 },
  { payloadType: 3, encoding: 'GSM', clockRate: 8000, channels: 1 },
  { payloadType: 4, encoding: 'G723', clockRate: 8000, channels: 1 },
  { payloadType: 8, encoding: 'PCMA', clockRate: 8000, channels: 1 },
  { payloadType: 9, encoding: 'G722', clockRate: 8000, channels: 1 },
  { payloadType: 10, encoding: 'L16', clockRate: 44_100, channels: 2 },
  { payloadType: 11, encoding: 'L16', clockRate: 44_100, channels: 1 },
  { payloadType: 13, encoding: 'CN', clockRate: 8000, channels: 1 },
  { payloadType: 18, encoding: 'G729', clockRate: 8000, channels: 1 },
];

interface Epoch {
  /** Wall clock, microseconds since 1970. */
  from: number;
  labels: Map<number, Label>;
  /** By RTCP port. */
  control: Map<number, Label>;
  kinds: Map<Label, Map<number, PayloadKind>>;
}

/** The streams of one segment in the course of time. Ask in order of time. */
export class StreamMap {
  readonly #epochs: Epoch[];
  #current = 0;

  constructor(facts: SegmentFacts) {
    this.#epochs = [facts.opened, ...facts.media].map(({ at, streams }) => createEpoch(at, streams));
  }

  /** The party whose packets arrive at `port` at the instant `at`, or undefined for RTCP and strangers. */
  labelOf(port: number, at: number): Label | undefined {
    while ((this.#epochs[this.#current + 1]?.from ?? Number.POSITIVE_INFINITY) <= at) this.#current += 1;
    return this.#nearest((epoch) => epoch.labels.get(port));
  }

  /** The party whose RTCP arrives at `port`; ask after {@link labelOf}, which RTCP on the port of RTP (RFC 5761) is known to. */
  controlLabelOf(port: number): Label | undefined {
    return this.#nearest((epoch) => epoch.control.get(port));
  }

  /**
   * What a payload type of that party holds. A type that the SDP of the time does not name is looked for in those before
   * and after it: packets that are under way when SDP changes follow the old one, or are ahead of the new one.
   */
  kindOf(label: Label, payloadType: number): PayloadKind {
    return (
      this.#nearest((epoch) => epoch.kinds.get(label)?.get(payloadType)) ??
      staticKind(payloadType) ?? { kind: 'undecodable', encoding: `${UNNAMED}${payloadType}` }
    );
  }

  #nearest<T>(ask: (epoch: Epoch) => T | undefined): T | undefined {
    const current = this.#epochs[this.#current];
    const usual = current && ask(current);
    if (usual !== undefined) return usual;
    const before = this.#epochs.slice(0, this.#current).reverse();
    const after = this.#epochs.slice(this.#current + 1);
    for (const epoch of [...before, ...after]) {
      const found = ask(epoch);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function createEpoch(from: number, streams: Stream[]): Epoch {
  const kinds = streams.map(({ label, formats }) => {
    return [label, new Map(formats.map((format) => [format.payloadType, kindOfFormat(format)]))] as const;
  });
  return {
    from,
    labels: new Map(streams.map(({ rtpPort, label }) => [rtpPort, label])),
    control: new Map(streams.map(({ rtcpPort, label }) => [rtcpPort, label])),
    kinds: new Map(kinds),
  };
}

function kindOfFormat(format: Format): PayloadKind {
  const { encoding: written, clockRate, channels } = format;
  const encoding = written.toUpperCase();
  if (SILENT.has(encoding)) return { kind: 'silence', encoding };
  const table = TABLES[encoding];
  if (table !== undefined && clockRate === SAMPLE_RATE && channels === 1)
    return { kind: 'audio', encoding, clockRate, table };
  const codec = codecOf(format);
  if (codec === undefined) return { kind: 'undecodable', encoding, clockRate };
  return { kind: 'coded', encoding, clockRate, codec };
}

function staticKind(payloadType: number): PayloadKind | undefined {
  const format = STATIC_FORMATS.find((candidate) => candidate.payloadType === payloadType);
  return format === undefined ? undefined : kindOfFormat(format);
}
