// Appending to the audit log: several processes, one line at a time, on the disk before anything is done.
//
//   audit/YYYY-MM.jsonl    one entry a line, each with the hash of the one before, also across files
//   audit/lock             held while lines are added
//
// Nothing is ever overwritten. What a kill -9 leaves in the middle of a line is ended by a line feed, and the next entry says what it
// was; what a full disk has left is taken back, or else the same.
import { constants, existsSync, readdirSync, statSync } from 'node:fs';
import { chown, type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Caller } from '../caller.ts';
import { GrecError, messageOf } from '../errors.ts';
import { syncPath } from '../sync.ts';
import { underLock } from './lock.ts';
import {
  type AuditEntry,
  type AuditRecord,
  encodeRecord,
  LONGEST_LINE_BYTES,
  parseRecord,
  sha256,
} from './record.ts';

export const AUDIT_FILE_NAME = /^\d{4}-\d\d\.jsonl$/;
const LOCK_FILE = 'lock';
/** More than anybody holds it on a disk that works. */
const PATIENCE_MS = 10_000;

export interface AppendOptions {
  /** Milliseconds since 1970. */
  now?: () => number;
  patienceMs?: number;
}

/**
 * Adds entries, all or none, durably. @returns the number of the last one
 * @throws GrecError AUDIT_UNWRITABLE: what is not noted must not be done
 */
export async function appendAudit(
  directory: string,
  by: Caller,
  entries: readonly AuditEntry[],
  { now = Date.now, patienceMs = PATIENCE_MS }: AppendOptions = {},
): Promise<number> {
  try {
    if (!existsSync(directory)) await makeDirectory(directory);
    const lock = join(directory, LOCK_FILE);
    const isNew = !existsSync(lock);
    return await underLock(lock, patienceMs, async () => {
      if (isNew) await giveToOwner(directory, lock);
      return write(directory, by, entries, now());
    });
  } catch (thrown) {
    throw unwritable(directory, thrown);
  }
}

function unwritable(directory: string, thrown: unknown): GrecError {
  return new GrecError('AUDIT_UNWRITABLE', `cannot write the audit log ${directory}: ${messageOf(thrown)}`, {
    hint: 'what cannot be noted is not done: free its disk, or run this as the user of the daemons',
    cause: thrown,
  });
}

/** Names of the log's files in a directory, in order. Throws Node's system errors. */
export function listAuditFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => AUDIT_FILE_NAME.test(name))
    .sort();
}

async function write(
  directory: string,
  { user, from }: Caller,
  entries: readonly AuditEntry[],
  now: number,
): Promise<number> {
  const at = new Date(now).toISOString();
  const files = listAuditFiles(directory);
  const newest = files.at(-1);
  const before = newest === undefined ? NOTHING : await endOfFile(join(directory, newest));
  // A clock that was set back does not begin an older file, and what is torn is ended in its own.
  const wanted = `${at.slice(0, 7)}.jsonl`;
  const name = newest !== undefined && (before.torn !== undefined || wanted < newest) ? newest : wanted;
  const handle = await openLog(directory, join(directory, name));
  try {
    const { size } = await handle.stat();
    const { text, seq } = encodeAll({ at, user, from }, entries, before);
    await writeWhole(handle, size, Buffer.from(text));
    return seq;
  } finally {
    await handle.close();
  }
}

const NOTHING: End = { last: undefined, torn: undefined };

type Origin = Pick<AuditRecord, 'at' | 'user' | 'from'>;

function encodeAll(origin: Origin, entries: readonly AuditEntry[], { last, torn }: End) {
  let { seq, hash: previous } = last ?? { seq: 0, hash: null };
  let text = torn === undefined ? '' : '\n';
  for (const [index, { what, recording, details }] of entries.entries()) {
    seq += 1;
    const about = { ...(recording !== undefined && { recording }), ...(details && { details }) };
    const left = index === 0 && torn !== undefined ? { torn } : {};
    const { line, hash } = encodeRecord({ seq, ...origin, what, ...about, ...left, previous });
    text += `${line}\n`;
    previous = hash;
  }
  return { text, seq };
}

/** All of it on the disk, or an error and nothing of it, as far as the disk lets it be taken back. */
async function writeWhole(handle: FileHandle, size: number, bytes: Buffer): Promise<void> {
  try {
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await handle.write(bytes, written);
      if (bytesWritten === 0) throw new Error('nothing more is taken');
      written += bytesWritten;
    }
    await handle.datasync();
  } catch (thrown) {
    await handle.truncate(size).catch(() => undefined);
    throw thrown;
  }
}

interface End {
  /** Number and hash of the last whole line. */
  last: { seq: number; hash: string } | undefined;
  /** What stands behind it. */
  torn: AuditRecord['torn'];
}

async function readEnd(handle: FileHandle): Promise<End> {
  const { size } = await handle.stat();
  // A line, another one that may be damaged, and what is torn.
  const from = Math.max(0, size - 3 * LONGEST_LINE_BYTES);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
  const bytes = buffer.subarray(0, bytesRead);
  const end = bytes.lastIndexOf(0x0a) + 1;
  const rest = bytes.subarray(end);
  const torn = rest.length === 0 ? undefined : { bytes: rest.length, sha256: sha256(rest) };
  return { last: lastLine(bytes.subarray(0, end)), torn };
}

async function endOfFile(file: string): Promise<End> {
  const handle = await open(file, 'r');
  try {
    return await readEnd(handle);
  } finally {
    await handle.close();
  }
}

/** A line that is damaged is counted, so that numbers go on: verification tells of it. */
function lastLine(bytes: Buffer): End['last'] {
  const lines = splitLines(bytes);
  for (let after = 0; after < lines.length; after += 1) {
    const parsed = parseRecord(lines[lines.length - 1 - after] ?? Buffer.alloc(0));
    if (!('record' in parsed)) continue;
    const hash = after === 0 ? parsed.hash : sha256(lines.at(-1) ?? '');
    return { seq: parsed.record.seq + after, hash };
  }
  return lines.length === 0 ? undefined : { seq: lines.length, hash: sha256(lines.at(-1) ?? '') };
}

/** @param bytes lines, each with its line feed */
function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0, to = bytes.indexOf(0x0a); to >= 0; from = to + 1, to = bytes.indexOf(0x0a, from))
    lines.push(bytes.subarray(from, to));
  return lines;
}

async function makeDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o750 });
  await giveToOwner(dirname(directory), directory);
}

/** Appends only, whatever stands there: no link is followed. */
async function openLog(directory: string, file: string): Promise<FileHandle> {
  const isNew = !existsSync(file);
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  const handle = await open(file, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o640);
  if (isNew) {
    await giveToOwner(directory, file);
    await syncPath(directory);
  }
  return handle;
}

/** What root makes here is for the daemons, which have the directory around it. */
async function giveToOwner(place: string, file: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(place);
  await chown(file, uid, gid);
}
