// metadata.json: what a finished recording says of itself. The names follow Genesys's recording metadata.
import * as v from 'valibot';
import { AUDIO_TYPES } from './audio-format.ts';

export const archivedPartySchema = v.object({
  label: v.string(),
  role: v.picklist(['agent', 'customer']),
  /** Channel of the audio: 0 left (the agent), 1 right (the customer), and one for each other party. */
  channel: v.pipe(v.number(), v.integer(), v.minValue(0)),
  number: v.string(),
  uri: v.string(),
  name: v.optional(v.string()),
  dn: v.optional(v.string()),
  /** The agent who was logged in on the DN. */
  agentId: v.optional(v.string()),
  /** From and until when it was captured: a channel may have one party after the other. */
  startTime: v.optional(v.string()),
  stopTime: v.optional(v.string()),
});

/**
 * What one channel's capture was like. Counts of packets; times in milliseconds. What is optional is what the capture does
 * not tell, or an older grec did not measure; see grec-procd(8).
 */
export const channelQualitySchema = v.object({
  channel: v.pipe(v.number(), v.integer(), v.minValue(0)),
  codec: v.string(),
  packets: v.number(),
  lost: v.number(),
  duplicates: v.number(),
  late: v.number(),
  /** Audio present, without gaps. */
  audioMs: v.number(),
  reordered: v.optional(v.number()),
  /** Most packets lost in a row. */
  lostInRow: v.optional(v.number()),
  /** Longest time between two packets. */
  longestGapMs: v.optional(v.number()),
  /** Interarrival jitter (RFC 3550 section 6.4.1), its mean and its highest value. */
  jitterMs: v.optional(v.number()),
  maxJitterMs: v.optional(v.number()),
  /** From the capture to the party and back, by RTCP. */
  roundTripMs: v.optional(v.number()),
  maxRoundTripMs: v.optional(v.number()),
  /** An estimate, 1 to 4.5 (ITU-T G.107). */
  mos: v.optional(v.number()),
  /** What the party reports of what it hears: reports, packets lost, the highest fraction lost (0 to 1), mean jitter. */
  rtcp: v.optional(
    v.object({ reports: v.number(), lost: v.number(), maxFractionLost: v.number(), jitterMs: v.number() }),
  ),
});

export const mediaFileSchema = v.object({
  mediaPath: v.string(),
  type: v.picklist(AUDIO_TYPES),
  sampleRate: v.number(),
  channels: v.number(),
  /** Milliseconds. */
  duration: v.number(),
  /** Bytes. */
  size: v.number(),
});

export const metadataSchema = v.object({
  version: v.literal(1),
  id: v.string(),
  sessionId: v.optional(v.string()),
  callUuids: v.array(v.string()),
  /** Other recordings of the same conversation that are part of it. */
  joined: v.optional(v.array(v.string())),
  /** The recording that this one has become part of: its audio is there. */
  joinedInto: v.optional(v.string()),
  direction: v.optional(v.picklist(['internal', 'inbound', 'outbound'])),
  callerPhoneNumber: v.string(),
  dialedPhoneNumber: v.string(),
  /** ISO 8601 with milliseconds, UTC. */
  startTime: v.string(),
  stopTime: v.string(),
  /** Milliseconds. */
  duration: v.number(),
  /** The DN that is recorded. */
  recordDn: v.optional(v.string()),
  /** The agent who was logged in there. */
  agentId: v.optional(v.string()),
  /** How a copy of the audio is to be called: one part of a path, without an ending. */
  fileName: v.optional(v.string()),
  /** The class that says how long it is kept. */
  retention: v.optional(v.string()),
  /** Why it was recorded, and which side. */
  decision: v.optional(v.object({ reason: v.string(), side: v.optional(v.string()) })),
  /** What the routing strategy attached to the call. */
  attachedData: v.optional(v.record(v.string(), v.string())),
  parties: v.array(archivedPartySchema),
  mediaFiles: v.array(mediaFileSchema),
  quality: v.array(channelQualitySchema),
  segments: v.array(
    v.object({
      id: v.string(),
      host: v.string(),
      /** The Call-ID of a call that another switch controlled. */
      ngCallId: v.optional(v.string()),
      startTime: v.string(),
      stopTime: v.string(),
      reason: v.string(),
    }),
  ),
  /** Call and recording events, in order. */
  eventHistory: v.array(v.looseObject({ occurredAt: v.string(), event: v.string() })),
  /** What went wrong on the way, in words; empty when nothing did. */
  remarks: v.array(v.string()),
  software: v.string(),
  /** Names all that it was made of. */
  madeOf: v.optional(v.string()),
});
export type Metadata = v.InferOutput<typeof metadataSchema>;
export type ArchivedParty = v.InferOutput<typeof archivedPartySchema>;
export type ChannelQuality = v.InferOutput<typeof channelQualitySchema>;

export const AUDIO_FILE = 'audio.wav';
export const METADATA_FILE = 'metadata.json';
