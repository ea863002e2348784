// A storage class as the uploader sees it: files put whole under a path, read back, removed.
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { openRegularFile } from '../regular-file.ts';

const PIECE_BYTES = 64 << 10;

/** Bytes of a file, both ends included. */
export interface Range {
  first: number;
  last: number;
}

/** What is to be put: it can be read again as often as needed. */
export interface StoredFile {
  /** Bytes. */
  size: number;
  /** In lower-case hex. */
  sha256: string;
  /** Throws Node's system errors, at once or while it is read. */
  open(range?: Range): Readable;
}

/**
 * One storage class. Paths are relative to its root, of names that are safe in any path and any URL.
 * Every method throws GrecError:
 *
 * - STORAGE_UNREACHABLE: it cannot be asked, or is not able at the moment;
 * - STORAGE_REFUSED: it refuses us, which an operator can mend;
 * - STORAGE_REJECTED: it refuses this file, and will again;
 * - CONFIG_INVALID: a file that the configuration names is of no use.
 */
export interface Store {
  /** Where it is, for people: without secrets. */
  readonly place: string;
  /** Puts the file in its place, in that of another one too: whole, or not at all. */
  put(path: string, file: StoredFile): Promise<void>;
  /** The bytes of a file, which are to be read or destroyed; undefined when there is none. */
  get(path: string): Promise<Readable | undefined>;
  /** Again is no harm. */
  remove(path: string): Promise<void>;
  /** Removes a folder with all that is in it. @param names that may be in it: some storages have no folders */
  removeFolder(folder: string, names: readonly string[]): Promise<void>;
  /** Ends what is under way; whoever waits for it gets an error. */
  close(): void;
}

/** A file of this machine. @param digest what it must be; it is not looked at here */
export function localFile(file: string, { size, sha256 }: Pick<StoredFile, 'size' | 'sha256'>): StoredFile {
  const whole = { first: 0, last: size - 1 };
  return {
    size,
    sha256,
    open: ({ first, last } = whole) => {
      if (last < first) return Readable.from([]);
      const options = { fd: openRegularFile(file), start: first, end: last, highWaterMark: PIECE_BYTES };
      return createReadStream('', options);
    },
  };
}
