// Reading a daemon's journal from a checkpoint, at the reader's own pace; nothing in it can stop the reader.
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonName } from '../config.ts';
import type { JournalEvent } from './events.ts';
import { firstSeqOf, listJournalFiles, parseEvent } from './journal-files.ts';

const CHUNK_BYTES = 1 << 20;
const LONGEST_LINE_BYTES = 1 << 16;
const NEWLINE = 10;

/** Where a reader stands; plain JSON, for the reader to keep. */
export interface JournalCheckpoint {
  /** Name of the file in the journal's folder. */
  file: string;
  /** Bytes of it that are done with. */
  offset: number;
  /** Sequence number of the last event read. */
  seq: number;
}

/** What could not be read. */
export interface JournalProblem {
  file: string;
  offset: number;
  message: string;
}

export interface JournalBatch {
  events: JournalEvent[];
  /** To be kept once the events are taken care of; undefined while there is no journal at all. */
  checkpoint: JournalCheckpoint | undefined;
  problems: JournalProblem[];
}

export interface JournalReader {
  /**
   * The next events, at most `limit`; none when all are read. A half last line is left for the next time; a bad line
   * is reported and passed over. Events may come twice only when the journal was cut or replaced (reported).
   */
  read(limit?: number): JournalBatch;
}

/** A reader of `directory/daemon/`, from `checkpoint` or from the oldest event on. */
export function createJournalReader(
  options: { directory: string; daemon: DaemonName },
  checkpoint?: JournalCheckpoint,
): JournalReader {
  const folder = join(options.directory, options.daemon);
  let position = checkpoint === undefined ? undefined : { ...checkpoint };
  let isResuming = checkpoint !== undefined;
  return {
    read(limit = 1000) {
      const batch: JournalBatch = { events: [], checkpoint: undefined, problems: [] };
      if (isResuming && position !== undefined) returnToWhatStands(folder, position, batch);
      isResuming = false;
      position = readBatch(folder, position, limit, batch);
      batch.checkpoint = position === undefined ? undefined : { ...position };
      return batch;
    },
  };
}

/**
 * A machine that lost its power may have lost the end of the journal, though the checkpoint behind it is safe; what was
 * written since stands in its place and must not be read from the middle.
 */
function returnToWhatStands(folder: string, position: JournalCheckpoint, batch: JournalBatch): void {
  if (position.offset === 0) return;
  const path = join(folder, position.file);
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) < position.offset) return;
  const before = readBefore(path, position.offset);
  const isEndOfLine = before.at(-1) === NEWLINE;
  const start = before.lastIndexOf(NEWLINE, before.length - 2) + 1;
  const last = parseEvent(before.toString('utf8', start, before.length - 1));
  // A line that is no event was passed over when it was read first.
  if (isEndOfLine && ('problem' in last || last.event.seq === position.seq)) return;
  report(batch, position, 'other events stand where reading ended; the file is read again');
  position.offset = 0;
  position.seq = firstSeqOf(position.file) - 1;
}

/** The last bytes before `offset`: more than a line. */
function readBefore(path: string, offset: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(Math.min(offset, LONGEST_LINE_BYTES));
    readSync(fd, bytes, 0, bytes.length, offset - bytes.length);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function readBatch(
  folder: string,
  from: JournalCheckpoint | undefined,
  limit: number,
  batch: JournalBatch,
): JournalCheckpoint | undefined {
  // Listed before reading: a file that has a successor here is complete.
  const files = listJournalFiles(folder);
  const position = startAt(files, from, batch);
  while (position !== undefined && batch.events.length < limit) {
    const rest = readLines(folder, position, limit, batch);
    const next = files[files.indexOf(position.file) + 1];
    if (next === undefined || rest === undefined) break;
    if (rest > 0) report(batch, position, `an unfinished last line of ${rest} bytes`);
    position.file = next;
    position.offset = 0;
  }
  return position;
}

function startAt(
  files: string[],
  from: JournalCheckpoint | undefined,
  batch: JournalBatch,
): JournalCheckpoint | undefined {
  const [oldest] = files;
  if (oldest === undefined) {
    if (from !== undefined) report(batch, from, 'the file is gone, and there is no other');
    return undefined;
  }
  if (from !== undefined && files.includes(from.file)) return from;
  if (from !== undefined) report(batch, from, `the file is gone; reading goes on with ${oldest}`);
  return { file: oldest, offset: 0, seq: firstSeqOf(oldest) - 1 };
}

function report(batch: JournalBatch, at: JournalCheckpoint, message: string): void {
  batch.problems.push({ file: at.file, offset: at.offset, message });
}

/**
 * Takes whole lines from the position's file until the limit or its end.
 * @returns the bytes of an unfinished last line; undefined when the limit came first
 */
function readLines(
  folder: string,
  position: JournalCheckpoint,
  limit: number,
  batch: JournalBatch,
): number | undefined {
  const fd = openSync(join(folder, position.file), 'r');
  try {
    if (position.offset > fstatSync(fd).size) {
      report(batch, position, 'the file is shorter than what was read of it; it is read again');
      position.offset = 0;
      position.seq = firstSeqOf(position.file) - 1;
    }
    // Most looks find a few lines or none: no more memory than they take.
    const size = Math.min(CHUNK_BYTES, fstatSync(fd).size - position.offset);
    const chunk = Buffer.allocUnsafe(size);
    for (;;) {
      const count = readSync(fd, chunk, 0, size, position.offset);
      const taken = takeLines(chunk.subarray(0, count), position, limit, batch);
      if (batch.events.length >= limit) return undefined;
      if (count < CHUNK_BYTES) return count - taken;
      if (taken === 0) {
        report(batch, position, `${CHUNK_BYTES} bytes without the end of a line are passed over`);
        position.offset += count;
      }
    }
  } finally {
    closeSync(fd);
  }
}

function takeLines(bytes: Buffer, position: JournalCheckpoint, limit: number, batch: JournalBatch): number {
  let start = 0;
  while (batch.events.length < limit) {
    const end = bytes.indexOf(NEWLINE, start);
    if (end < 0) break;
    takeLine(bytes.toString('utf8', start, end), position, batch);
    position.offset += end + 1 - start;
    start = end + 1;
  }
  return start;
}

function takeLine(line: string, position: JournalCheckpoint, batch: JournalBatch): void {
  const result = parseEvent(line);
  if ('problem' in result) {
    report(batch, position, result.problem);
    // The line had a number of its own: passing over it makes no gap.
    position.seq += 1;
    return;
  }
  const { seq } = result.event;
  if (seq !== position.seq + 1) report(batch, position, `event ${seq} follows ${position.seq}`);
  position.seq = seq;
  batch.events.push(result.event);
}
