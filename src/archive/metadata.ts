// metadata.json: what a finished recording says of itself. The names follow Genesys's recording metadata.
import * as v from 'valibot';
import { AUDIO_TYPES } from './audio-format.ts';

const CHANNEL = v.pipe(v.number(), v.integer(), v.minValue(0));

export const archivedPartySchema = v.object({
  label: v.string(),
  role: v.picklist(['agent', 'customer']),
  /** Channel of the audio: 0 left (the agent), 1 right (the customer), and one for each other party. */
  channel: CHANNEL,
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
  channel: CHANNEL,
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
  /** By how many parts in a million the party's clock was fast; only when that is sure. */
  driftPpm: v.optional(v.number()),
  /** Samples that were made up or left out, one at a time, to follow it. */
  driftSamples: v.optional(v.number()),
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

/** Of a media file that is encrypted (grec-encryption.7). */
export const encryptionSchema = v.object({
  format: v.literal('CMS AuthEnvelopedData, AES-256-GCM'),
  /** Of the audio: bytes, and SHA-256 in hex. */
  size: v.number(),
  sha256: v.string(),
  /** Whose private keys open it; the fingerprint is the SHA-256 of the certificate. */
  recipients: v.array(v.object({ subject: v.string(), fingerprint: v.string() })),
});

/** What Genesys's media server notes of a file; its names. */
export const mediaParametersSchema = v.object({
  /** The number that was dialled, and the caller's. */
  dnis: v.optional(v.string()),
  ani: v.optional(v.string()),
  connId: v.optional(v.string()),
  recordDN: v.optional(v.string()),
  agentId: v.optional(v.string()),
  dateTime: v.optional(v.string()),
});

export const mediaFileSchema = v.object({
  /** Names the file: the same for the same recording and file name. */
  mediaId: v.optional(v.string()),
  mediaPath: v.string(),
  type: v.picklist(AUDIO_TYPES),
  sampleRate: v.number(),
  channels: v.number(),
  /** Milliseconds. */
  duration: v.number(),
  /** Bytes of the file. */
  size: v.number(),
  encryption: v.optional(encryptionSchema),
  startTime: v.optional(v.string()),
  stopTime: v.optional(v.string()),
  /** The first call that is heard. */
  callUUID: v.optional(v.string()),
  parameters: v.optional(mediaParametersSchema),
});

/** Who came, left, held; what was attached; what was paused. As Interaction Recording Web Services have it. */
export const historyEventSchema = v.object({
  occurredAt: v.string(),
  calluuid: v.optional(v.string()),
  event: v.picklist(['Joined', 'Left', 'Held', 'Retrieved', 'Paused', 'Resumed', 'data']),
  contact: v.optional(
    v.object({
      phoneNumber: v.string(),
      uri: v.string(),
      name: v.optional(v.string()),
      dn: v.optional(v.string()),
      agentId: v.optional(v.string()),
    }),
  ),
  data: v.optional(
    v.object({
      added: v.optional(v.record(v.string(), v.string())),
      updated: v.optional(v.record(v.string(), v.string())),
    }),
  ),
  by: v.optional(v.string()),
  reason: v.optional(v.string()),
});
export type HistoryEvent = v.InferOutput<typeof historyEventSchema>;

/** An event of the journals, or a pause that a foreign switch asked for. */
export const journaledEventSchema = v.looseObject({ occurredAt: v.string(), event: v.string() });

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
  decision: v.optional(
    v.object({
      reason: v.string(),
      side: v.optional(v.string()),
      /** The rule of the routing strategy. */
      rule: v.optional(v.string()),
      mandatory: v.optional(v.boolean()),
    }),
  ),
  /** What the routing strategy attached to the call. */
  attachedData: v.optional(v.record(v.string(), v.string())),
  parties: v.array(archivedPartySchema),
  mediaFiles: v.array(mediaFileSchema),
  quality: v.array(channelQualitySchema),
  segments: v.array(
    v.object({
      id: v.string(),
      host: v.string(),
      /** The name of the switch whose state directory it came from. */
      switch: v.optional(v.string()),
      /** The recording as the switch called it, and the call. */
      recording: v.optional(v.string()),
      callUUID: v.optional(v.string()),
      /** The Call-ID of a call that another switch controlled. */
      ngCallId: v.optional(v.string()),
      startTime: v.string(),
      stopTime: v.string(),
      reason: v.string(),
    }),
  ),
  /** When nothing was to be heard, who asked for it and why. Without stopTime, until the end. */
  masked: v.optional(
    v.array(
      v.object({
        startTime: v.string(),
        stopTime: v.optional(v.string()),
        recording: v.string(),
        by: v.optional(v.string()),
        reason: v.string(),
      }),
    ),
  ),
  /** Keys that parties pressed (RFC 4733). */
  dtmf: v.optional(v.array(v.object({ occurredAt: v.string(), channel: CHANNEL, key: v.string() }))),
  /** Which codec was spoken on a channel from when on. */
  codecs: v.optional(v.array(v.object({ occurredAt: v.string(), channel: CHANNEL, codec: v.string() }))),
  /** In order. Until grec wrote `events`, it had those. */
  eventHistory: v.array(v.union([historyEventSchema, journaledEventSchema])),
  /** Call and recording events as the journals have them, in order. */
  events: v.optional(v.array(journaledEventSchema)),
  /** What went wrong on the way, in words; empty when nothing did. */
  remarks: v.array(v.string()),
  software: v.string(),
  /** Names all that it was made of. */
  madeOf: v.optional(v.string()),
});
export type Metadata = v.InferOutput<typeof metadataSchema>;
export type MediaFile = v.InferOutput<typeof mediaFileSchema>;
export type ArchivedParty = v.InferOutput<typeof archivedPartySchema>;
export type ChannelQuality = v.InferOutput<typeof channelQualitySchema>;

/** The events of the journals, whichever grec wrote them. */
export function journaledEvents({
  events,
  eventHistory,
}: Pick<Metadata, 'events' | 'eventHistory'>): NonNullable<Metadata['events']> {
  return events ?? eventHistory;
}

export const AUDIO_FILE = 'audio.wav';
export const METADATA_FILE = 'metadata.json';
