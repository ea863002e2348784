// Reading a capture file of any size in chunks; the format is in pcap.ts.
import { closeSync, fstatSync, readSync } from 'node:fs';
import { GrecError, messageOf } from '../errors.ts';
import { openRegularFile } from '../regular-file.ts';
import { FILE_HEADER_BYTES } from './pcap.ts';
import {
  type CaptureCursor,
  type CapturedPacket,
  captureCursor,
  checkFileHeader,
  decodeRecords,
} from './pcap-reader.ts';
import { isSealed, type SpoolKeys, sealProblem, unseal } from './sealed-capture.ts';

const CHUNK_BYTES = 1 << 20;

/** An open capture: iterate it once, from the first packet to the last. What it tells of itself holds after that. */
export interface Capture extends Iterable<CapturedPacket> {
  /** Bytes after the last whole record: an unfinished record, or all that follows a bad one. */
  readonly truncatedBytes: number;
  /** Records that hold no UDP datagram. */
  readonly skipped: number;
  /** Why reading ended before the end of the file, if it did. */
  readonly problem: string | undefined;
}

/**
 * Opens a capture file. Memory stays at a few megabytes however long it is; payloads are views that stay valid.
 * The file is closed when the iteration ends, however it ends.
 * @param keys of the spool, when captures are encrypted in it
 * @throws GrecError SPOOL_INVALID when it cannot be read or is no capture (while iterating: when reading fails)
 */
export function openCapture(path: string, keys?: SpoolKeys): Capture {
  const key = checkStart(path, keys);
  const cursor = captureCursor(FILE_HEADER_BYTES);
  const end = { truncatedBytes: 0 };
  return {
    get truncatedBytes() {
      return end.truncatedBytes;
    },
    get skipped() {
      return cursor.skipped;
    },
    get problem() {
      return cursor.problem;
    },
    [Symbol.iterator]: () => readPackets({ path, key }, cursor, end),
  };
}

/** @returns the key with which it is encrypted, if it is */
function checkStart(path: string, keys: SpoolKeys | undefined): Buffer | undefined {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  let file: number | undefined;
  let problem: string | undefined;
  try {
    file = openRegularFile(path);
    const read = header.subarray(0, readSync(file, header, 0, FILE_HEADER_BYTES, 0));
    problem = isSealed(read) ? sealProblem(read, keys) : checkFileHeader(read);
  } catch (thrown) {
    throw unreadable(path, thrown);
  } finally {
    if (file !== undefined) closeSync(file);
  }
  if (problem === undefined) return isSealed(header) ? keys?.keyOf(header) : undefined;
  const what = isSealed(header) ? 'cannot be read' : 'is no capture';
  throw new GrecError('SPOOL_INVALID', `${path} ${what}: ${problem}`);
}

function* readPackets(
  { path, key }: { path: string; key: Buffer | undefined },
  cursor: CaptureCursor,
  end: { truncatedBytes: number },
): Generator<CapturedPacket> {
  const file = openRegularFile(path);
  try {
    let rest: Buffer = Buffer.alloc(0);
    let position = 0;
    for (;;) {
      // A fresh chunk each time, as the payloads given out are views into it; no larger than what there is to read, as
      // most calls are short and their garbage would be what the daemon's memory consists of.
      const left = Math.min(CHUNK_BYTES, Math.max(0, fstatSync(file).size - position));
      const chunk = Buffer.allocUnsafe(rest.length + left);
      chunk.set(rest);
      const count = readChunk(path, file, chunk, rest.length, position);
      // Behind the header, which the cursor passes over.
      const hidden = Math.max(0, FILE_HEADER_BYTES - position);
      unseal(key, chunk.subarray(rest.length + hidden, rest.length + count), position + hidden);
      position += count;
      const bytes = chunk.subarray(0, rest.length + count);
      yield* decodeRecords(bytes, cursor);
      rest = bytes.subarray(cursor.offset);
      end.truncatedBytes = fstatSync(file).size - (position - rest.length);
      cursor.offset = 0;
      if (count === 0 || cursor.problem !== undefined) return;
    }
  } finally {
    closeSync(file);
  }
}

function readChunk(path: string, file: number, chunk: Buffer, offset: number, position: number): number {
  try {
    return readSync(file, chunk, offset, chunk.length - offset, position);
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

function unreadable(path: string, thrown: unknown): GrecError {
  return new GrecError('SPOOL_INVALID', `cannot read the capture ${path}: ${messageOf(thrown)}`, {
    cause: thrown,
  });
}
