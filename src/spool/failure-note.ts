// failure.json beside a capture that was set aside: which recording could not be made of it, and why. The catalog may be lost.
import * as v from 'valibot';

export const FAILURE_FILE = 'failure.json';
export const LARGEST_FAILURE_BYTES = 1 << 20;

const TEXT = v.string();
const MOMENT = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const UUID = v.pipe(TEXT, v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'no UUID'));

const noteSchema = v.strictObject({
  version: v.literal(1),
  recording: UUID,
  reason: TEXT,
  /** When it failed, and when it began: milliseconds since 1970. */
  at: MOMENT,
  startTime: MOMENT,
  /** All that it was to be made of; and the name of all that was known. */
  segments: v.array(TEXT),
  madeOf: v.nullable(TEXT),
  sessionId: v.nullable(TEXT),
  direction: v.nullable(v.picklist(['internal', 'inbound', 'outbound'])),
  caller: TEXT,
  callee: TEXT,
  dn: v.nullable(TEXT),
  retention: v.nullable(TEXT),
});
export type FailureNote = v.InferOutput<typeof noteSchema>;

export function encodeNote(note: FailureNote): string {
  return `${JSON.stringify(note, undefined, 2)}\n`;
}

/** Undefined when it is none, whoever wrote it. */
export function parseNote(text: string): FailureNote | undefined {
  try {
    const result = v.safeParse(noteSchema, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}
