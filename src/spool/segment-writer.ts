// Writing one segment into the spool: facts.jsonl and capture.pcap, so that a crash at any instant leaves a usable prefix.
import { fstatSync } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { GrecError, messageOf } from '../errors.ts';
import { FILE_HEADER_BYTES, fileHeader } from './pcap.ts';
import type { SpoolKeys } from './sealed-capture.ts';
import {
  CAPTURE_FILE,
  FACTS_FILE,
  type SegmentClosed,
  type SegmentFact,
  type SegmentMedia,
  type SegmentOpened,
  type SegmentPause,
} from './segment.ts';

export interface SegmentWriter {
  readonly id: string;
  readonly directory: string;
  /** The path of the capture, with its header in it; whoever captures appends to it. */
  readonly capture: string;
  /** With which it is encrypted, if it is. */
  readonly key: Buffer | undefined;
  /** Appends a fact. @throws GrecError SPOOL_WRITE */
  note(fact: SegmentMedia | SegmentPause): Promise<void>;
  /**
   * Makes the capture durable, then writes `closed`, then makes that durable and closes the files.
   * @param bytes of the capture that count; what was refused may stand after them
   * @throws GrecError SPOOL_WRITE: call it again, or {@link abandon} the segment
   */
  close(fact: Omit<SegmentClosed, 'type'>, bytes: number): Promise<void>;
  /** Closes the files without a `closed` fact; the next start of the media server writes it. */
  abandon(): Promise<void>;
}

/**
 * Creates the folder of a new segment, named by a UUID that sorts by time. When this resolves, its `opened` fact is durable.
 * @param spool the folder of all segments
 * @param keys with which its capture is encrypted; it is not when absent
 * @throws GrecError SPOOL_WRITE
 */
export async function openSegment(
  spool: string,
  facts: Omit<SegmentOpened, 'type' | 'version' | 'segment'>,
  keys?: SpoolKeys,
): Promise<SegmentWriter> {
  const id = uuidv7();
  const directory = join(spool, id);
  const opened: SegmentOpened = { type: 'opened', version: 1, segment: id, ...facts };
  const files: FileHandle[] = [];
  const { header, key = undefined } = keys?.seal() ?? { header: fileHeader() };
  try {
    await mkdir(directory, { recursive: true, mode: 0o750 });
    const capture = await open(join(directory, CAPTURE_FILE), 'wx', 0o640);
    files.push(capture);
    await capture.write(header, 0, FILE_HEADER_BYTES, 0);
    const notes = await open(join(directory, FACTS_FILE), 'ax', 0o640);
    files.push(notes);
    await appendFact(notes, opened);
    return new FileSegment({ id, directory, key }, capture, notes);
  } catch (thrown) {
    for (const file of files) await file.close().catch(() => undefined);
    // Nothing has been captured into it, and nobody must take it for a segment.
    await rm(directory, { recursive: true, force: true }).catch(() => undefined);
    throw failed(directory, thrown);
  }
}

class FileSegment implements SegmentWriter {
  readonly id: string;
  readonly directory: string;
  readonly capture: string;
  readonly key: Buffer | undefined;
  readonly #capture: FileHandle;
  readonly #facts: FileHandle;

  constructor(
    { id, directory, key }: Pick<FileSegment, 'id' | 'directory' | 'key'>,
    capture: FileHandle,
    facts: FileHandle,
  ) {
    this.id = id;
    this.directory = directory;
    this.key = key;
    this.capture = join(directory, CAPTURE_FILE);
    this.#capture = capture;
    this.#facts = facts;
  }

  async note(fact: SegmentMedia | SegmentPause): Promise<void> {
    try {
      await appendFact(this.#facts, fact);
    } catch (thrown) {
      throw failed(this.directory, thrown);
    }
  }

  async close(fact: Omit<SegmentClosed, 'type'>, bytes: number): Promise<void> {
    try {
      if (sizeOf(this.#capture) !== bytes) await this.#capture.truncate(bytes);
      await this.#capture.datasync();
      await appendFact(this.#facts, { type: 'closed', ...fact });
    } catch (thrown) {
      throw failed(this.directory, thrown);
    }
    await this.abandon();
  }

  async abandon(): Promise<void> {
    await this.#capture.close().catch(() => undefined);
    await this.#facts.close().catch(() => undefined);
  }
}

/**
 * One whole line in one write, durable when this resolves. With the first one its file's name is, too, and that of the folder: journaling
 * file systems write what made a file no later than the file.
 */
export async function appendFact(file: FileHandle, fact: SegmentFact): Promise<void> {
  const line = Buffer.from(`${JSON.stringify(fact)}\n`);
  const before = sizeOf(file);
  const { bytesWritten } = await file.write(line);
  if (bytesWritten < line.length) {
    await file.truncate(before);
    throw new Error(`${bytesWritten} of ${line.length} bytes written`);
  }
  await file.datasync();
}

/** Of an open file the kernel knows it without asking the disk, so that no thread need be woken for it. */
function sizeOf(file: FileHandle): number {
  return fstatSync(file.fd).size;
}

function failed(directory: string, thrown: unknown): GrecError {
  return new GrecError('SPOOL_WRITE', `cannot write the segment ${directory}: ${messageOf(thrown)}`, {
    hint: 'free space on the disk of the spool',
    cause: thrown,
  });
}
