// What several routes take and answer.
import * as v from 'valibot';
import { historyEventSchema } from '../../archive/metadata.ts';

const UUID = 'expected an id: a UUID in lower case';
export const idSchema = v.pipe(
  v.string(UUID),
  v.regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, UUID),
);

/** A whole number in a query. */
export function numberWithin(least: number, most: number) {
  const expected = `expected a whole number from ${least} to ${most}`;
  return v.pipe(
    v.string(expected),
    v.regex(/^\d{1,15}$/, expected),
    v.transform(Number),
    v.minValue(least, expected),
    v.maxValue(most, expected),
  );
}

const TIME = 'expected a time of ISO 8601 with its zone, such as 2026-01-31T09:00:00Z';
/** Milliseconds since 1970 in the end. */
export const timeSchema = v.pipe(
  v.string(TIME),
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:?\d\d)$/, TIME),
  v.transform((text) => Date.parse(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'))),
  v.check((time) => !Number.isNaN(time), TIME),
);

const printable = (longest: number) => {
  const expected = `expected 1 to ${longest} printable characters`;
  return v.pipe(
    v.string(expected),
    v.minLength(1, expected),
    v.maxLength(longest, expected),
    v.regex(/^[^\p{Cc}\p{Bidi_Control}]*$/u, expected),
  );
};
export const reasonSchema = printable(500);
export const commentSchema = printable(2048);

const NUMBER = 'expected a number of 1 to 128 characters, in which up to 4 * stand for any';
/** Each star doubles what a pattern may have to try. */
const MOST_STARS = 4;
export const numberSchema = v.pipe(
  v.string(NUMBER),
  v.regex(/^[^\p{Cc}\s]{1,128}$/u, NUMBER),
  v.check((text) => text.split('*').length <= MOST_STARS + 1, NUMBER),
);

const state = v.picklist(['complete', 'partial', 'failed']);
const direction = v.picklist(['internal', 'inbound', 'outbound']);

/** A recording in a list. The names are those of Interaction Recording Web Services where they have one. */
export const listedSchema = v.strictObject({
  id: v.string(),
  href: v.string(),
  callerPhoneNumber: v.string(),
  dialedPhoneNumber: v.string(),
  startTime: v.string(),
  stopTime: v.string(),
  /** Milliseconds. */
  duration: v.number(),
  direction: v.nullable(direction),
  state,
  reason: v.nullable(v.string()),
  recordDN: v.nullable(v.string()),
  sessionId: v.nullable(v.string()),
  labels: v.array(v.string()),
  nonDelete: v.boolean(),
});
export type Listed = v.InferOutput<typeof listedSchema>;

export const listSchema = v.strictObject({
  statusCode: v.literal(0),
  recordings: v.array(listedSchema),
  /** For `cursor` of the next request; null when there is no more. */
  next: v.nullable(v.string()),
});

const mediaSchema = v.strictObject({
  mediaId: v.string(),
  mediaUri: v.string(),
  mediaPath: v.string(),
  playPath: v.string(),
  startTime: v.string(),
  stopTime: v.string(),
  callUUID: v.optional(v.string()),
  type: v.string(),
  /** Milliseconds, and bytes, in digits. */
  duration: v.string(),
  size: v.string(),
  /** Then the archive has a CMS message, which a private key opens. */
  encrypted: v.boolean(),
  parameters: v.record(v.string(), v.string()),
});

export const recordingSchema = v.strictObject({
  ...listedSchema.entries,
  callUuids: v.array(v.string()),
  agentId: v.optional(v.string()),
  attachedData: v.record(v.string(), v.string()),
  mediaFiles: v.array(mediaSchema),
  eventHistory: v.array(v.strictObject({ ...historyEventSchema.entries, occurredAt: v.string() })),
  masked: v.array(
    v.strictObject({ startTime: v.string(), stopTime: v.nullable(v.string()), reason: v.string() }),
  ),
  /** Why it is under hold. */
  holdReason: v.nullable(v.string()),
});
export const oneSchema = v.strictObject({ statusCode: v.literal(0), recording: recordingSchema });
export type Recording = v.InferOutput<typeof recordingSchema>;
