// A line of the audit log: who did what, when and from where, and the hash of the line before; see grec-audit(1). Pure.
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { AUDITED, type Audited } from './words.ts';

/** What is told of it, in words and numbers. */
export type Details = Record<string, string | number | boolean | null | undefined>;

/** One thing that is done. */
export interface AuditEntry {
  what: Audited;
  /** The id of the recording, where it is one. */
  recording?: string;
  details?: Details;
}

const HASH = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const detail = v.union([v.string(), v.number(), v.boolean(), v.null()]);
const recordSchema = v.strictObject({
  /** From 1 on, without gaps. */
  seq: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** ISO 8601. */
  at: v.pipe(v.string(), v.isoTimestamp()),
  user: v.string(),
  from: v.string(),
  what: v.picklist(AUDITED),
  recording: v.optional(v.string()),
  details: v.optional(v.record(v.string(), detail)),
  /** What a process that ended, or a full disk, has left of a line before this one. */
  torn: v.optional(v.strictObject({ bytes: v.number(), sha256: HASH })),
  /** Of the line before; null in the first one. */
  previous: v.nullable(HASH),
});
export type AuditRecord = v.InferOutput<typeof recordSchema>;
type NewRecord = Omit<AuditRecord, 'details'> & { details?: Details };

const LONGEST_DETAIL = 1024;
/** Far more than an entry of ours comes to. */
export const LONGEST_LINE_BYTES = 32_768;
const END = /,"hash":"([0-9a-f]{64})"\}$/;

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A line without its line feed, and its hash: of the bytes before the hash itself, closed by a brace. */
export function encodeRecord(record: NewRecord): { line: string; hash: string } {
  const body = bodyOf({ ...record, ...(record.details && { details: bounded(record.details) }) });
  const hash = sha256(body);
  return { line: `${body.slice(0, -1)},"hash":"${hash}"}`, hash };
}

function bodyOf(record: NewRecord): string {
  const body = JSON.stringify(record);
  if (Buffer.byteLength(body) < LONGEST_LINE_BYTES - 256) return body;
  return JSON.stringify({ ...record, details: { cut: true } });
}

function bounded(details: Details): Details {
  return Object.fromEntries(
    Object.entries(details).map(([key, value]) => [
      key,
      typeof value === 'string' ? value.slice(0, LONGEST_DETAIL) : value,
    ]),
  );
}

/** The record of a line with its hash, or why it is none. @param line without its line feed */
export function parseRecord(line: Buffer): { record: AuditRecord; hash: string } | { problem: string } {
  if (line.length > LONGEST_LINE_BYTES) return { problem: 'it is too long' };
  const text = line.toString('utf8');
  const hash = END.exec(text)?.[1];
  if (hash === undefined || !Buffer.from(text).equals(line)) return { problem: 'it is damaged' };
  const body = text.replace(END, '}');
  if (sha256(body) !== hash) return { problem: 'it has been changed: its hash is not that of its text' };
  try {
    const result = v.safeParse(recordSchema, JSON.parse(body));
    return result.success ? { record: result.output, hash } : { problem: 'it is no entry' };
  } catch {
    return { problem: 'it is no entry' };
  }
}
