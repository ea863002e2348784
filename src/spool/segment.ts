// The facts of one recording segment: `facts.jsonl` beside `capture.pcap`, append-only, so that a crash leaves a prefix.
//
//   spool/SEGMENT-ID/facts.jsonl     line 1 `opened`, then `media` on each change, `paused`, `resumed`, at last `closed`
//   spool/SEGMENT-ID/capture.pcap    what arrived, see pcap.ts
import * as v from 'valibot';

const role = v.picklist(['agent', 'customer']);

/** A party of the call, as the switch names it. Its audio is bound to it by `label`, never by arrival. */
export const partySchema = v.object({
  /** `a` the caller, `b` the callee. */
  label: v.picklist(['a', 'b']),
  /** The SIP tag of the party's leg, which is its tag in the ng protocol. */
  tag: v.string(),
  role,
  /** The DN of the party when the switch knows it. */
  dn: v.optional(v.string()),
  /** The agent who is logged in on the DN. */
  agentId: v.optional(v.string()),
  /** User part of its address: what a telephone would show. */
  number: v.string(),
  uri: v.string(),
  name: v.optional(v.string()),
});
export type Party = v.InferOutput<typeof partySchema>;

/** One RTP payload type as SDP bound it (RFC 8866 section 6.6). */
export const formatSchema = v.object({
  payloadType: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(127)),
  /** Upper case: PCMU, PCMA, TELEPHONE-EVENT, CN … */
  encoding: v.string(),
  clockRate: v.pipe(v.number(), v.integer(), v.minValue(1)),
  channels: v.optional(v.number(), 1),
  fmtp: v.optional(v.string()),
});
export type Format = v.InferOutput<typeof formatSchema>;

/** What one party sends: packets that arrived at `rtpPort` of the media server are this party's, and no other's. */
export const streamSchema = v.object({
  label: v.picklist(['a', 'b']),
  tag: v.string(),
  address: v.string(),
  rtpPort: v.number(),
  rtcpPort: v.number(),
  formats: v.array(formatSchema),
});
export type Stream = v.InferOutput<typeof streamSchema>;

/** What the switch tells the media server at `start recording`, as JSON in the ng key `metadata`. */
export const recordingMetadataSchema = v.object({
  recording: v.string(),
  call: v.string(),
  sessionId: v.string(),
  /** How its audio file is to be called where it is given a name: one part of a path, without an ending. */
  fileName: v.optional(v.string()),
  /** The class that says how long it is kept. */
  retention: v.optional(v.string()),
  parties: v.array(partySchema),
});
export type RecordingMetadata = v.InferOutput<typeof recordingMetadataSchema>;

/** Of a segment that was imported: what its capture tells of the call, which no journal knows. Times are in microseconds. */
export const importedCallSchema = v.object({
  /** When it was imported, and by whom. */
  at: v.number(),
  by: v.string(),
  /** Names of the captures. */
  files: v.array(v.string()),
  /** Of its dialogs, in the order of their creation. */
  callIds: v.array(v.string()),
  /** All segments of its recording: it is made when all are there. */
  segments: v.array(v.string()),
  direction: v.optional(v.picklist(['internal', 'inbound', 'outbound'])),
  createdAt: v.number(),
  ringingAt: v.optional(v.number()),
  answeredAt: v.number(),
  /** Absent when the capture ended before the call did. */
  releasedAt: v.optional(v.number()),
  releasedBy: v.optional(v.picklist(['a', 'b'])),
  /** What an operator should know of it, in words. */
  remarks: v.array(v.string()),
});
export type ImportedCall = v.InferOutput<typeof importedCallSchema>;

/** `at` is wall clock in microseconds since 1970, run from the monotonic clock of the media server. */
export const openedSchema = v.object({
  type: v.literal('opened'),
  version: v.literal(1),
  segment: v.string(),
  at: v.number(),
  host: v.string(),
  /** Call-ID in the ng protocol. */
  ngCallId: v.string(),
  /** Absent when the controller gave no metadata (a foreign switch). */
  metadata: v.optional(recordingMetadataSchema),
  /** Who they are, as far as a controller without metadata of ours told. */
  parties: v.optional(v.array(partySchema)),
  /** Captured by somebody else's media server: no journal tells of it. */
  isUnjournaled: v.optional(v.boolean()),
  streams: v.array(streamSchema),
  imported: v.optional(importedCallSchema),
});

export const mediaSchema = v.object({
  type: v.literal('media'),
  at: v.number(),
  streams: v.array(streamSchema),
});

/** From now on nothing is captured; and it is again. */
export const pauseSchema = v.object({ type: v.picklist(['paused', 'resumed']), at: v.number() });

export const closedSchema = v.object({
  type: v.literal('closed'),
  at: v.number(),
  reason: v.picklist(['stopped', 'deleted', 'shutdown', 'recovered', 'write-failed', 'capture-ended']),
  /** Packets captured, by label; absent after a recovery. */
  packets: v.optional(v.record(v.string(), v.number())),
  /** Packets that were kept out of the capture (DTMF), by label; absent when there were none, and after a recovery. */
  leftOut: v.optional(v.record(v.string(), v.number())),
  /** Packets that could not be written. */
  lost: v.optional(v.number(), 0),
});

export const factSchema = v.variant('type', [openedSchema, mediaSchema, pauseSchema, closedSchema]);
export type SegmentOpened = v.InferOutput<typeof openedSchema>;
export type SegmentMedia = v.InferOutput<typeof mediaSchema>;
export type SegmentPause = v.InferOutput<typeof pauseSchema>;
export type SegmentClosed = v.InferOutput<typeof closedSchema>;
export type SegmentFact = v.InferOutput<typeof factSchema>;

/** A folder of a spool that is no segment: what could not be made into audio is kept in it, for the operator. */
export const FAILED_FOLDER = 'failed';
/** Another one: what became a recording, and is kept all the same. */
export const KEPT_FOLDER = 'kept';
export const ASIDE_FOLDERS: readonly string[] = [FAILED_FOLDER, KEPT_FOLDER];
export const FACTS_FILE = 'facts.jsonl';
export const CAPTURE_FILE = 'capture.pcap';
/** No call changes its media so often that its facts would be longer. */
export const LARGEST_FACTS_BYTES = 64 << 20;

/** A segment as its facts tell it. */
export interface SegmentFacts {
  opened: SegmentOpened;
  /** In order of time; without the streams of `opened`. */
  media: SegmentMedia[];
  /** In order of time. */
  pauses: SegmentPause[];
  /** Undefined while it is open, or when its media server died. */
  closed: SegmentClosed | undefined;
}

/**
 * Reads `facts.jsonl`. An unfinished last line is a crash's trace and is passed over.
 * @returns the facts, or the reason why they are unusable
 */
export function parseFacts(text: string): { facts: SegmentFacts } | { problem: string } {
  const lines = text.split('\n');
  const isWhole = lines.pop() === '';
  if (!isWhole && lines.length === 0) return { problem: 'no whole line' };
  const facts: SegmentFact[] = [];
  for (const [index, line] of lines.entries()) {
    const fact = parseFact(line);
    if (fact === undefined) return { problem: `line ${index + 1} is not a segment fact` };
    facts.push(fact);
  }
  const [opened, ...later] = facts;
  if (opened?.type !== 'opened') return { problem: 'the first line is not "opened"' };
  return {
    facts: {
      opened,
      media: later.filter((fact) => fact.type === 'media'),
      pauses: later.filter(isPause),
      closed: later.find((fact) => fact.type === 'closed'),
    },
  };
}

function isPause(fact: SegmentFact): fact is SegmentPause {
  return fact.type === 'paused' || fact.type === 'resumed';
}

function parseFact(line: string): SegmentFact | undefined {
  try {
    const result = v.safeParse(factSchema, JSON.parse(line));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}
