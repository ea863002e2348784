// manifest.json: every file of a recording with its hashes, chained to the manifest before; see grec-manifest(5).
//
// What is signed are the bytes of the file, as they are: the form in which we write them (JSON, indented by two spaces, keys in
// the order of the schema, one line feed at the end) matters to nobody who verifies.
import * as v from 'valibot';
import { BLOCK_BYTES } from './digest.ts';

export const MANIFEST_FILE = 'manifest.json';
/** The Ed25519 signature of the bytes of manifest.json (RFC 8032), 64 bytes and nothing else. */
export const SIGNATURE_FILE = 'manifest.sig';
/** No manifest of ours comes near it: one with 37 hours of 16 tracks has 5 MB. */
export const LARGEST_MANIFEST_BYTES = 16 << 20;
const DEEPEST = 8;

export const SHA256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'no SHA-256 in lower-case hex'));
const COUNT = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const NUMBER = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
export const TIME = v.pipe(v.string(), v.isoTimestamp());
export const ID = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'no UUID'));

/** The names of the manifest, and its signature, that another one of the same recording has followed. */
export const supersededManifest = (revision: number) => `manifest.${revision}.json`;
export const supersededSignature = (revision: number) => `manifest.${revision}.sig`;

export const isSuperseded = (name: string) => /^manifest\.[1-9]\d{0,5}\.(json|sig)$/.test(name);

/** A file directly in the directory of the recording: nothing else can be named. */
export function isFileName(name: string): boolean {
  return /^[\w-][\w.-]{0,127}$/.test(name) && name !== MANIFEST_FILE && name !== SIGNATURE_FILE;
}

const fileSchema = v.pipe(
  v.strictObject({
    path: v.pipe(v.string(), v.check(isFileName, 'not a file of this recording')),
    size: COUNT,
    sha256: SHA256,
    /** Of each block of `blockSize` bytes, when there are several. */
    blocks: v.optional(v.array(SHA256)),
  }),
  v.check(({ size, blocks }) => {
    return (blocks?.length ?? 1) === (size > BLOCK_BYTES ? Math.ceil(size / BLOCK_BYTES) : 1);
  }, 'the number of blocks is not that of its size'),
);

/** The manifest before this one in the archive. */
export const previousSchema = v.strictObject({
  sequence: NUMBER,
  /** Of the bytes of its manifest.json. */
  sha256: SHA256,
});

export const manifestSchema = v.pipe(
  v.strictObject({
    version: v.literal(2),
    /** Of the recording. */
    id: ID,
    /** Its number in the chain of the archive, from 1 on without gaps. */
    sequence: NUMBER,
    /** Counts the manifests of this recording; those before are `manifest.N.json` and `manifest.N.sig`. */
    revision: NUMBER,
    /** When it was archived; and when the recording begins and ends. */
    createdAt: TIME,
    startTime: TIME,
    stopTime: TIME,
    software: v.string(),
    /** The key that signs it: SHA-256 of the public key (SubjectPublicKeyInfo, DER). */
    key: SHA256,
    /** Null in the first one. */
    previous: v.nullable(previousSchema),
    blockSize: v.literal(BLOCK_BYTES),
    files: v.pipe(
      v.array(fileSchema),
      v.check(
        (files) => new Set(files.map(({ path }) => path)).size === files.length,
        'a file is named twice',
      ),
    ),
    /** The captures that it was made of, as they were in the spool. */
    captures: v.array(v.strictObject({ segment: v.string(), size: COUNT, sha256: SHA256 })),
  }),
  v.check(
    ({ sequence, previous }) => (previous?.sequence ?? 0) === sequence - 1,
    'the number of the one before does not precede its own',
  ),
);
export type Manifest = v.InferOutput<typeof manifestSchema>;
export type CaptureDigest = Manifest['captures'][number];

/** Of a recording that was archived before manifests were signed. */
export const unsignedManifestSchema = v.object({
  version: v.literal(1),
  id: v.string(),
  createdAt: v.string(),
  files: v.array(v.object({ path: v.string(), size: COUNT, sha256: v.string() })),
});
export type UnsignedManifest = v.InferOutput<typeof unsignedManifestSchema>;

/** The bytes that are written, and signed. */
export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
}

/**
 * Reads the bytes of a manifest, whoever wrote them.
 * @returns the manifest, or why it is none
 */
export function parseManifest(
  bytes: Buffer,
): { manifest: Manifest | UnsignedManifest } | { problem: string } {
  const parsed = parseDocument(bytes, (value) => {
    const isOld = typeof value === 'object' && value !== null && 'version' in value && value.version === 1;
    return isOld ? unsignedManifestSchema : manifestSchema;
  });
  return 'problem' in parsed ? parsed : { manifest: parsed.value };
}

/** A document of the chain, whoever wrote it: its value by a schema, or why it is none. */
export function parseDocument<S extends v.GenericSchema>(
  bytes: Buffer,
  schemaFor: (value: unknown) => S,
): { value: v.InferOutput<S> } | { problem: string } {
  if (bytes.length > LARGEST_MANIFEST_BYTES) return { problem: 'too large' };
  if (isTooDeep(bytes)) return { problem: 'nested too deeply' };
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    const result = v.safeParse(schemaFor(value), value, { abortEarly: true });
    return result.success ? { value: result.output } : { problem: describeIssue(result.issues[0]) };
  } catch {
    return { problem: 'not JSON' };
  }
}

function describeIssue(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  const message = issue.message.length > 200 ? 'not as it must be' : issue.message;
  return path === null || path.length > 200 ? message : `${path}: ${message}`;
}

/** Counts brackets outside of strings. */
function isTooDeep(bytes: Buffer): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x5b || byte === 0x7b) depth += 1;
    else if (byte === 0x5d || byte === 0x7d) depth -= 1;
    if (depth > DEEPEST) return true;
  }
  return false;
}
