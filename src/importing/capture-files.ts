// Capture files read side by side in the order of time: parts of one capture, or captures of several points, are one stream.
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Frame } from '../capture/frame.ts';
import { createFrameReader } from '../capture/frames.ts';
import { GrecError, messageOf, systemCode } from '../errors.ts';

const PIECE_BYTES = 256 << 10;

/** What a file was like, once it has been read. */
export interface FileReport {
  file: string;
  frames: number;
  bytes: number;
  /** What is wrong with it, in words; what stands before that has been read. */
  problems: string[];
}

export interface ReadingOptions {
  files: readonly string[];
  /** Called with the bytes read since the last call. */
  onBytes(count: number): void;
  signal: AbortSignal;
}

/**
 * The frames of all files, in runs of at most a piece of a file. A file is opened when the others have reached its first
 * frame, so that the parts of a long capture are never open all at once.
 * @throws GrecError CAPTURE_UNREADABLE; the signal's reason when it is aborted
 */
export async function* readFrames(options: ReadingOptions, reports: FileReport[]): AsyncGenerator<Frame[]> {
  const waiting = await inOrderOfTime(options.files);
  const sources: Source[] = [];
  try {
    while (waiting.length > 0 || sources.length > 0) {
      options.signal.throwIfAborted();
      const first = Math.min(...sources.map(({ next }) => next));
      while (waiting[0] !== undefined && !(first < waiting[0].firstAt))
        await begin(waiting, sources, options);
      const run = takeRun(sources, waiting[0]?.firstAt ?? Number.POSITIVE_INFINITY);
      if (run.length > 0) yield run;
      for (const source of sources) await source.refill();
      for (const done of sources.filter(({ isDone }) => isDone)) {
        sources.splice(sources.indexOf(done), 1);
        reports.push(await done.close());
      }
    }
  } finally {
    for (const source of sources) await source.close();
  }
}

async function begin(waiting: Part[], sources: Source[], options: ReadingOptions): Promise<void> {
  const part = waiting.shift();
  if (part === undefined) return;
  const source = new Source(part.file, await openCapture(part.file), options.onBytes);
  sources.push(source);
  await source.refill();
}

/** Frames up to where the first of the sources, or the next file, has to say something. */
function takeRun(sources: readonly Source[], until: number): Frame[] {
  const run: Frame[] = [];
  for (;;) {
    const [source, limit] = earliest(sources, until);
    if (source === undefined) return run;
    // A source whose next frame is not known yet holds up all that is not before it.
    if (!source.takeUpTo(limit, run)) return run;
  }
}

/** The source whose turn it is, and the time up to which it may go on without the others. */
function earliest(sources: readonly Source[], until: number): [Source | undefined, number] {
  let found: Source | undefined;
  let limit = until;
  for (const source of sources) {
    if (found === undefined || source.next < found.next) {
      limit = Math.min(limit, found?.next ?? limit);
      found = source;
    } else limit = Math.min(limit, source.next);
  }
  return found !== undefined && found.next <= until && !found.isDone ? [found, limit] : [undefined, limit];
}

interface Part {
  file: string;
  firstAt: number;
}

async function inOrderOfTime(files: readonly string[]): Promise<Part[]> {
  const parts: Part[] = [];
  for (const file of files) parts.push({ file, firstAt: await firstTime(file) });
  return parts.sort((one, other) => one.firstAt - other.firstAt);
}

/** @throws GrecError CAPTURE_UNREADABLE when the file is no capture */
async function firstTime(file: string): Promise<number> {
  const handle = await openCapture(file);
  try {
    const reader = createFrameReader();
    for (let position = 0; ; ) {
      const piece = await readPiece(file, handle, position, 1 << 16);
      for (const { at } of reader.push(piece)) return at;
      if (reader.problem !== undefined && position === 0) throw noCapture(file, reader.problem);
      position += piece.length;
      if (piece.length === 0 && position < 24) throw noCapture(file, `it has ${position} bytes`);
      if (piece.length === 0 || reader.problem !== undefined) return Number.POSITIVE_INFINITY;
    }
  } finally {
    await handle.close();
  }
}

async function openCapture(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (thrown) {
    throw unreadable(file, thrown);
  }
}

async function readPiece(file: string, handle: FileHandle, position: number, size: number): Promise<Buffer> {
  try {
    const piece = Buffer.allocUnsafeSlow(size);
    const { bytesRead } = await handle.read(piece, 0, size, position);
    return piece.subarray(0, bytesRead);
  } catch (thrown) {
    throw unreadable(file, thrown);
  }
}

function unreadable(file: string, thrown: unknown): GrecError {
  const hint = systemCode(thrown) === 'ENOENT' ? 'name a capture: `grec import FILE.pcap`' : undefined;
  const message = `cannot read ${file}: ${messageOf(thrown)}`;
  return new GrecError('CAPTURE_UNREADABLE', message, { cause: thrown, ...(hint && { hint }) });
}

function noCapture(file: string, problem: string): GrecError {
  return new GrecError('CAPTURE_UNREADABLE', `${file} is no capture: ${problem}`, {
    hint: 'pcap and pcapng are read, as tcpdump, tshark and sngrep write them',
  });
}

/** One file that is being read: a piece of it at a time is in memory. */
class Source {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #onBytes: (count: number) => void;
  readonly #reader = createFrameReader();
  #frames: Frame[] = [];
  #head = 0;
  #position = 0;
  #count = 0;
  #isRead = false;

  constructor(file: string, handle: FileHandle, onBytes: (count: number) => void) {
    this.#file = file;
    this.#handle = handle;
    this.#onBytes = onBytes;
  }

  /** Time of the next frame. */
  get next(): number {
    return this.#frames[this.#head]?.at ?? Number.POSITIVE_INFINITY;
  }

  get isDone(): boolean {
    return this.#isRead && this.#head >= this.#frames.length;
  }

  /** @returns false when more has to be read before anybody may go on */
  takeUpTo(limit: number, run: Frame[]): boolean {
    for (let frame = this.#frames[this.#head]; frame !== undefined; frame = this.#frames[this.#head]) {
      if (frame.at > limit) return true;
      run.push(frame);
      this.#head += 1;
    }
    return false;
  }

  /** Reads on when all that was read has been taken. */
  async refill(): Promise<void> {
    while (!this.#isRead && this.#head >= this.#frames.length) {
      const piece = await readPiece(this.#file, this.#handle, this.#position, PIECE_BYTES);
      this.#onBytes(piece.length);
      this.#position += piece.length;
      this.#frames = [...this.#reader.push(piece)];
      this.#head = 0;
      this.#count += this.#frames.length;
      this.#isRead = piece.length === 0 || this.#reader.problem !== undefined;
    }
  }

  async close(): Promise<FileReport> {
    await this.#handle.close();
    const { problem, pending, unusable } = this.#reader;
    const problems = [
      ...(problem === undefined ? [] : [`it breaks off after ${this.#count} frames: ${problem}`]),
      ...(problem === undefined && pending > 0 ? [`its last frame is cut off (${pending} bytes)`] : []),
      ...(unusable > 0 ? [`${unusable} records without a time or an interface`] : []),
    ];
    return { file: basename(this.#file), frames: this.#count, bytes: this.#position, problems };
  }
}
