// A capture of the spool in the clear, piece by piece, as any tool reads it: a pcap, whether it is encrypted or not.
import { closeSync, readSync } from 'node:fs';
import { GrecError, messageOf } from '../errors.ts';
import { openRegularFile } from '../regular-file.ts';
import { FILE_HEADER_BYTES, fileHeader } from './pcap.ts';
import { isSealed, keystreamAt, type SpoolKeys, sealProblem } from './sealed-capture.ts';

const PIECE_BYTES = 1 << 18;

/**
 * Closes the file when it ends, however it ends.
 * @param keys of the spool, when there are any
 * @throws GrecError SPOOL_INVALID
 */
export function* clearPieces(file: string, keys: SpoolKeys | undefined): Generator<Buffer> {
  const fd = asked(file, () => openRegularFile(file));
  try {
    const header = Buffer.alloc(FILE_HEADER_BYTES);
    const length = asked(file, () => readSync(fd, header, 0, FILE_HEADER_BYTES, 0));
    const problem = sealProblem(header, keys);
    if (problem !== undefined) throw unreadable(file, new Error(problem));
    const key = isSealed(header) ? keys?.keyOf(header) : undefined;
    const keystream = key && keystreamAt(key, FILE_HEADER_BYTES);
    yield key === undefined ? header.subarray(0, length) : fileHeader();
    for (let at = FILE_HEADER_BYTES; ; ) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      const count = asked(file, () => readSync(fd, piece, 0, PIECE_BYTES, at));
      if (count === 0) return;
      const bytes = piece.subarray(0, count);
      yield keystream?.update(bytes) ?? bytes;
      at += count;
    }
  } finally {
    closeSync(fd);
  }
}

function asked<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw unreadable(file, thrown);
  }
}

function unreadable(file: string, thrown: unknown): GrecError {
  return new GrecError('SPOOL_INVALID', `cannot read the capture ${file}: ${messageOf(thrown)}`, {
    hint: 'captures are capture.pcap in the folders of the spool; `grec failed` shows those that are set aside',
    cause: thrown,
  });
}
