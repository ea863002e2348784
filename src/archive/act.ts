// An act: what was done with recordings after they were archived, signed and chained as their manifests are; see grec-manifest(5).
//
//   archive/acts/XX/ID/NUMBER.json, NUMBER.sig    of one recording, which goes with it; XX: the end of its ID
//   archive/purged/NUMBER.json, NUMBER.sig        of recordings that were deleted
//
// NUMBER is that of its link, with 12 digits. What is signed are the bytes of the file, as they are.
import { join } from 'node:path';
import * as v from 'valibot';
import { ID, type Manifest, NUMBER, parseDocument, previousSchema, SHA256, TIME } from './manifest.ts';

export const PURGED_FOLDER = 'purged';
export const ACTS_FOLDER = 'acts';
export const ACT_NAME = /^(\d{12})\.json$/;
/** Its signature; one without its act is a crash's trace. */
export const ACT_SIGNATURE_NAME = /^\d{12}\.sig$/;
/** How the link of a deletion is called where others have the id of a recording. */
export const PURGE_LINK_ID = 'purged';

const LONGEST_LABEL = 64;
const MOST_LABELS = 64;
const MOST_DATA = 64;
const LONGEST_TEXT = 2048;

const isPrintable = (text: string) => !/[\p{Cc}\p{Bidi_Control}]/u.test(text);
const printable = (longest: number, what: string) => {
  const expected = `expected ${what} of 1 to ${longest} printable characters`;
  return v.pipe(
    v.string(expected),
    v.minLength(1, expected),
    v.maxLength(longest, expected),
    v.check(isPrintable, expected),
  );
};

const LABEL = `expected a label of 1 to ${LONGEST_LABEL} letters, digits and _ . : -`;
export const labelSchema = v.pipe(
  v.string(LABEL),
  v.regex(new RegExp(`^[\\p{L}\\p{N}_.:-]{1,${LONGEST_LABEL}}$`, 'u'), LABEL),
);
const KEY = 'expected a key of 1 to 64 letters, digits and _ . -';
const dataKey = v.pipe(v.string(KEY), v.regex(/^[A-Za-z0-9_.-]{1,64}$/, KEY));
const LABELS = `expected a list of ${MOST_LABELS} labels at most`;
const labels = v.pipe(v.array(labelSchema, LABELS), v.maxLength(MOST_LABELS, LABELS));

const holdEntries = { reason: printable(LONGEST_TEXT, 'a reason') };
const labelEntries = {
  add: v.optional(labels),
  remove: v.optional(labels),
  comment: v.optional(printable(LONGEST_TEXT, 'a comment')),
  /** Data that is attached: a value, or null to take it away. */
  data: v.optional(
    v.pipe(
      v.record(dataKey, v.nullable(printable(LONGEST_TEXT, 'a value'))),
      v.check((data) => Object.keys(data).length <= MOST_DATA, `expected ${MOST_DATA} keys at most`),
    ),
  ),
};

const recording = { recording: ID };
/** A link that went with a recording: whoever looks at the chain finds it here. */
const goneLink = v.strictObject({
  sequence: NUMBER,
  path: v.string(),
  sha256: SHA256,
  /** Of the link before; null in the first one. */
  previous: v.nullable(SHA256),
  createdAt: TIME,
});
const purgedSchema = v.strictObject({
  ...recording,
  startTime: TIME,
  stopTime: TIME,
  /** By which it went, in words. */
  rule: v.string(),
  links: v.array(goneLink),
});
/** One recording that was deleted: nothing of what was said or by whom. */
export type Purged = v.InferOutput<typeof purgedSchema>;

const deedSchema = v.variant('type', [
  v.strictObject({ type: v.literal('hold'), ...recording, ...holdEntries }),
  v.strictObject({ type: v.literal('unhold'), ...recording, ...holdEntries }),
  v.strictObject({ type: v.literal('label'), ...recording, ...labelEntries }),
  v.strictObject({ type: v.literal('purge'), recordings: v.pipe(v.array(purgedSchema), v.minLength(1)) }),
]);
/** What is done. */
export type Deed = v.InferOutput<typeof deedSchema>;
/** What is done with one recording. */
export type RecordingDeed = Exclude<Deed, { type: 'purge' }>;

/** What can be asked for; whoever is asked knows of which recording. */
export const requestSchema = v.variant('type', [
  v.strictObject({ type: v.literal('hold'), ...holdEntries }),
  v.strictObject({ type: v.literal('unhold'), ...holdEntries }),
  v.strictObject({ type: v.literal('label'), ...labelEntries }),
]);

const bySchema = v.strictObject({ user: v.string(), from: v.string() });
/** Who asked for it, and from where, as the one who asks says. */
export type By = v.InferOutput<typeof bySchema>;

const actSchema = v.pipe(
  v.strictObject({
    version: v.literal(1),
    sequence: NUMBER,
    createdAt: TIME,
    software: v.string(),
    /** The key that signs it. */
    key: SHA256,
    previous: v.nullable(previousSchema),
    by: bySchema,
    act: deedSchema,
  }),
  v.check(
    ({ sequence, previous }) => (previous?.sequence ?? 0) === sequence - 1,
    'the number of the one before does not precede its own',
  ),
);
export type Act = v.InferOutput<typeof actSchema>;

/** The bytes that are written, and signed. */
export function encodeAct(act: Act): Buffer {
  return Buffer.from(`${JSON.stringify(act, undefined, 2)}\n`);
}

/** The act in these bytes, whoever wrote them, or why it is none. */
export function parseAct(bytes: Buffer): { value: Act } | { problem: string } {
  return parseDocument(bytes, () => actSchema);
}

/** Where the acts of a recording are, relative to the archive. @param id a UUID in lower case */
export function actsFolder(id: string): string {
  return join(ACTS_FOLDER, id.slice(-2), id);
}

/** The file of an act, relative to the archive. */
export function actFile(deed: Deed, sequence: number): string {
  const folder = deed.type === 'purge' ? PURGED_FOLDER : actsFolder(deed.recording);
  return join(folder, `${String(sequence).padStart(12, '0')}.json`);
}

export function signatureOf(file: string): string {
  return file.replace(/\.json$/, '.sig');
}

/** What stands in the place of the id of a recording in the link of an act. */
export function linkIdOf(deed: Deed): string {
  return deed.type === 'purge' ? PURGE_LINK_ID : deed.recording;
}

/** The hash of the link before, as a link of a deleted recording carries it. */
export function previousHash({ previous }: Pick<Manifest, 'previous'>): string | null {
  return previous?.sha256 ?? null;
}
