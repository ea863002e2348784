// Whether a file still is what its manifest says, and where it is not.
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { messageOf, systemCode } from '../errors.ts';
import { withRegularFile } from '../regular-file.ts';
import { BLOCK_BYTES, type FileDigest } from './digest.ts';
import type { ByteRange, Finding } from './finding.ts';

/** Told after each block that was read. */
export type OnBytes = (bytes: number) => void;

/** Undefined when every byte is as it was. Reads up to the first bytes that the manifest does not know of. */
export async function verifyFile(
  directory: string,
  expected: FileDigest & { path: string },
  onBytes: OnBytes = () => undefined,
): Promise<Pick<Finding, 'code' | 'message' | 'ranges'> | undefined> {
  try {
    // The file is read in one go; other work runs between files.
    await setImmediate();
    return withRegularFile(join(directory, expected.path), (fd, size) =>
      compare(fd, size, expected, onBytes),
    );
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return { code: 'file-missing', message: 'it is missing' };
    return { code: 'file-unreadable', message: messageOf(thrown) };
  }
}

function compare(fd: number, size: number, expected: FileDigest, onBytes: OnBytes) {
  const { ranges, isWhole } = readBlocks(fd, expected, onBytes);
  if (size !== expected.size) {
    if (size > expected.size) ranges.push({ first: expected.size, last: size - 1 });
    return {
      code: 'file-size' as const,
      message: `${size} bytes, the manifest says ${expected.size}; ${describeRanges(merge(ranges))}`,
      ranges: merge(ranges),
    };
  }
  if (isWhole && ranges.length === 0) return undefined;
  // Blocks that all are right with a whole that is not: the manifest does not agree with itself.
  const wrong = ranges.length === 0 ? [{ first: 0, last: Math.max(0, size - 1) }] : merge(ranges);
  return {
    code: 'file-changed' as const,
    message: `it has been changed: ${describeRanges(wrong)}`,
    ranges: wrong,
  };
}

/** Blocks whose bytes are not those of the manifest, or are missing. */
function readBlocks(fd: number, { size, sha256, blocks }: FileDigest, onBytes: OnBytes) {
  const whole = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, size));
  const ranges: ByteRange[] = [];
  for (let index = 0, at = 0; at < size; index += 1, at += BLOCK_BYTES) {
    const length = Math.min(BLOCK_BYTES, size - at);
    const block = buffer.subarray(0, readFully(fd, buffer, length, at));
    whole.update(block);
    onBytes(block.length);
    if (blocks !== undefined && createHash('sha256').update(block).digest('hex') !== blocks[index])
      ranges.push({ first: at, last: at + length - 1 });
    // What follows is missing, however large a file is said to be.
    if (block.length < length) {
      ranges.push({ first: at + block.length, last: size - 1 });
      break;
    }
  }
  return { ranges, isWhole: whole.digest('hex') === sha256 };
}

function readFully(fd: number, buffer: Buffer, length: number, position: number): number {
  let filled = 0;
  while (filled < length) {
    const count = readSync(fd, buffer, filled, length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

function merge(ranges: readonly ByteRange[]): ByteRange[] {
  const merged: ByteRange[] = [];
  for (const { first, last } of ranges) {
    const before = merged.at(-1);
    if (before !== undefined && before.last + 1 >= first) before.last = Math.max(before.last, last);
    else merged.push({ first, last });
  }
  return merged;
}

const RANGES_SHOWN = 5;

function describeRanges(ranges: readonly ByteRange[]): string {
  const shown = ranges.slice(0, RANGES_SHOWN).map(({ first, last }) => `${first} to ${last}`);
  const more = ranges.length > RANGES_SHOWN ? ` and ${ranges.length - RANGES_SHOWN} more ranges` : '';
  return `in bytes ${shown.join(', ')}${more}`;
}
