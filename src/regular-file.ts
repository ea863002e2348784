// Opening what lies in a spool or an archive that others may have touched: regular files alone, no link is followed, nothing blocks.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { systemCode } from './errors.ts';

/** With these, opening something else fails or gives what {@link openRegularFile} refuses. */
export const REGULAR_FILE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens a regular file and gives it to `work`, with its size in bytes.
 * Throws Node's system errors, and an Error that says what else it is.
 */
export function withRegularFile<T>(file: string, work: (fd: number, size: number) => T): T {
  const fd = openRegularFile(file);
  try {
    return work(fd, fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}

/** Opens a regular file for reading. Throws Node's system errors, and an Error that says what else it is. */
export function openRegularFile(file: string): number {
  const fd = openAnything(file);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new Error('it is not a regular file');
}

function openAnything(file: string): number {
  try {
    return openSync(file, REGULAR_FILE_FLAGS);
  } catch (thrown) {
    const code = systemCode(thrown);
    if (code === 'ELOOP') throw new Error('it is a symbolic link, which is not followed');
    if (code === 'ENXIO') throw new Error('it is not a regular file');
    throw thrown;
  }
}

/** The bytes of a small file; undefined when there is none. @throws Error when it has more than `most` bytes, and as above */
export function readRegularFile(file: string, most: number): Buffer | undefined {
  try {
    return withRegularFile(file, (fd, size) => {
      if (size > most) throw new Error(`it has ${size} bytes, which is too large for what it is`);
      const bytes = Buffer.alloc(size);
      let filled = 0;
      for (let length = -1; filled < size && length !== 0; filled += length)
        length = readSync(fd, bytes, filled, size - filled, filled);
      return bytes.subarray(0, filled);
    });
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** The same, and undefined when it cannot be read, whatever it is. */
export function readRegularFileOrNothing(file: string, most: number): Buffer | undefined {
  try {
    return readRegularFile(file, most);
  } catch {
    return undefined;
  }
}
