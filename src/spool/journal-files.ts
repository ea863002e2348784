// The files of one daemon's journal: journal/DAEMON/0000000001.jsonl, each named by the first sequence number in it.
import { ftruncateSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { systemCode } from '../errors.ts';
import { eventSchema, type JournalEvent } from './events.ts';

const FILE_NAME = /^\d{10,}\.jsonl$/;
const NEWLINE = 10;

export function journalFileName(firstSeq: number): string {
  return `${String(firstSeq).padStart(10, '0')}.jsonl`;
}

/** The first sequence number of a file, by its name. */
export function firstSeqOf(name: string): number {
  return Number.parseInt(name, 10);
}

/** Names of the journal's files, oldest first; none when the folder does not exist yet. */
export function listJournalFiles(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => FILE_NAME.test(name));
    return names.sort((one, other) => firstSeqOf(one) - firstSeqOf(other));
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

/** The event of one line, or what is wrong with it. */
export function parseEvent(line: string): { event: JournalEvent } | { problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { problem: 'not JSON' };
  }
  const result = v.safeParse(eventSchema, value);
  if (result.success) return { event: result.output };
  const [issue] = result.issues;
  return { problem: `not an event: ${issue?.message ?? 'unknown shape'}` };
}

/** What stands in the newest file of a journal after its half last line, a crash's trace, was cut off. */
export interface JournalTail {
  nextSeq: number;
  /** Bytes of whole lines. */
  size: number;
  /** Bytes that were cut off. */
  cut: number;
}

/** Cuts a half last line off the file opened at `fd` and tells where its sequence goes on. */
export function repairTail(folder: string, name: string, fd: number): JournalTail {
  const bytes = readFileSync(join(folder, name));
  const size = bytes.lastIndexOf(NEWLINE) + 1;
  const cut = bytes.length - size;
  if (cut > 0) ftruncateSync(fd, size);
  const lines = size === 0 ? [] : bytes.toString('utf8', 0, size - 1).split('\n');
  const parsed = parseEvent(lines.at(-1) ?? '');
  const byLine = 'event' in parsed ? parsed.event.seq + 1 : 1;
  // A last line that cannot be read still took a number: counting lines finds it.
  return { nextSeq: Math.max(byLine, firstSeqOf(name) + lines.length), size, cut };
}
